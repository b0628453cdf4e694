"""Every policy with a searcher, by real processes, through a kill -9 of the server."""

import json

import harness
from harness import study

# (policy, searcher), and the limits that go with them.
PAIRS = [
    ("POLICY_ASHA", "SEARCHER_GP", {"max_evaluations": 40}),
    ("POLICY_DELAYED_ASHA", "SEARCHER_TPE", {"max_evaluations": 40}),
    ("POLICY_HYPERBAND", "SEARCHER_SOBOL", {"max_rounds": 1}),
    ("POLICY_HALVING_PER_ROUND", "SEARCHER_PERTURB", {"max_evaluations": 40}),
]

# `momentum` exists for one optimizer only.
FEW = [
    {"name": "optimizer", "choice": {"values": ["adam", "sgd"]}},
    {"name": "momentum", "choice": {"values": [0, 0.5, 0.9]}, "when": {"optimizer": "sgd"}},
    {"name": "learning_rate", "choice": {"values": [0.01, 0.1, 1]}},
    {"name": "batch_size", "int": {"min": 32, "max": 32}},
]


def config_of(trial):
    return json.dumps(trial["config"], sort_keys=True)


class PoliciesTest(harness.EndToEndTest):

    def test_each_policy_and_searcher_ends_its_study_though_the_server_was_killed(self):
        server = self.start_server()
        for number in (1, 2):
            self.start_worker(f"w{number}")
        for policy, searcher, limits in PAIRS:
            with self.subTest(policy=policy, searcher=searcher):
                name = policy.lower()
                self.create(study(
                    name, searcher=searcher, limits=limits, initial_configs=None,
                    halving={"min_epochs": 1, "max_epochs": 9, "eta": 3, "policy": policy}))
                harness.wait_for("results", lambda: int(self.status(name)["evaluations"]) >= 5)
                server.kill()
                server.wait()
                server = self.start_server()
                status = self.wait_until_ended(name)
                self.assertEqual(status["study"]["state"], "STUDY_STATE_COMPLETED", status)
                trials = self.trials(name)
                self.assertEqual(len({config_of(t) for t in trials}), len(trials))
                self.assertEqual(int(status["evaluations"]),
                                 sum(len(trial["results"]) for trial in trials))
                if "max_evaluations" in limits:
                    self.assertLessEqual(int(status["evaluations"]), limits["max_evaluations"])
                self.assertTrue(any(t["state"] == "TRIAL_STATE_COMPLETED" for t in trials))

    def test_a_space_with_a_condition_is_searched_to_its_last_config(self):
        self.start_server()
        self.start_worker("w1")
        configs = 3 + 3 * 3
        self.create(study("few", parameters=FEW, initial_configs=None, searcher="SEARCHER_GP",
                          halving={"min_epochs": 1, "max_epochs": 1, "eta": 2},
                          limits={"max_evaluations": configs}))
        self.wait_until_ended("few")
        trials = self.trials("few")
        self.assertEqual(len({config_of(t) for t in trials}), configs)
        for trial in trials:
            self.assertEqual("momentum" in trial["config"], trial["config"]["optimizer"] == "sgd")

    def test_a_study_begins_with_the_best_of_another_one(self):
        self.start_server()
        self.start_worker("w1")
        self.create(study("first"))
        best = self.wait_until_ended("first")["best"]
        request = study("second", initial_configs=None,
                        warm_start={"study": "first", "trials": 2},
                        limits={"no_improvement": {"trials": 2, "delta": 0.5}})
        self.create(request)
        self.create(request)  # As often as one likes.
        status = self.wait_until_ended("second")
        self.assertIn("no_improvement", status["study"]["end_reason"])
        self.assertEqual(self.trials("second")[0]["config"], best["config"])


if __name__ == "__main__":
    harness.main()
