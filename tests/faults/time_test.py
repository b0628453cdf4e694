"""A server that stands still, and wall clocks that jump by a day."""

import glob
import os
import signal
import sys
import threading
import time

import client
import faults
import harness
from harness import study, wait_for

LEASE_S = 1
DAY_S = 24 * 3600
SERVERS = 4
# What the server takes for a pause of its own, and a margin.
OWN_PAUSE_S = 5 + 1.5


def wait_until(moment):
    wait_for("the moment", lambda: time.monotonic() >= moment)


class PauseTest(faults.FaultTest):

    def held_servers(self):
        """Servers with one trial each, which a worker holds and another one waits for."""
        held = []
        begin = time.monotonic()
        for number in range(SERVERS):
            # Apart, so that the pause finds their ticks, one each second, at all distances.
            wait_until(begin + number / SERVERS)
            self.serve(listen="127.0.0.1:0", data=self.dir / f"data-{number}")
            self.client.create(study("only", limits={"max_evaluations": 1},
                                     retry={"lease": f"{LEASE_S}s"},
                                     halving={"min_epochs": 1, "max_epochs": 1, "eta": 2}))
            assignment = self.client.suggest("holder")
            spare = self.connect()
            taken = []
            waiting = threading.Thread(target=lambda s=spare, t=taken: t.append(
                faults.refusal(s.suggest, "spare", wait_s=20)), daemon=True)
            waiting.start()
            self.client.progress(assignment)
            held.append((self.server, self.client, assignment, taken))
        return held

    def test_a_server_stopped_for_longer_than_its_leases_takes_no_trial_away(self):
        held = self.held_servers()
        renewed = time.monotonic()
        for _, connected, assignment, _ in held:
            connected.progress(assignment)
        wait_until(renewed + 0.6 * LEASE_S)
        for server, *_ in held:
            server.kill(signal.SIGSTOP)
        stopped = time.monotonic()
        self.assertLess(stopped - renewed, 0.9 * LEASE_S, "this machine is too slow to tell")
        wait_until(stopped + OWN_PAUSE_S)
        for server, *_ in held:
            server.kill(signal.SIGCONT)
        # Each lease had 0.4 s left, and must have them still.
        answers = [faults.refusal(connected.progress, assignment)
                   for _, connected, assignment, _ in held]
        for (_, connected, assignment, taken), (code, answer) in zip(held, answers):
            self.assertIsNone(code, f"the holder's lease: {answer}")
            self.assertEqual(taken, [], "the trial went to the worker that waited")
            self.assertFalse(connected.complete(assignment, 0.5).duplicate)
            self.assertEqual(connected.trial("only", 1).attempts, 1)

    def test_a_server_stopped_under_two_workers_ends_the_study_with_exact_counts(self):
        self.serve()
        gate = self.dir / "gate"
        self.client.create(study("stopped", objective_options={"gate": str(gate)},
                                 retry={"lease": f"{LEASE_S}s", "max_attempts": 20}))
        for name in ("w1", "w2"):
            self.start_worker(name)
        wait_for("both train", lambda: self.client.status("stopped").running_total == 2)
        self.server.kill(signal.SIGSTOP)
        gate.touch()
        wait_until(time.monotonic() + 2 * LEASE_S)
        self.server.kill(signal.SIGCONT)
        wait_for("it ends", lambda: client.state(self.client.status("stopped")) != "RUNNING")
        self.assert_rounds(self.client.status("stopped"), 2)


class ClockTest(faults.FaultTest):

    def setUp(self):
        super().setUp()
        library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not library:
            self.skipTest("libfaketime is not there: install libfaketime")
        self.clock = self.dir / "clock"
        self.environment = {**os.environ, "LD_PRELOAD": library[0],
                            "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.set_clock(0)

    def set_clock(self, offset_s):
        new = self.clock.with_suffix(".new")
        new.write_text(f"{offset_s:+d}")
        new.replace(self.clock)

    def assert_logs_at(self, process, offset_s):
        """The fault was there: the process's last line of log has the false date."""
        stamp = process.text().strip().splitlines()[-1].split(".")[0]
        seen = time.mktime(time.strptime(stamp, "%Y-%m-%dT%H:%M:%S")) - time.timezone
        self.assertAlmostEqual(seen - time.time(), offset_s, delta=600, msg=process.text())

    def assert_lease_holds(self, assignment, for_s):
        """Renewed at a third of the lease, it is lost to nobody."""
        end = time.monotonic() + for_s
        while time.monotonic() < end:
            self.client.progress(assignment)
            wait_until(time.monotonic() + LEASE_S / 3)
        self.assertEqual(self.client.trial(assignment.study, assignment.trial_id).failure, "")

    def test_a_server_whose_wall_clock_jumps_by_a_day_keeps_leases_and_wall_time(self):
        self.serve(env=self.environment)
        self.client.create(study("jump", retry={"lease": f"{LEASE_S}s"},
                                 limits={"max_evaluations": 30, "max_wall_time": "3600s"}))
        held = self.client.suggest("w")
        for offset_s in (DAY_S, -DAY_S):
            self.set_clock(offset_s)
            self.assert_lease_holds(held, 1.5 * LEASE_S)
            self.assertEqual(client.state(self.client.status("jump")), "RUNNING")
        # And a lease that nobody renews is over in its time all the same.
        start = time.monotonic()
        wait_for("it is lost", lambda: self.client.trial("jump", held.trial_id).failure)
        self.assertLess(time.monotonic() - start, LEASE_S + 2)
        self.client.complete(held, 0.5)
        self.server.kill(signal.SIGTERM)
        self.assertEqual(self.server.wait(15), 0, self.server.text())
        self.assert_logs_at(self.server, -DAY_S)

    def test_a_server_started_anew_under_another_date_goes_on(self):
        self.serve()
        self.client.create(study("dates", retry={"lease": f"{2 * LEASE_S}s"},
                                 limits={"max_evaluations": 30, "max_wall_time": "3600s"}))
        held = [self.client.suggest(f"w{n}") for n in range(3)]
        for number, offset_s in enumerate((-DAY_S, DAY_S, 0)):
            self.set_clock(offset_s)
            self.kill_server()
            self.restart(env=self.environment)
            self.assert_logs_at(self.server, offset_s)
            for each in held[number:]:
                trial = self.client.trial("dates", each.trial_id)
                self.assertEqual((trial.attempts, trial.failure), (1, ""), offset_s)
            self.assertFalse(self.client.complete(held[number], 0.5).duplicate)
            self.assertTrue(self.client.complete(held[0], 0.5).duplicate)
            self.assertEqual(client.state(self.client.status("dates")), "RUNNING")
        self.start_worker("rest")
        wait_for("it ends", lambda: client.state(self.client.status("dates")) != "RUNNING")
        self.assertEqual(self.client.status("dates").evaluations, 30)

    def test_a_worker_whose_wall_clock_jumps_by_a_day_keeps_its_lease(self):
        self.serve()
        gate = self.dir / "gate"
        self.client.create(study("worker", objective_options={"gate": str(gate)},
                                 retry={"lease": f"{LEASE_S}s"}))
        # Python's own sleep() fails under a library that fakes the time.
        worker = self.start_worker("w", env=self.environment, trainer="exec env -u LD_PRELOAD "
                                   f"{sys.executable} {harness.TRAINER}")
        wait_for("a trial runs", lambda: self.client.status("worker").running)
        for offset_s in (DAY_S, -DAY_S):
            self.set_clock(offset_s)
            wait_until(time.monotonic() + 1.5 * LEASE_S)
            trial = self.client.trial("worker", 1)
            self.assertEqual((trial.attempts, trial.failure), (1, ""))
        gate.touch()
        wait_for("it ends", lambda: client.state(self.client.status("worker")) != "RUNNING")
        self.assert_rounds(self.client.status("worker"), 2)
        self.assert_logs_at(worker, -DAY_S)


if __name__ == "__main__":
    faults.main()
