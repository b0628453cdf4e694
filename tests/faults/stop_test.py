"""SIGTERM: what is under way is answered, the exit code is 0, and a second signal ends now."""

import errno
import pathlib
import signal
import threading
import time

import client
import faults
import ledger
import load
from harness import study, wait_for

STOP_S = 15


class StopTest(faults.FaultTest):

    def test_a_loaded_server_drains_and_ends_with_0_within_15_s(self):
        self.serve()
        book = ledger.Ledger()
        traffic = load.Load(self.address, book, workers=16, rounds=8, seed=self.seed)
        self.addCleanup(traffic.stop)
        for _ in range(3):
            before = book.acknowledged
            wait_for("calls are acknowledged", lambda n=before: traffic.failures
                     or book.acknowledged > n + 100)
            self.server.kill(signal.SIGTERM)
            self.assertEqual(self.server.wait(STOP_S), 0, self.server.text())
            self.assertIn("stopped", self.server.text())
            self.assertFalse((self.dir / "data" / "journal.db-wal").exists())
            self.restart()
            book.verify(self.client)
        traffic.finish()
        traffic.stop()
        for name in book.studies:
            self.assert_rounds(self.client.status(name), 8)

    def test_an_ask_that_waits_is_told_that_the_server_drains(self):
        self.serve()
        answers = []
        asking = threading.Thread(target=lambda: answers.append(faults.refusal(
            self.client.worker, "Suggest", client.ask("w", wait_s=20))))
        asking.start()
        self.wait_for_worker("w")
        self.server.kill(signal.SIGTERM)
        self.assertEqual(self.server.wait(STOP_S), 0, self.server.text())
        asking.join()
        code, answer = answers[0]
        self.assertIsNone(code, answer)
        self.assertTrue(answer.draining)
        self.assertFalse(answer.HasField("assignment"))

    def hang_in_a_report(self, delay_ms):
        """A server whose disk takes its time over a report, and that was told to stop."""
        self.serve(env=self.bad_disk())
        self.client.create(study("slow"))
        first, second = self.client.suggest("a"), self.client.suggest("b")
        self.client.complete(first, 0.5)
        self.set_disk(f"delay sync -wal 1 {delay_ms}")
        answers = []
        thread = threading.Thread(target=lambda: answers.append(faults.refusal(
            self.client.complete, second, 0.25)))
        thread.start()
        wait_for("the report is being written", lambda: self.is_syncing(self.server.popen.pid))
        self.server.kill(signal.SIGTERM)
        wait_for("it stops", lambda: "stopping" in self.server.text())
        return first, second, answers, thread

    def is_syncing(self, pid):
        """Some thread of it waits in the library's nanosleep."""
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            if "nanosleep" in (task / "wchan").read_text():
                return True
        return False

    def test_a_report_under_way_is_answered_before_the_end(self):
        _, _, answers, thread = self.hang_in_a_report(1500)
        self.assertEqual(self.server.wait(STOP_S), 0, self.server.text())
        thread.join()
        code, answer = answers[0]
        self.assertIsNone(code, answer)
        self.restart()
        self.assertEqual(self.client.status("slow").evaluations, 2)

    def test_a_second_signal_ends_it_now_and_loses_nothing_acknowledged(self):
        first, second, answers, thread = self.hang_in_a_report(60_000)
        self.server.kill(signal.SIGTERM)
        start = time.monotonic()
        self.assertEqual(self.server.wait(5), 1, self.server.text())
        self.assertLess(time.monotonic() - start, 2)
        thread.join()
        self.assertIn(answers[0][0], client.OPEN)
        self.restart()
        self.assertTrue(self.client.complete(first, 0.5).duplicate)
        self.client.complete(second, 0.25)
        self.assertEqual(self.client.status("slow").evaluations, 2)

    def test_a_server_with_a_full_disk_stops_too(self):
        self.serve(env=self.bad_disk())
        self.client.create(study("full"))
        first, second = self.client.suggest("a"), self.client.suggest("b")
        self.client.complete(first, 0.5)
        self.set_disk(f"fail write -wal 1 {errno.ENOSPC}")
        code, message = faults.refusal(self.client.complete, second, 0.25)
        self.assertEqual(code, client.grpc.StatusCode.UNAVAILABLE, message)
        self.server.kill(signal.SIGTERM)
        self.assertEqual(self.server.wait(STOP_S), 0, self.server.text())
        self.restart()
        self.assertTrue(self.client.complete(first, 0.5).duplicate)
        self.client.complete(second, 0.25)
        self.assertEqual(self.client.status("full").evaluations, 2)

    def test_a_client_that_stands_still_does_not_hold_up_the_stop(self):
        self.serve()
        worker = self.start_worker("still")
        self.wait_for_worker("still")
        worker.kill(signal.SIGSTOP)
        self.server.kill(signal.SIGTERM)
        self.assertEqual(self.server.wait(STOP_S), 0, self.server.text())


if __name__ == "__main__":
    faults.main()
