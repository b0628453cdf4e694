"""The studies of examples/ by real processes, with the command lines of docs/trainers.md."""

import re
import shlex
import sys

import harness

EXAMPLES = harness.SOURCE / "examples"
DOCUMENT = harness.SOURCE / "docs" / "trainers.md"


def documented_trainer(objective):
    """What docs/trainers.md gives as --trainer for an objective, for this interpreter."""
    commands = re.findall(r"^ {4}halving-worker (?:.*\\\n)*.*$", DOCUMENT.read_text(), re.M)
    for command in commands:
        words = shlex.split(command.replace("\\\n", " "))
        if "--objectives" in words and words[words.index("--objectives") + 1] == objective:
            trainer = words[words.index("--trainer") + 1]
            return re.sub(r"\bpython3\b", sys.executable, trainer)
    raise AssertionError(f"{DOCUMENT} has no halving-worker with --objectives {objective}")


class StudiesTest(harness.EndToEndTest):

    def run_study(self, file, objective):
        self.start_server()
        self.start_worker("w1", "--objectives", objective, trainer=documented_trainer(objective),
                          cwd=harness.SOURCE)
        self.halving("create", EXAMPLES / f"{file}.json")
        status = self.wait_until_ended(file)
        self.assertEqual(status["study"]["state"], "STUDY_STATE_COMPLETED", status)
        self.assertEqual(int(status.get("epochs_lost", 0)), 0)
        self.assertEqual([t.get("failures", 0) for t in self.trials(file) if t.get("failures")], [])
        return status

    def rungs(self, status):
        return {int(rung["epochs"]): int(rung["reported"]) for rung in status["rungs"]}

    def test_every_study_can_be_planned(self):
        self.start_server()
        files = sorted(EXAMPLES.glob("*.json"))
        self.assertGreaterEqual(len(files), 5)
        for file in files:
            self.halving("plan", file)

    def test_the_minimal_trainer(self):
        status = self.run_study("minimal", "logistic-regression")
        self.assertEqual(self.rungs(status), {1: 54, 3: 18, 9: 6, 27: 2})
        # Each rung goes on from the checkpoint of the one below.
        self.assertEqual(int(status["epochs_trained"]), 54 + 18 * 2 + 6 * 6 + 2 * 18)
        self.assertLess(status["best"]["results"][-1]["error"], 0.1)

    def test_the_wrapped_script(self):
        status = self.run_study("wrapped-script", "wrapped")
        self.assertEqual(self.rungs(status), {1: 18, 3: 6, 9: 2})
        self.assertEqual(int(status["epochs_trained"]), 18 + 6 * 2 + 2 * 6)
        best = status["best"]["results"][-1]
        self.assertLess(best["error"], 0.3)
        self.assertIn("r2", best["metrics"])


if __name__ == "__main__":
    harness.main()
