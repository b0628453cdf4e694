"""A link that is gone without a word to the worker, which takes half a minute to notice."""

import faults
import network_test
import proxy
from harness import study, wait_for


class HalfOpenTest(network_test.ProxyTest):

    def test_a_half_open_link_is_noticed_and_finished_work_and_waiting_workers_come_back(self):
        self.start_far_worker("idle", "--objectives", "later")
        busy = self.hold_a_trial("now")
        self.wait_for_worker("idle")
        self.proxy.set(proxy.DEAD_SERVER)
        self.wait_until_lost("now")
        self.gate.touch()
        wait_for("it is trained", lambda: "done, error" in busy.text())
        self.client.create(study("later", objective="later"))
        self.assert_the_work_was_kept("now")
        self.assert_rounds(self.end_of("later"), network_test.ROUNDS)
        lost = self.client.trial("later", 1).failures
        self.assertEqual(lost, 0, "a trial went to a worker that was not there")


if __name__ == "__main__":
    faults.main()
