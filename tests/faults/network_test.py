"""Links that are slow, stall, are cut or reset: work is kept, and the counts are exact."""

import threading
import time

import client
import faults
import ledger
import load
import proxy
from harness import study, wait_for

LEASE_S = 1
ROUNDS = 2


class ProxyTest(faults.FaultTest):
    """A server, and a proxy before it. Has no tests itself."""

    def setUp(self):
        super().setUp()
        self.serve()
        self.direct = self.address
        self.proxy = proxy.Proxy(self.direct)
        self.addCleanup(self.proxy.close)

    def start_far_worker(self, name, *args):
        """A worker behind the proxy."""
        self.address = self.proxy.address
        worker = self.start_worker(name, *args)
        self.address = self.direct
        return worker

    def hold_a_trial(self, name):
        """A worker behind the proxy is in the middle of trial 1."""
        self.gate = self.dir / "gate"
        self.client.create(study(name, objective_options={"gate": str(self.gate)},
                                 retry={"lease": f"{LEASE_S}s"}))
        worker = self.start_far_worker("far", "--objectives", "fake")
        wait_for("a trial runs", lambda: self.client.status(name).running)
        # The server's answer may still be on the line, where a cut would lose it.
        wait_for("the worker has it", lambda: "begins" in worker.text())
        return worker

    def end_of(self, name):
        def ended():
            status = self.client.status(name)
            return status if client.state(status) != "RUNNING" else None

        return wait_for(f"{name} ends", ended)

    def wait_until_lost(self, name):
        wait_for("the lease is over", lambda: self.client.trial(name, 1).failures == 1)

    def assert_the_work_was_kept(self, name):
        """Nobody else was there: the result came late, and counts."""
        self.assert_rounds(self.end_of(name), ROUNDS)
        first = self.client.trial(name, 1)
        self.assertEqual(first.results[0].worker_id, "far")
        self.assertEqual(self.client.status(name).epochs_lost, 0)

    def cut_beyond_the_lease(self, mode):
        name = f"link-{mode}"
        worker = self.hold_a_trial(name)
        self.proxy.set(mode)
        self.wait_until_lost(name)
        self.gate.touch()  # The training ends while the server is out of reach.
        wait_for("it is trained", lambda: "done, error" in worker.text())
        self.assertEqual(self.client.status(name).evaluations, 0)
        self.proxy.set(proxy.FORWARD)
        self.assert_the_work_was_kept(name)
        first = self.client.trial(name, 1)
        self.assertEqual(first.attempts, len(first.results))


class NetworkTest(ProxyTest):

    def test_a_link_cut_for_longer_than_the_lease_keeps_the_finished_work(self):
        self.cut_beyond_the_lease(proxy.CUT)

    def test_a_link_that_is_reset_for_longer_than_the_lease_keeps_the_finished_work(self):
        self.cut_beyond_the_lease(proxy.RESET)

    def test_a_link_that_stalls_for_longer_than_the_lease_keeps_the_finished_work(self):
        self.cut_beyond_the_lease(proxy.STALL)

    def test_a_worker_that_vanishes_while_it_waits_costs_a_trial_no_more_than_a_lease(self):
        waiting = client.Client(self.proxy.address)
        self.addCleanup(waiting.close)
        asked = threading.Thread(target=lambda: faults.refusal(waiting.suggest, "ghost", wait_s=20))
        asked.start()
        self.wait_for_worker("ghost")
        self.proxy.set(proxy.DEAD_CLIENT)
        asked.join()
        self.client.create(study("ghost", retry={"lease": f"{LEASE_S}s"}))
        # The server cannot know: the trial goes to nobody, until its lease is over.
        wait_for("it was handed out", lambda: self.client.trial("ghost", 1).attempts == 1)
        wait_for("the lease is over", lambda: self.client.trial("ghost", 1).failures == 1)
        self.assertEqual(self.client.suggest("w").trial_id, 1)

    def test_a_trial_taken_over_while_the_link_was_cut_is_dropped_by_the_first_worker(self):
        worker = self.hold_a_trial("taken")
        self.proxy.set(proxy.CUT)
        self.wait_until_lost("taken")
        held = self.client.suggest("near")
        self.assertEqual((held.trial_id, held.attempt), (1, 2))
        self.gate.touch()
        self.client.complete(held, 0.01, checkpoint_id="")
        wait_for("it is trained", lambda: "done, error" in worker.text())
        self.proxy.set(proxy.FORWARD)
        wait_for("the far worker hears of it", lambda: "dropped" in worker.text())
        self.assert_rounds(self.end_of("taken"), ROUNDS)
        self.assertEqual(self.client.trial("taken", 1).results[0].error, 0.01)

    def test_a_link_of_200_ms_loses_no_lease_of_1_s(self):
        self.proxy.set(proxy.FORWARD, delay_s=0.2)
        self.gate = self.dir / "gate"
        self.client.create(study("slow", objective_options={"gate": str(self.gate)},
                                 limits={"max_evaluations": 3}, retry={"lease": f"{LEASE_S}s"},
                                 halving={"min_epochs": 1, "max_epochs": 2, "eta": 2}))
        self.start_far_worker("far")
        wait_for("a trial runs", lambda: self.client.status("slow").running)
        start = time.monotonic()
        wait_for("three leases would be over", lambda: time.monotonic() - start > 3 * LEASE_S)
        self.gate.touch()
        status = self.end_of("slow")
        self.assertEqual(client.results_per_rung(status), {1: 2, 2: 1})
        for trial in self.client.trials("slow").values():
            self.assertEqual((trial.failure, trial.attempts), ("", len(trial.results)), trial)

    def test_a_loaded_link_that_breaks_in_every_way_loses_nothing(self):
        book = ledger.Ledger()
        traffic = load.Load(self.proxy.address, book, workers=8, rounds=4, seed=self.seed)
        self.addCleanup(traffic.stop)
        for mode in (proxy.CUT, proxy.RESET, proxy.STALL, proxy.CUT, proxy.RESET):
            before = book.acknowledged
            wait_for("calls are acknowledged", lambda n=before: traffic.failures
                     or book.acknowledged > n + 100)
            self.proxy.set(mode)
            start = time.monotonic()
            pause = self.dice.uniform(0, 0.3)
            wait_for("a while", lambda s=start, p=pause: time.monotonic() > s + p)
            self.proxy.set(proxy.FORWARD)
        traffic.finish()
        traffic.stop()
        book.verify_all(self.client)
        for name in book.studies:
            self.assert_rounds(self.client.status(name), 4)


if __name__ == "__main__":
    faults.main()
