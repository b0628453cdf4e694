"""LeNet on Fashion-MNIST by the real trainer, small enough for a test."""

import pathlib

import harness
from harness import study

DATASET = pathlib.Path("/usr/share/datasets/fashion-mnist")


class LenetTest(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        if not DATASET.exists():
            self.skipTest(f"{DATASET} is not there: install dataset-fashion-mnist")

    def test_it_learns_and_goes_on_from_checkpoints(self):
        self.start_server()
        self.start_worker("w1", "--threads", "1", trainer=None)
        self.create(study(
            "lenet", objective="lenet",
            objective_options={"train_examples": 2000, "validation_examples": 500,
                               "activation": "relu"},
            halving={"min_epochs": 1, "max_epochs": 4, "eta": 2}, limits={"max_evaluations": 7}))
        status = self.wait_until_ended("lenet", deadline_s=240)
        self.assertEqual(status["study"]["state"], "STUDY_STATE_COMPLETED", status)
        self.assertEqual([int(r["reported"]) for r in status["rungs"]], [4, 2, 1])
        self.assertEqual(int(status["epochs_trained"]), 4 + 2 + 2)
        self.assertLess(status["best"]["results"][-1]["error"], 0.6)  # Chance is 0.9.
        self.assertIn("test_error", status["best"]["results"][-1]["metrics"])

    def test_options_that_are_wrong_fail_the_trial_with_the_reason(self):
        self.start_server()
        self.start_worker("w1", trainer=None)
        self.create(study("wrong", objective="lenet", objective_options={"dataset": "/nowhere"},
                          halving={"min_epochs": 1, "max_epochs": 2, "eta": 2}))
        status = self.wait_until_ended("wrong")
        self.assertEqual(status["study"]["state"], "STUDY_STATE_FAILED")
        self.assertIn("/nowhere", status["study"]["end_reason"])


if __name__ == "__main__":
    harness.main()
