"""examples/trainer_minimal.py keeps the contract by itself."""

import math

import trainer_child

FOREVER = 10**9


class MinimalTest(trainer_child.TrainerTest):

    program = "trainer_minimal.py"
    config = {"learning_rate": 0.05, "weight_decay": 0.001}

    def test_a_whole_job_and_the_same_one_again(self):
        self.check_a_whole_job(3)

    def test_it_learns(self):
        events = self.run_job(self.start(), self.job(5))
        self.assertLess(events[-1]["done"]["error"], 0.12)  # 0.25 for one that says 0.5 always.

    def test_resuming_gives_the_same_bits(self):
        self.check_resuming_gives_the_same_bits(2, 5)

    def test_sigterm_in_a_job_ends_the_epoch_with_a_checkpoint(self):
        self.check_sigterm_in_a_job(FOREVER)

    def test_sigterm_between_jobs_ends_it(self):
        self.check_sigterm_between_jobs()

    def test_checkpoints_at_intervals(self):
        self.check_checkpoints_at_intervals()

    def test_a_checkpoint_that_cannot_be_used(self):
        self.check_unusable_checkpoints([
            b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe", b'{"epoch": 2}',
            b'{"epoch": 2, "weights": 7}', b'{"epoch": 2, "weights": [1]}',
            b'{"epoch": 2, "weights": ["x",2,3,4,5,6,7,8,9,10,11]}',
            b'{"epoch": 3, "weights": [1,2,3,4,5,6,7,8,9,10,11]}'])

    def test_a_training_that_diverges_says_so_and_goes_on_from_its_checkpoint(self):
        child = self.start()
        config = {"learning_rate": 1e200, "weight_decay": 1}
        events = self.run_job(child, self.job(2, name="diverged", config=config))
        self.assertTrue(math.isnan(events[-1]["done"]["error"]), events)
        events = self.run_job(child, self.job(3, from_epoch=2, checkpoint_in="diverged",
                                              config=config))
        self.assertTrue(math.isnan(events[-1]["done"]["error"]), events)

    def test_a_config_that_is_wrong_fails_for_good(self):
        child = self.start()
        for config in ({}, {"learning_rate": "fast"}, {"learning_rate": -1}):
            self.assert_failed(self.run_job(child, self.job(1, config=config)), "learning_rate")


if __name__ == "__main__":
    trainer_child.main()
