"""Checkpoints: trials that go on elsewhere, what the server's disk holds, and what people fetch."""

import json
import os
import signal
import subprocess
import unittest

import harness
from harness import BIN, study

# One trial of real training, by one thread, with a checkpoint after each epoch.
LENET = dict(
    objective="lenet",
    objective_options={"train_examples": 3000, "validation_examples": 500, "activation": "relu"},
    parameters=[{"name": "learning_rate", "float": {"min": 0.05, "max": 0.2}},
                {"name": "batch_size", "choice": {"values": [64]}},
                {"name": "momentum", "choice": {"values": [0.9]}}],
    initial_configs=[{"learning_rate": 0.1, "batch_size": 64, "momentum": 0.9}],
    halving={"min_epochs": 12, "max_epochs": 12, "eta": 2},
    limits={"max_evaluations": 1},
    retry={"lease": "2s"},
)


class CheckpointTest(harness.EndToEndTest):

    def files(self, folder="data/checkpoints"):
        """The ids of what lies in a checkpoint directory."""
        return sorted(name.split("@")[0] for name in os.listdir(self.dir / folder)
                      if not name.startswith("."))

    def trial(self, name, trial_id):
        return json.loads(self.halving("trial", name, trial_id, "--json"))

    def one_trial_ends(self, name):
        status = self.wait_until_ended(name)
        self.assertEqual(status["study"]["state"], "STUDY_STATE_COMPLETED", status)
        return status, self.trial(name, 1)

    def start_lenet_worker(self, worker_id, *args):
        return self.start_worker(worker_id, "--threads", 1, "--checkpoint-interval", "1ms", *args,
                                 trainer=None, checkpoints=f"checkpoints-{worker_id}")

    def require_lenet(self):
        if not (BIN / "halving-trainer").exists():
            self.skipTest("halving-trainer is not built")

    def interrupt_lenet(self, name, number):
        """Starts LeNet on w1, which gets a signal once a checkpoint inside the rung is known."""
        first = self.start_lenet_worker("w1")
        self.create(study(name, **LENET))
        harness.wait_for("a checkpoint is known", lambda: self.trial(name, 1)["has_checkpoint"])
        first.kill(number)
        first.wait()
        self.start_lenet_worker("w2")
        return self.one_trial_ends(name)

    def assert_whole_curve(self, trial):
        self.assertEqual([int(point["epoch"]) for point in trial["curve"]], list(range(1, 13)))

    def test_a_killed_workers_trial_goes_on_elsewhere_and_ends_with_the_same_error_to_the_last_bit(
            self):
        self.require_lenet()
        self.start_server()
        status, trial = self.interrupt_lenet("killed", signal.SIGKILL)
        result = trial["results"][0]
        self.assertEqual(result["worker_id"], "w2")
        self.assertGreater(int(result["from_epoch"]), 0)
        self.assertEqual(int(trial["attempts"]), 2)
        self.assert_whole_curve(trial)
        lost = int(status["epochs_lost"])
        self.assertLess(lost, 12)
        self.assertEqual(int(status["epochs_trained"]), 12 + lost)

        self.create(study("unbroken", **LENET))  # By w2, alone.
        _, unbroken = self.one_trial_ends("unbroken")
        self.assertEqual(int(unbroken["results"][0]["from_epoch"]), 0)
        self.assertEqual(result["error"], unbroken["results"][0]["error"])
        self.assertEqual(result["metrics"], unbroken["results"][0]["metrics"])
        self.assertEqual(trial["curve"], unbroken["curve"])

    def test_a_worker_that_is_told_to_leave_loses_no_epoch(self):
        self.require_lenet()
        self.start_server()
        status, trial = self.interrupt_lenet("preempted", signal.SIGTERM)
        self.assertGreater(int(trial["results"][0]["from_epoch"]), 0)
        self.assertEqual(int(status["epochs_lost"]), 0)
        self.assertEqual(int(status["epochs_trained"]), 12)
        self.assertEqual(int(trial["failures"]), 0)
        self.assert_whole_curve(trial)

    def test_at_the_end_the_disk_holds_checkpoints_of_the_best_only_and_after_delete_none(self):
        self.start_server()
        self.create(study("lenet", keep_checkpoints=2))
        workers = [self.start_worker(f"w{i}", "--checkpoint-interval", "1ms",
                                     checkpoints=f"checkpoints-w{i}") for i in range(2)]
        status = self.wait_until_ended("lenet")
        kept = harness.wait_for("the others are removed",
                                lambda: self.files() if len(self.files()) == 2 else None)
        best = self.trial("lenet", status["best"]["id"])
        self.assertIn(best["checkpoints"][0]["checkpoint_id"], kept)
        # On the workers' disks the copies go as well.
        for i in range(2):
            harness.wait_for("copies are removed", lambda i=i: set(
                self.files(f"checkpoints-w{i}")) <= set(kept))
        self.halving("checkpoint", "lenet", "-o", self.dir / "best")
        self.assertEqual((self.dir / "best").read_text(), "10")
        self.assertEqual([int(r["from_epoch"]) for r in best["results"]], [0, 2, 4, 8])
        self.halving("delete", "lenet", "--yes")
        harness.wait_for("none is left", lambda: not self.files())
        self.assertEqual([n for n in os.listdir(self.dir / "data" / "checkpoints")],
                         [".halving-server"])
        for worker in workers:
            worker.kill(signal.SIGTERM)
            self.assertEqual(worker.wait(), 0, worker.text())

    def test_in_a_shared_folder_trials_go_on_and_the_clean_up_is_the_same(self):
        shared = self.dir / "shared"
        self.start_server("--checkpoint-dir", shared)
        self.create(study("lenet", keep_checkpoints=1))
        for i in range(2):
            self.start_worker(f"w{i}", "--checkpoint-interval", "1ms", "--log-level", "debug",
                              checkpoints="shared")
        status = self.wait_until_ended("lenet")
        self.assertEqual([int(r["from_epoch"]) for r in status["best"]["results"]], [0, 2, 4, 8])
        self.assertEqual(int(status["epochs_lost"]), 0)
        harness.wait_for("one is left", lambda: len(self.files("shared")) == 1)
        hidden = [n for n in os.listdir(shared) if n.startswith(".worker") and "lock" not in n]
        self.assertEqual(hidden, [], "what workers put there is the server's now")
        self.halving("checkpoint", "lenet", "--trial", status["best"]["id"], "-o",
                     self.dir / "best")
        self.assertEqual((self.dir / "best").read_text(), "10")
        for process in self.processes:
            self.assertNotIn("uploading the bytes", process.text())

    def test_a_checkpoint_above_the_quota_costs_the_epochs_and_not_the_result(self):
        self.start_server("--max-checkpoint-size", "1000")
        self.create(study("lenet", objective_options={"checkpoint_bytes": 1001}))
        worker = self.start_worker("w1")
        status = self.wait_until_ended("lenet")
        self.assertEqual([int(rung["reported"]) for rung in status["rungs"]], [16, 8, 4, 2])
        self.assertGreater(int(status["epochs_lost"]), 0)
        self.assertIn("--max-checkpoint-size", worker.text())
        self.assertEqual(self.files(), [])

    def test_a_server_that_died_keeps_what_is_needed_and_sweeps_the_rest(self):
        server = self.start_server()
        gate = self.hold_after_results("lenet", 5)
        server.kill()
        server.wait()
        orphan = self.dir / "data" / "checkpoints" / ("1.1.1.1." + "0" * 32)
        orphan.write_text("of nobody")
        gate.touch()
        self.start_server()
        self.assertNotIn(orphan.name, self.files())
        status = self.wait_until_ended("lenet")
        self.assertEqual([int(rung["reported"]) for rung in status["rungs"]], [16, 8, 4, 2])
        self.assertEqual(int(status["epochs_lost"]), 0)

    def test_a_backup_restored_without_the_checkpoints_goes_on_from_scratch(self):
        self.start_server()
        gate = self.hold_after_results("lenet", 5)
        self.halving("backup", self.dir / "backup.db")
        self.processes[0].kill()
        self.processes[0].wait()
        subprocess.run([BIN / "halving-server", "restore", self.dir / "backup.db", "--data-dir",
                        self.dir / "data-2"], check=True, capture_output=True)
        gate.touch()
        refused = self.start("refused", BIN / "halving-server", "--listen", self.address,
                             "--data-dir", self.dir / "data-2")
        self.assertEqual(refused.wait(), 4)
        self.assertIn("start with --forget-checkpoints", refused.text())
        server = self.start_server("--forget-checkpoints", data=self.dir / "data-2")
        self.assertIn("goes on from an older one, or from scratch", server.text())
        status = self.wait_until_ended("lenet")
        self.assertEqual([int(rung["reported"]) for rung in status["rungs"]], [16, 8, 4, 2])
        self.assertGreater(int(status["epochs_lost"]), 0)

    def test_a_start_with_the_wrong_directory_is_refused_and_costs_nothing(self):
        server = self.start_server()
        self.create(study("lenet"))
        self.start_worker("w1")
        self.wait_until_ended("lenet")
        kept = harness.wait_for("the others are removed",
                                lambda: self.files() if len(self.files()) == 3 else None)
        server.kill(signal.SIGTERM)
        server.wait()
        wrong = self.start("wrong", BIN / "halving-server", "--listen", self.address, "--data-dir",
                           self.dir / "data", "--checkpoint-dir", self.dir / "mistyped")
        self.assertEqual(wrong.wait(), 4)
        self.assertIn("is it the right --checkpoint-dir", wrong.text())
        self.start_server()
        self.assertEqual(self.files(), kept)

    def test_a_start_that_fails_with_a_checkpoint_missing_says_why(self):
        server = self.start_server()
        self.create(study("lenet"))
        self.start_worker("w1")
        self.wait_until_ended("lenet")
        other = self.start("other", BIN / "halving-server", "--listen", self.address, "--data-dir",
                           self.dir / "other")
        self.assertEqual(other.wait(), 3)
        listening, self.address = self.address, None
        server.kill()
        server.wait()
        for name in self.files():
            os.remove(self.dir / "data" / "checkpoints" / name)
        self.start_server(data=self.dir / "other", listen=listening)
        late = self.start("late", BIN / "halving-server", "--listen", listening, "--data-dir",
                          self.dir / "data")
        self.assertEqual(late.wait(), 3, late.text())

    def test_people_who_fetch_what_is_not_there_are_told_why(self):
        self.start_server()
        self.assertIn("no study", self.halving("checkpoint", "nope", code=1))
        self.create(study("lenet"))
        self.assertIn("no result yet", self.halving("checkpoint", "lenet", code=1))
        self.assertIn("no trial 7", self.halving("checkpoint", "lenet", "--trial", 7, code=1))
        self.assertFalse(os.path.exists("lenet.checkpoint"))

    def test_grpcurl_shows_what_a_trial_keeps(self):
        self.require_grpcurl()
        self.start_server()
        self.create(study("lenet"))
        self.start_worker("w1")
        status = self.wait_until_ended("lenet")
        trial = self.grpcurl("halving.v1.StudyService/GetTrial",
                             {"name": "lenet", "trial_id": status["best"]["id"]})
        self.assertEqual(trial["checkpoints"][0]["epoch"], "10")
        header = self.grpcurl("halving.v1.CheckpointService/Download",
                              {"study": "lenet", "header_only": True})
        self.assertEqual(header["header"]["sha256"], trial["checkpoints"][0]["sha256"])


if __name__ == "__main__":
    harness.main()
