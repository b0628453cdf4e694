"""SIGKILL of the server at chosen points of a commit: a batch is on disk whole, or not at all."""

import signal

import client
import faults
import harness
from harness import study


class FailpointsTest(faults.FaultTest):

    def setUp(self):
        super().setUp()
        self.environment = self.bad_disk()
        self.serve(env=self.environment)

    def die_at(self, rule, call, *args, **kwargs):
        """Calls while the disk kills the server by this rule, then starts it anew."""
        self.set_disk(rule)
        code, answer = faults.refusal(call, *args, **kwargs)
        self.assertIn(code, client.OPEN, answer)
        self.wait_for_death(signal.SIGKILL)
        self.restart(env=self.environment)

    def test_a_report_killed_before_its_commit_was_not_counted_and_counts_when_repeated(self):
        self.client.create(study("before"))
        held = self.client.suggest("w")
        self.die_at("kill-before write -wal 1", self.client.complete, held, 0.5)
        self.assertEqual(len(self.client.trial("before", 1).results), 0)
        self.assertFalse(self.client.complete(held, 0.5).duplicate)
        self.assertEqual(self.client.status("before").evaluations, 1)

    def test_a_report_killed_between_write_and_sync_is_settled_by_repeating_it(self):
        self.client.create(study("unsynced"))
        held = self.client.suggest("w")
        self.die_at("kill-before sync -wal 1", self.client.complete, held, 0.5)
        was_there = len(self.client.trial("unsynced", 1).results)
        self.assertEqual(self.client.complete(held, 0.5).duplicate, was_there == 1)
        self.assertEqual([r.error for r in self.client.trial("unsynced", 1).results], [0.5])
        self.assertEqual(self.client.status("unsynced").evaluations, 1)

    def test_a_report_killed_after_its_commit_was_counted_though_nobody_was_told(self):
        self.client.create(study("after"))
        held = self.client.suggest("w")
        self.die_at("kill-after sync -wal 1", self.client.complete, held, 0.5)
        self.assertEqual([r.error for r in self.client.trial("after", 1).results], [0.5])
        self.assertTrue(self.client.complete(held, 0.5).duplicate)
        code, _ = faults.refusal(self.client.complete, held, 0.6)
        self.assertEqual(code, client.grpc.StatusCode.ALREADY_EXISTS)
        self.assertEqual(self.client.status("after").evaluations, 1)

    def test_a_trial_handed_out_without_an_answer_goes_to_the_same_ask_again(self):
        self.client.create(study("ask"))
        self.die_at("kill-after sync -wal 1", self.client.suggest, "w", "ask-a", incarnation="i")
        again = self.client.suggest("w", "ask-a", incarnation="i")
        self.assertEqual((again.trial_id, again.attempt), (1, 1))
        self.assertEqual(self.client.suggest("v").trial_id, 2)

    def test_a_study_created_without_an_answer_is_there_once_when_created_again(self):
        for number, rule in enumerate(("kill-before write -wal 1", "kill-before sync -wal 1",
                                       "kill-after sync -wal 1")):
            request = study(f"made-{number}")
            self.die_at(rule, self.client.create, request)
            self.client.create(request)
        listed = self.client.study("ListStudies", client.study_pb2.ListStudiesRequest())
        self.assertEqual([s.spec.name for s in listed.studies], ["made-0", "made-1", "made-2"])

    def last_of_a_rung(self, name):
        """A trial whose report, of several pages, closes its rung and promotes two of four."""
        self.client.create(study(name, halving={"min_epochs": 400, "max_epochs": 1600, "eta": 2}))
        held = [self.client.suggest("w") for _ in range(4)]
        for trial in held[:3]:
            self.client.complete(trial, trial.trial_id / 10)
        return held[3], [client.point(epoch, 1 / epoch) for epoch in range(1, 401)]

    def assert_whole_or_not_at_all(self, name):
        status = self.client.status(name)
        trial = self.client.trial(name, 4)
        level = status.rungs[0]
        seen = (status.evaluations, len(trial.results), len(trial.curve), level.reported,
                level.promoted, level.waiting, status.queued)
        self.assertIn(seen, [(3, 0, 0, 3, 0, 3, 0), (4, 1, 400, 4, 2, 0, 2)])
        return status.evaluations == 4

    def test_a_batch_that_closes_a_rung_and_promotes_is_whole_wherever_the_kill_comes(self):
        for action in ("kill-before", "tear"):
            name = f"batch-{action}"
            last, points = self.last_of_a_rung(name)
            for number in range(1, 100):
                self.set_disk(f"{action} write -wal {number}")
                code, answer = faults.refusal(self.client.complete, last, 0.05, points=points)
                if code is None:
                    break
                self.assertIn(code, client.OPEN, answer)
                self.wait_for_death(signal.SIGKILL)
                self.restart(env=self.environment)
                self.assertFalse(self.assert_whole_or_not_at_all(name))
            self.set_disk()
            self.assertGreater(number, 4, "the batch was too small to be cut in the middle")
            self.assertTrue(self.assert_whole_or_not_at_all(name))
            self.assertTrue(self.client.complete(last, 0.05, points=points).duplicate)
            promoted = [self.client.suggest("w") for _ in range(2)]
            self.assertEqual([p.trial_id for p in promoted], [4, 1])
            self.client.study("StopStudy", client.study_pb2.StopStudyRequest(name=name))

    def test_a_kill_while_the_log_is_folded_at_a_start_loses_nothing(self):
        last, points = self.last_of_a_rung("fold")
        self.client.complete(last, 0.05, points=points)
        self.kill_server()
        for number in range(1, 100):
            self.set_disk(f"tear write journal.db {number}")
            name = f"folding-{number}"
            server = self.start(name, harness.BIN / "halving-server", "--listen", self.address,
                                "--data-dir", self.dir / "data", env=self.environment)
            harness.wait_for("it is up or dead", lambda s=server: s.popen.poll() is not None
                             or "listening on" in s.text())
            if server.popen.poll() is None:
                self.client = self.connect()
                break
            self.assertEqual(server.popen.returncode, -signal.SIGKILL, server.text())
        self.assertGreater(number, 2, "nothing was folded")
        self.assertTrue(self.assert_whole_or_not_at_all("fold"))


if __name__ == "__main__":
    faults.main()
