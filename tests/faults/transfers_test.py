"""Uploads and downloads of checkpoints that are cut, and servers that die in the middle of them."""

import errno
import os
import signal

import client
import faults
import proxy
from harness import study, wait_for

MIB = 1 << 20
SIZE = 12 * MIB
# One trial over two rungs, whose checkpoints are large.
BIG = dict(objective_options={"checkpoint_bytes": SIZE}, limits={"max_evaluations": 2},
           halving={"min_epochs": 1, "max_epochs": 2, "eta": 2, "prefactor": 0.5},
           retry={"lease": "60s"})


class TransfersTest(faults.FaultTest):

    def checkpoint_files(self):
        return [name for name in os.listdir(self.dir / "data" / "checkpoints")
                if not name.startswith(".")]

    def assert_whole(self, name):
        """Both rungs are done, the second one from the checkpoint of the first."""
        def ended():
            status = self.client.status(name)
            return status if client.state(status) == "COMPLETED" else None

        status = wait_for(f"{name} ends", ended)
        self.assertEqual(status.epochs_lost, 0)
        trial = self.client.trial(name, 1)
        self.assertEqual([r.from_epoch for r in trial.results], [0, 1])
        self.assertEqual((trial.attempts, trial.failures), (2, 0))
        wait_for("one checkpoint is left", lambda: len(self.checkpoint_files()) == 1)

    def test_transfers_that_are_cut_go_on_where_they_stopped_both_ways(self):
        self.serve()
        between = proxy.Proxy(self.address)
        self.addCleanup(between.close)
        direct, self.address = self.address, between.address
        between.cut_after, between.cuts_left = 5 * MIB, 2
        self.client.create(study("cut", **BIG))
        self.start_worker("up", "--max-jobs", "1", checkpoints="up").wait()
        self.assertEqual(between.cuts_left, 0)
        self.assertLess(between.forwarded, 1.8 * SIZE, "from where it stopped, not all over again")
        before = between.forwarded
        between.cuts_left = 2
        worker = self.start_worker("down", "--max-jobs", "1", checkpoints="down")
        wait_for("it is trained", lambda: "done, error" in worker.text())
        down = between.forwarded - before
        self.assertLess(down, 2.9 * SIZE, "a download with two cuts, and some of the next upload")
        self.address = direct
        self.assert_whole("cut")

    def die_in_the_upload(self, rule, environment):
        """The disk kills the server during the first upload; it is started anew."""
        self.serve(env=environment)
        self.client.create(study("dies", **BIG))
        self.set_disk(rule)
        self.start_worker("w", "--log-level", "debug")
        self.wait_for_death(signal.SIGKILL)
        self.restart(env=environment)

    def test_a_server_killed_in_the_middle_of_an_upload_takes_the_rest_of_it(self):
        self.die_in_the_upload("kill-before write .part 8", self.bad_disk())
        self.assert_whole("dies")

    def test_a_server_killed_before_an_upload_is_on_disk_has_it_sent_again(self):
        self.die_in_the_upload("kill-before sync .part 1", self.bad_disk())
        self.assert_whole("dies")

    def test_a_server_killed_with_the_file_named_and_not_recorded_has_it_sent_again(self):
        self.die_in_the_upload("kill-after sync checkpoints 1", self.bad_disk())
        self.assert_whole("dies")

    def test_a_disk_that_fills_up_in_an_upload_costs_the_checkpoint_and_no_result(self):
        environment = self.bad_disk()
        self.serve(env=environment)
        self.client.create(study("full", **BIG))
        self.set_disk(f"fail write .part 3 {errno.ENOSPC}")
        worker = self.start_worker("w")
        wait_for("it ends", lambda: client.state(self.client.status("full")) == "COMPLETED")
        self.assertEqual([r.from_epoch for r in self.client.trial("full", 1).results], [0, 0])
        self.assertIn("No space left", worker.text())
        self.assertEqual(self.server.popen.poll(), None)

    def test_a_disk_that_cannot_sync_a_checkpoint_drops_it_and_goes_on(self):
        environment = self.bad_disk()
        self.serve(env=environment)
        self.client.create(study("sync", **BIG))
        self.set_disk(f"fail sync .part 1 {errno.EIO}")
        self.start_worker("w")
        wait_for("it ends", lambda: client.state(self.client.status("sync")) == "COMPLETED")
        self.assertEqual([r.from_epoch for r in self.client.trial("sync", 1).results], [0, 0])
        self.assertEqual(self.checkpoint_files(), [])


if __name__ == "__main__":
    faults.main()
