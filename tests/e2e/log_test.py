"""What trainers print can be read where the study is: GetTrialLog, through crashes of everybody."""

import pathlib
import signal
import sys

import harness
from harness import study, wait_for

TRAINER = f"{sys.executable} {pathlib.Path(__file__).parent / 'log_trainer.py'}"


class LogTest(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.require_grpcurl()

    def create_study(self, name, **options):
        self.create(study(name, objective_options=options, limits={"max_evaluations": 4},
                          halving={"min_epochs": 1, "max_epochs": 2, "eta": 2},
                          retry={"max_attempts": 2, "lease": "3s"}))

    def attempts(self, name, trial):
        log = self.grpcurl("halving.v1.StudyService/GetTrialLog",
                           {"name": name, "trial_id": trial})
        return log.get("attempts", [])

    def lines(self, name, trial):
        return [line for attempt in self.attempts(name, trial) for line in attempt["lines"]]

    def is_on_disk(self, text):
        data = self.dir / "data"
        return any(text.encode() in path.read_bytes() for path in data.glob("logs.db*"))

    def test_both_outputs_of_each_attempt_are_there_though_the_trainer_crashed(self):
        self.start_server()
        self.create_study("talks", crash=[2])
        self.start_worker("w1", trainer=TRAINER)
        self.wait_until_ended("talks")
        crashed = self.attempts("talks", 2)
        self.assertEqual([attempt["attempt"] for attempt in crashed], [1, 2])
        for attempt in crashed:
            self.assertEqual(attempt["worker_id"], "w1")
            self.assertEqual(attempt["first_line"], "1")
            self.assertIn("loading for trial 2", attempt["lines"])
            self.assertIn("before the crash", attempt["lines"])
            self.assertTrue(any(line.startswith("Traceback") for line in attempt["lines"]))
            self.assertTrue(any(line.startswith("    raise ") for line in attempt["lines"]))
            self.assertEqual(attempt["lines"][-1], "ValueError: cannot train trial 2")
        went_well = self.lines("talks", 1)
        self.assertIn("epoch 1 goes well", went_well)
        self.assertTrue(any(line.startswith("config {") for line in went_well))
        self.assertFalse(any("trial 2" in line or '"epoch"' in line for line in went_well))

    def test_what_was_written_outlives_a_kill_of_the_server(self):
        server = self.start_server()
        gate = self.dir / "gate"
        self.create_study("killed", gate=str(gate))
        worker = self.start_worker("w1", trainer=TRAINER)
        wait_for("it is in the middle", lambda: "loading for trial 1" in worker.text())
        wait_for("a beat brings lines", lambda: self.lines("killed", 1))
        wait_for("they are written", lambda: self.is_on_disk("loading for trial 1"))
        server.kill(signal.SIGKILL)
        server.wait()
        self.start_server()
        self.assertIn("loading for trial 1", self.lines("killed", 1))
        gate.touch()
        self.wait_until_ended("killed")
        attempt = self.attempts("killed", 1)[0]
        self.assertEqual(attempt["worker_id"], "w1")
        for line in ("loading for trial 1", "epoch 1 goes well"):
            self.assertEqual(attempt["lines"].count(line), 1, attempt)

    def test_lines_of_a_report_that_was_lost_come_with_its_retry_and_once(self):
        server = self.start_server()
        gate = self.dir / "gate"
        self.create_study("away", gate=str(gate))
        worker = self.start_worker("w1", trainer=TRAINER)
        wait_for("it is in the middle", lambda: "loading for trial 1" in worker.text())
        server.kill(signal.SIGKILL)  # Its beats and its result find nobody.
        server.wait()
        gate.touch()
        wait_for("it is done", lambda: "done, error" in worker.text())
        self.start_server()
        self.wait_until_ended("away")
        attempt = self.attempts("away", 1)[0]
        self.assertEqual((attempt["attempt"], attempt["first_line"]), (1, "1"))
        for line in ("loading for trial 1", "epoch 1 goes well"):
            self.assertEqual(attempt["lines"].count(line), 1, attempt)

    def test_a_clean_stop_and_a_damaged_file_are_no_trouble(self):
        server = self.start_server()
        self.create_study("kept", crash=[1])
        worker = self.start_worker("w1", trainer=TRAINER)
        self.wait_until_ended("kept")
        before = self.attempts("kept", 1)
        worker.kill(signal.SIGTERM)
        worker.wait()
        server.kill(signal.SIGTERM)
        self.assertEqual(server.wait(), 0, server.text())
        server = self.start_server()
        self.assertEqual(self.attempts("kept", 1), before)
        server.kill(signal.SIGKILL)
        server.wait()
        (self.dir / "data" / "logs.db").write_bytes(b"nonsense" * 1000)
        server = self.start_server()
        self.assertIn("logs.db.aside", server.text())
        self.assertEqual(self.attempts("kept", 1), [])
        self.halving("delete", "kept", "--yes")


if __name__ == "__main__":
    harness.main()
