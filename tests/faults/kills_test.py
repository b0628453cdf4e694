"""SIGKILL of the server at random moments: nothing acknowledged is lost, nothing counts twice."""

import os
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

    def run_study(self, name, meddle):
        """The ranking of a study that one worker with a deterministic trainer ran."""
        self.serve(data=self.dir / name)
        gate = self.dir / f"gate-{name}"
        worker = self.start_worker(f"worker-{name}", checkpoints=f"checkpoints-{name}")
        self.create(study("same", objective_options={"gate": str(gate)}, retry={"lease": "1s"}))
        meddle(gate)
        status = self.wait_until_ended("same")
        self.assertEqual(int(status["evaluations"]), 30)
        ranking = self.ranking("same")
        for process in (worker, self.server):
            process.kill(signal.SIGTERM)
            self.assertEqual(process.wait(), 0, process.text())
        return ranking

    def test_the_final_ranking_is_that_of_a_run_without_faults(self):
        def kill_five_times(gate):
            for at_least in (0, 3, 9, 16, 23):
                wait_for("results come in", lambda n=at_least:
                         self.client.status("same").evaluations >= n)
                if at_least == 0:
                    wait_for("a trial runs", lambda: self.client.status("same").running_total)
                gate.unlink(missing_ok=True)  # So that the study cannot end before the kill.
                self.kill_server()
                self.restart(data=self.dir / "faulty")
                gate.touch()

        calm = self.run_study("calm", lambda gate: gate.touch())
        self.assertEqual(len(calm), 16)
        self.assertEqual(self.run_study("faulty", kill_five_times), calm)


if __name__ == "__main__":
    faults.main()
