"""Many callers at once, and few file descriptors."""

import pathlib
import resource
import signal
import socket

import client
import faults
from client import grpc
from harness import study, wait_for

CALLS = 100
CONNECTIONS = 10


class LimitsTest(faults.FaultTest):

    def setUp(self):
        super().setUp()
        self.serve()
        self.clients = [self.connect() for _ in range(CONNECTIONS)]

    def test_of_100_equal_reports_at_once_one_counts_and_the_others_are_duplicates(self):
        self.client.create(study("equal"))
        held = self.client.suggest("w")
        answers = faults.at_once([lambda c=self.clients[n % CONNECTIONS]: c.complete(held, 0.5)
                                  for n in range(CALLS)])
        self.assertEqual([code for code, _ in answers], [None] * CALLS)
        self.assertEqual(sum(not answer.duplicate for _, answer in answers), 1)
        self.assertEqual(self.client.status("equal").evaluations, 1)
        self.assertEqual([r.error for r in self.client.trial("equal", 1).results], [0.5])

    def test_of_two_conflicting_reports_at_once_one_counts_and_the_other_is_refused(self):
        self.client.create(study("conflict"))
        winners = set()
        for trial_id in range(1, 9):  # No rung closes before the last one.
            held = self.client.suggest("w")
            answers = faults.at_once([
                lambda e=error, c=self.clients[error]: c.complete(held, e) for error in (1, 2)])
            codes = [code for code, _ in answers]
            self.assertCountEqual(codes, [None, grpc.StatusCode.ALREADY_EXISTS], answers)
            winner = codes.index(None) + 1
            winners.add(winner)
            shown = [r.error for r in self.client.trial("conflict", trial_id).results]
            self.assertEqual(shown, [winner])
        self.assertEqual(self.client.status("conflict").evaluations, 8)

    def test_100_equal_asks_at_once_get_one_trial(self):
        self.client.create(study("asks"))
        answers = faults.at_once([
            lambda c=self.clients[n % CONNECTIONS]: c.suggest("w", "ask-a", incarnation="i")
            for n in range(CALLS)])
        self.assertEqual([code for code, _ in answers], [None] * CALLS)
        self.assertEqual({(a.trial_id, a.attempt, a.lease_id) for _, a in answers},
                         {(1, 1, answers[0][1].lease_id)})
        self.assertEqual(self.client.status("asks").running_total, 1)

    def test_100_asks_at_once_get_100_trials(self):
        self.client.create(study("all", limits={"max_rounds": 100}))
        answers = faults.at_once([
            lambda c=self.clients[n % CONNECTIONS], w=f"w{n}": c.suggest(w) for n in range(CALLS)])
        self.assertEqual([code for code, _ in answers], [None] * CALLS)
        self.assertEqual(sorted(a.trial_id for _, a in answers), list(range(1, CALLS + 1)))

    def leave_descriptors(self, pid, more):
        """The process may open so many more than it has; the limit."""
        limit = len(self.descriptors(pid)) + more
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
        return limit

    def descriptors(self, pid):
        return list(pathlib.Path(f"/proc/{pid}/fd").iterdir())

    def use_up_descriptors(self):
        """Connections until the server can open no more."""
        pid = self.server.popen.pid
        limit = self.leave_descriptors(pid, 8)
        host, port = self.address.split(":")
        sockets = [socket.create_connection((host, int(port))) for _ in range(32)]
        wait_for("no descriptor is left", lambda: len(self.descriptors(pid)) >= limit)
        return sockets

    def test_a_server_out_of_descriptors_serves_those_connected_and_loses_nothing(self):
        self.client.create(study("connected"))
        sockets = self.use_up_descriptors()
        held = self.client.suggest("w")
        self.client.complete(held, 0.5)
        self.assertEqual(self.client.status("connected").evaluations, 1)
        for each in sockets:
            each.close()
        self.server.kill(signal.SIGTERM)
        self.assertEqual(self.server.wait(15), 0, self.server.text())
        self.restart()
        self.assertTrue(self.client.complete(held, 0.5).duplicate)

    def test_a_server_takes_new_connections_again_once_it_has_descriptors(self):
        self.client.create(study("again"))
        for each in self.use_up_descriptors():
            each.close()
        wait_for("a new connection is served",
                 lambda: faults.refusal(self.try_anew)[0] is None, 20)

    def test_a_worker_out_of_descriptors_fails_its_trials_and_says_why(self):
        worker = self.start_worker("w", "--objectives", "few")
        self.wait_for_worker("w")
        self.leave_descriptors(worker.popen.pid, 2)
        self.client.create(study("few", objective="few", retry={"max_attempts": 1},
                                 limits={"max_evaluations": 1}))
        wait_for("it ends", lambda: client.state(self.client.status("few")) == "FAILED")
        self.assertIn("Too many open files", self.client.status("few").study.end_reason)

    def try_anew(self):
        connected = client.Client(self.address)
        try:
            connected.study("GetStatus", client.study_pb2.GetStatusRequest(name="again"), 2)
        finally:
            connected.close()


if __name__ == "__main__":
    faults.main()
