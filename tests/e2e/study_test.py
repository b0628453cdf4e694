"""The main job by real processes: a study runs on a server and workers, whatever happens."""

import csv
import io
import json
import signal

import harness
from harness import study


class StudyTest(harness.EndToEndTest):

    def results_per_rung(self, status):
        return {int(rung["epochs"]): int(rung.get("reported", 0)) for rung in status["rungs"]}

    def assert_d2l_counts(self, status):
        self.assertEqual(status["study"]["state"], "STUDY_STATE_COMPLETED", status)
        self.assertEqual(self.results_per_rung(status), {2: 16, 4: 8, 8: 4, 10: 2})
        self.assertEqual(int(status["evaluations"]), 30)

    def test_one_worker_gives_16_8_4_2_results_and_68_epochs_initial_config_first(self):
        self.start_server()
        self.start_worker("w1")
        plan = self.halving("plan", "-", text=json.dumps(study("one")))
        self.create(study("one"))
        status = self.wait_until_ended("one")
        self.assert_d2l_counts(status)
        self.assertEqual(int(status["epochs_trained"]), 68)
        self.assertEqual(int(status.get("epochs_lost", 0)), 0)
        trials = self.trials("one")
        self.assertEqual(trials[0]["config"], {"learning_rate": 0.1, "batch_size": 128})
        # What was planned: 15 evaluations and 34 epochs a round, two rounds.
        for figure in ("15", "34", "2"):
            self.assertRegex(plan, rf"\b{figure}\b")

    def test_the_best_trial_is_the_one_with_the_lowest_error_at_max_epochs(self):
        self.start_server()
        self.start_worker("w1")
        self.create(study("best"))
        status = self.wait_until_ended("best")
        at_top = [t for t in self.trials("best") if t["state"] == "TRIAL_STATE_COMPLETED"]
        self.assertEqual(len(at_top), 2)
        best = min(at_top, key=lambda t: t["results"][-1]["error"])
        self.assertEqual(status["best"]["id"], best["id"])

    def test_every_example_file_is_a_study_that_can_be_created(self):
        self.start_server()
        examples = sorted((harness.SOURCE / "examples").glob("*.json"))
        self.assertGreater(len(examples), 5)
        for path in examples:
            name = json.loads(path.read_text())["study"]["name"]
            self.assertIn(name, self.halving("plan", path))
            self.assertIn(name, self.halving("create", path))

    def test_two_workers_share_a_study(self):
        self.start_server()
        self.start_worker("w1")
        self.start_worker("w2")
        self.create(study("two"))
        self.assert_d2l_counts(self.wait_until_ended("two"))

    def test_a_server_killed_in_the_middle_goes_on_and_ends_with_the_same_counts(self):
        server = self.start_server()
        gate = self.dir / "gate"
        self.start_worker("w1")
        self.create(study("killed", objective_options={"gate": str(gate)}))
        harness.wait_for("a trial runs", lambda: self.status("killed").get("running_total"))
        for at_least in (1, 9, 20):
            server.kill(signal.SIGKILL)
            server.wait()
            server = self.start_server()
            gate.touch()
            harness.wait_for(
                "results come in",
                lambda n=at_least: int(self.status("killed").get("evaluations", 0)) >= n)
        status = self.wait_until_ended("killed")
        self.assert_d2l_counts(status)
        self.assertEqual(int(status["epochs_trained"]), 68)

    def test_a_killed_worker_costs_its_trial_an_attempt_and_the_study_nothing(self):
        self.start_server()
        gate = self.dir / "gate"
        victim = self.start_worker("victim")
        self.create(study("orphan", objective_options={"gate": str(gate)},
                          retry={"lease": "1s"}))
        harness.wait_for("a trial runs", lambda: self.status("orphan").get("running_total"))
        victim.kill()
        victim.wait()
        gate.touch()
        self.start_worker("w2")
        status = self.wait_until_ended("orphan")
        self.assert_d2l_counts(status)
        first = self.trials("orphan")[0]
        self.assertGreaterEqual(first["attempts"], 2)

    def test_a_worker_that_is_stopped_gives_its_trial_back(self):
        self.start_server()
        gate = self.dir / "gate"
        leaving = self.start_worker("leaving")
        self.create(study("back", objective_options={"gate": str(gate)}))
        harness.wait_for("a trial runs", lambda: self.status("back").get("running_total"))
        leaving.kill(signal.SIGTERM)
        self.assertEqual(leaving.wait(), 0, leaving.text())
        status = self.status("back")
        self.assertEqual(int(status.get("running_total", 0)), 0)
        self.assertEqual(int(status["queued"]), 1)
        self.assertEqual(self.trials("back")[0].get("failures", 0), 0)

    def test_a_worker_on_another_machine_goes_on_from_the_checkpoints_of_the_first(self):
        self.start_server()
        self.create(study("far"))
        self.start_worker("w1", "--max-jobs", "8").wait()
        # The four that were promoted stand at 2 epochs; this worker has another folder.
        self.start_worker("w2", checkpoints="elsewhere")
        status = self.wait_until_ended("far")
        self.assert_d2l_counts(status)
        self.assertEqual(int(status["epochs_lost"]), 0)
        for trial in self.trials("far"):
            for result in trial["results"][1:]:
                self.assertGreater(int(result["from_epoch"]), 0)

    def test_a_checkpoint_that_is_gone_from_the_server_costs_its_epochs_and_no_attempt(self):
        self.start_server()
        self.create(study("gone"))
        self.start_worker("w1", "--max-jobs", "8").wait()
        for file in (self.dir / "data" / "checkpoints").iterdir():
            if not file.name.startswith("."):
                file.unlink(missing_ok=True)  # The server may be removing what nobody needs.
        self.start_worker("w2", checkpoints="elsewhere")
        status = self.wait_until_ended("gone")
        self.assert_d2l_counts(status)
        self.assertEqual(int(status["epochs_lost"]), 4 * 2)
        promoted = [t for t in self.trials("gone") if len(t["results"]) > 1]
        self.assertEqual([t.get("failures", 0) for t in promoted], [0] * len(promoted))

    def test_pause_resume_stop_and_delete(self):
        self.start_server()
        gate = self.dir / "gate"
        self.start_worker("w1")
        self.create(study("life", objective_options={"gate": str(gate)}))
        harness.wait_for("a trial runs", lambda: self.status("life").get("running_total"))
        self.halving("pause", "life")
        gate.touch()
        harness.wait_for("its result comes in",
                         lambda: int(self.status("life").get("evaluations", 0)) == 1)
        self.assertEqual(int(self.status("life").get("running_total", 0)), 0)
        self.halving("resume", "life")
        harness.wait_for("it goes on", lambda: int(self.status("life")["evaluations"]) > 3)
        self.halving("stop", "life")
        self.assertIn(self.status("life")["study"]["state"],
                      ("STUDY_STATE_STOPPED", "STUDY_STATE_COMPLETED"))
        self.halving("delete", "life", "--yes")
        self.assertIn("life", self.halving("status", "life", code=1))

    def test_what_is_shown_of_a_finished_study(self):
        self.start_server()
        self.start_worker("w1")
        self.create(study("shown"))
        self.assertIn("COMPLETED", self.halving("watch", "shown"))
        self.assertIn("shown", self.halving("list"))
        self.assertIn("w1", self.halving("workers"))
        rows = list(csv.DictReader(io.StringIO(self.halving("trials", "shown", "--csv"))))
        self.assertEqual(len(rows), 30)
        self.assertEqual(rows[0]["learning_rate"], "0.1")
        picture = self.halving("plot", "shown", "-o", "-")
        self.assertTrue(picture.startswith("<?xml") or picture.startswith("<svg"), picture[:80])

    def test_extend_reopens_a_completed_study(self):
        self.start_server()
        self.start_worker("w1")
        self.create(study("more"))
        self.wait_until_ended("more")
        self.halving("extend", "more", "--max-evaluations", 45)
        harness.wait_for("45 results", lambda: int(self.status("more")["evaluations"]) == 45)
        status = self.wait_until_ended("more")
        self.assertEqual(self.results_per_rung(status), {2: 24, 4: 12, 8: 6, 10: 3})


if __name__ == "__main__":
    harness.main()
