"""SIGKILL of the server at random moments: nothing acknowledged is lost, nothing counts twice."""

import os
import pathlib
import shutil
import signal
import time

import faults
import ledger
import load
from harness import study, wait_for

KILLS = int(os.environ.get("HALVING_KILLS") or 5)  # scripts/soak asks for more.
WORKERS = 16
ROUNDS = 4


class KillsTest(faults.FaultTest):

    def setUp(self):
        super().setUp()
        # Studies that have ended are compacted at once, so that the kills come in between that, too.
        os.environ["HALVING_COMPACT_AFTER"] = "0s"
        self.addCleanup(os.environ.pop, "HALVING_COMPACT_AFTER")

    def test_nothing_acknowledged_is_lost_when_a_loaded_server_is_killed_at_random_moments(self):
        start = time.monotonic()
        self.serve()
        book = ledger.Ledger()
        traffic = load.Load(self.address, book, workers=WORKERS, rounds=ROUNDS, seed=self.seed)
        self.addCleanup(traffic.stop)
        for number in range(1, KILLS + 1):
            self.kill_under_load(traffic, book)
            if number % 100 == 0:
                print(f"{number} kills, {book.acknowledged} calls acknowledged, "
                      f"{time.monotonic() - start:.0f} s", flush=True)
        traffic.finish()
        traffic.stop()
        self.check_all(book)
        print(f"{KILLS} SIGKILLs of a server under {WORKERS} workers in "
              f"{time.monotonic() - start:.0f} s: {book.acknowledged} calls acknowledged, "
              f"{len(book.results)} of them results of {len(book.studies)} studies; none lost, "
              "none counted twice", flush=True)

    def kill_under_load(self, traffic, book):
        before = book.acknowledged
        wait_for("calls are acknowledged",
                 lambda: traffic.failures or book.acknowledged > before + WORKERS)
        time.sleep(self.dice.uniform(0, 0.2))  # The random moment; nothing waits for it.
        traffic.check()
        self.kill_server()
        self.client.close()
        self.restart()
        book.verify(self.client)
        recent = list(book.results)[-100:]
        book.verify_repeats(self.client, self.dice.sample(recent, min(4, len(recent))))

    def check_all(self, book):
        """Each study ended as planned, by the very results that were acknowledged."""
        acknowledged = {}
        for (name, trial_id, epochs), request in book.results.items():
            acknowledged.setdefault(name, {})[trial_id, epochs] = request.completed.error
        self.assertGreater(len(book.studies), 0)
        for name in book.studies:
            self.assert_rounds(self.client.status(name), ROUNDS)
            self.assertEqual(ledger.server_results(self.client, name), acknowledged[name], name)

    def test_the_check_notices_a_journal_that_lost_its_newest_results(self):
        self.serve()
        book = ledger.Ledger()
        traffic = load.Load(self.address, book, workers=4, rounds=ROUNDS, seed=self.seed)
        self.addCleanup(traffic.stop)
        wait_for("results come in", lambda: len(book.results) > 10)
        self.kill_server()
        shutil.copytree(self.dir / "data", self.dir / "older")
        self.restart()
        before = len(book.results)
        wait_for("more results come in", lambda: len(book.results) > before + WORKERS)
        traffic.stop()
        book.verify(self.client)
        self.kill_server()
        self.serve(data=self.dir / "older")
        with self.assertRaisesRegex(AssertionError, "lost"):
            book.verify(self.client)

    def run_study(self, name, meddle=None, moments=()):
        """Has one worker with a deterministic trainer run a study, and meddles in the middle of
        the evaluations `moments`: (trial, epochs). The study's ranking and its evaluations, in
        the order of their results."""
        self.serve(data=self.dir / name)
        self.worker = self.start_only_worker(name)
        gates = {f"{trial}-{epochs}": str(self.dir / f"{name}-{trial}-{epochs}")
                 for trial, epochs in moments}
        self.create(study("same", objective_options={"gates": gates},
                          retry={"lease": "1s", "max_attempts": 20}))
        for trial, epochs in moments:
            wait_for(f"{trial}-{epochs} runs", lambda t=trial, e=epochs: any(
                r.trial_id == t and r.epochs == e for r in self.client.status("same").running))
            meddle(name)
            pathlib.Path(gates[f"{trial}-{epochs}"]).touch()
        status = self.wait_until_ended("same")
        self.assertEqual(int(status["evaluations"]), 30)
        ranking = self.ranking("same")
        ordered = sorted((r.study_epochs, t.id, r.epochs)
                         for t in self.client.trials("same").values() for r in t.results)
        for process in (self.worker, self.server):
            process.kill(signal.SIGTERM)
            self.assertEqual(process.wait(), 0, process.text())
        return ranking, [(trial, epochs) for _, trial, epochs in ordered]

    def start_only_worker(self, name):
        return self.start_worker(f"worker-{name}", checkpoints=f"checkpoints-{name}")

    def test_the_final_ranking_is_that_of_a_run_without_faults(self):
        def kill_server(name):
            self.kill_server()
            self.restart(data=self.dir / name)

        def kill_worker(name):
            self.worker.kill()
            self.worker.wait()
            self.worker = self.start_only_worker(name)

        def kill_trainer(_):
            below = wait_for("the trainer runs", lambda:
                             faults.descendants(self.worker.popen.pid))
            os.kill(below[-1], signal.SIGKILL)

        calm, order = self.run_study("calm")
        self.assertEqual((len(calm), len(order)), (16, 30))
        moments = [order[n] for n in (0, 3, 9, 16, 23)]
        for meddle in (kill_server, kill_worker, kill_trainer):
            ranking, _ = self.run_study(meddle.__name__, meddle, moments)
            self.assertEqual(ranking, calm, meddle.__name__)


if __name__ == "__main__":
    faults.main()
