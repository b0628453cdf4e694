"""Workers and trainers that die or stand still: the study goes on and its counts are exact."""

import os
import pathlib
import signal
import sys
import time

import client
import faults
import harness
from harness import study, wait_for

LEASE_S = 1
ROUNDS = 2  # Of d2l's study.


class WorkersTest(faults.FaultTest):

    def create_gated(self, name, **changes):
        """A study whose trainers wait for a file, so that a test acts in the middle of a trial."""
        self.gate = self.dir / "gate"
        options = {"gate": str(self.gate), **changes.pop("objective_options", {})}
        self.client.create(study(name, objective_options=options,
                                 retry={"lease": f"{LEASE_S}s"}, **changes))

    def end_of(self, name):
        return wait_for(f"{name} ends", lambda: self.ended(name))

    def ended(self, name):
        status = self.client.status(name)
        return status if client.state(status) not in ("RUNNING", "PAUSED") else None

    def running(self, name):
        return self.client.status(name).running

    def trainer_of(self, worker):
        """The trainer's own process: below the worker and the worker's guard of it."""
        return wait_for("the trainer runs", lambda: next(
            (pid for pid in reversed(faults.descendants(worker.popen.pid))
             if "fake_trainer" in self.command(pid) and "sh\0-c" not in self.command(pid)), None))

    def command(self, pid):
        try:
            return pathlib.Path(f"/proc/{pid}/cmdline").read_text().partition(
                "--exec-trainer")[0]
        except OSError:
            return ""

    def start_plain_worker(self, name, *args):
        return self.start_worker(name, *args,
                                 trainer=f"exec {sys.executable} {harness.TRAINER}")

    def test_workers_and_trainers_killed_at_random_moments_cost_the_study_nothing(self):
        self.serve()
        self.client.create(study("mayhem", objective_options={"pace": 0.03},
                                 retry={"lease": "1s", "max_attempts": 20}))
        workers = {name: self.start_plain_worker(name) for name in ("w1", "w2")}
        for number in range(6):
            wait_for("results come in",
                     lambda n=number: self.client.status("mayhem").evaluations >= 3 * n)
            name = self.dice.choice(sorted(workers))
            below = faults.descendants(workers[name].popen.pid)
            if number % 2 == 0 and below:
                os.kill(self.dice.choice(below), signal.SIGKILL)
            else:
                workers[name].kill()
                workers[name].wait()
                workers[name] = self.start_plain_worker(name)
        self.assert_rounds(self.end_of("mayhem"), ROUNDS)
        attempts = sum(trial.attempts for trial in self.client.trials("mayhem").values())
        self.assertGreater(attempts, 30, "no kill hit anything")

    def test_what_a_dead_worker_leaves_behind_does_not_train_on(self):
        self.serve()
        self.create_gated("orphan")
        victim = self.start_plain_worker("victim")
        self.trainer_of(victim)
        below = faults.descendants(victim.popen.pid)
        self.assertGreaterEqual(len(below), 2)
        victim.kill()
        victim.wait()
        wait_for("all below it are gone", lambda: not any(self.command(pid) for pid in below), 10)

    def test_a_worker_stopped_beyond_its_lease_loses_the_trial_and_drops_its_work(self):
        self.serve()
        self.create_gated("stopped")
        sleeper = self.start_plain_worker("sleeper")
        wait_for("a trial runs", lambda: self.running("stopped"))
        sleeper.kill(signal.SIGSTOP)
        wait_for("the lease is over", lambda: self.client.trial("stopped", 1).failures == 1)
        self.start_plain_worker("other")
        wait_for("the other one has it", lambda: any(
            r.worker_id == "other" and r.trial_id == 1 and r.attempt == 2
            for r in self.running("stopped")))
        self.gate.touch()
        wait_for("it is reported", lambda: self.client.trial("stopped", 1).results)
        sleeper.kill(signal.SIGCONT)
        self.assert_rounds(self.end_of("stopped"), ROUNDS)
        first = self.client.trial("stopped", 1)
        self.assertEqual(first.results[0].worker_id, "other")
        self.assertIn("silent", first.failure)
        wait_for("the sleeper says that it dropped it", lambda: "dropped" in sleeper.text())
        self.assertIsNone(sleeper.popen.poll(), sleeper.text())

    def test_a_worker_that_comes_back_before_anybody_took_its_trial_keeps_it(self):
        self.serve()
        self.create_gated("kept")
        sleeper = self.start_plain_worker("sleeper")
        wait_for("a trial runs", lambda: self.running("kept"))
        sleeper.kill(signal.SIGSTOP)
        wait_for("the lease is over", lambda: self.client.trial("kept", 1).failures == 1)
        sleeper.kill(signal.SIGCONT)
        wait_for("the lease lives again", lambda: self.client.trial("kept", 1).failures == 0)
        self.gate.touch()
        self.assert_rounds(self.end_of("kept"), ROUNDS)
        self.assertEqual(self.client.status("kept").epochs_lost, 0)

    def test_a_trainer_that_stands_still_is_ended_and_its_trial_is_tried_again(self):
        self.serve()
        self.create_gated("still")
        worker = self.start_plain_worker("w", "--trainer-timeout", f"{2 * LEASE_S}s")
        wait_for("a trial runs", lambda: self.running("still"))
        stopped = self.trainer_of(worker)
        os.kill(stopped, signal.SIGSTOP)
        # Meanwhile the worker keeps the lease.
        wait_for("it failed once", lambda: self.client.trial("still", 1).failure)
        self.gate.touch()
        self.assert_rounds(self.end_of("still"), ROUNDS)
        first = self.client.trial("still", 1)
        self.assertNotIn("silent for 1s, the study's lease", first.failure)
        self.assertGreaterEqual(first.attempts, 2)
        self.assertEqual(self.command(stopped), "")

    def test_a_trial_that_kills_its_trainer_every_time_costs_3_attempts_and_its_rung_closes(self):
        self.serve()
        self.client.create(study("poison", objective_options={"poison": [2]},
                                 limits={"max_evaluations": 3},
                                 halving={"min_epochs": 1, "max_epochs": 2, "eta": 2}))
        worker = self.start_plain_worker("w")
        status = self.end_of("poison")
        self.assertEqual(client.state(status), "COMPLETED", status)
        poisoned = self.client.trial("poison", 2)
        self.assertEqual(client.trial_state(poisoned), "FAILED")
        self.assertEqual((poisoned.attempts, poisoned.failures), (3, 3))
        self.assertIn("signal 9", poisoned.failure)
        self.assertEqual(status.failed_trials, 1)
        low, top = status.rungs
        self.assertEqual((low.reported, low.failed, low.promoted, top.reported), (1, 1, 1, 1))
        self.assertEqual(client.trial_state(self.client.trial("poison", 1)), "COMPLETED")
        self.assertIsNone(worker.popen.poll(), "the worker died with its trainer")

    def test_a_first_rung_that_fails_as_a_whole_fails_the_study_with_the_reason(self):
        self.serve()
        self.client.create(study("hopeless", retry={"max_attempts": 1},
                                 halving={"min_epochs": 1, "max_epochs": 2, "eta": 2}))
        self.start_worker("w", trainer="echo no such data set >&2; exit 3")
        status = self.end_of("hopeless")
        self.assertEqual(client.state(status), "FAILED", status)
        self.assertIn("no such data set", status.study.end_reason)
        self.assertEqual([client.trial_state(self.client.trial("hopeless", n)) for n in (1, 2)],
                         ["FAILED", "FAILED"])

    def test_a_worker_started_anew_under_its_id_loses_the_old_trial_at_once(self):
        self.serve()
        self.client.create(study("anew", objective_options={"gate": str(self.dir / "gate")}))
        first = self.start_plain_worker("same")
        wait_for("a trial runs", lambda: self.running("anew"))
        first.kill()
        first.wait()
        start = time.monotonic()
        self.start_plain_worker("same")
        wait_for("it has the trial again", lambda: any(
            r.trial_id == 1 and r.attempt == 2 for r in self.running("anew")))
        self.assertLess(time.monotonic() - start, 30)  # The lease is 60 s.
        (self.dir / "gate").touch()
        self.assert_rounds(self.end_of("anew"), ROUNDS)


if __name__ == "__main__":
    faults.main()
