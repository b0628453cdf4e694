"""A disk that is full, that fails, or that cannot be trusted."""

import errno
import signal
import subprocess
import time

import client
import faults
import harness
from client import grpc
from harness import study, wait_for

LEASE_S = 1
SERVICES = ("", "halving.v1.StudyService", "halving.v1.WorkerService")


class DiskTest(faults.FaultTest):

    def serve_study(self, name, **kwargs):
        self.serve(**kwargs)
        self.client.create(study(name, retry={"lease": f"{LEASE_S}s"}))

    def assert_serving(self, serving):
        for service in SERVICES:
            self.assertIs(self.client.is_serving(service), serving, service)

    def assert_refuses_until_there_is_room(self, name, make_room):
        """The disk is full; one trial was reported before, another one is held."""
        first, second = self.trials_held
        full_since = time.monotonic()
        code, message = faults.refusal(self.client.complete, second, 0.25)
        self.assertEqual(code, grpc.StatusCode.UNAVAILABLE, message)
        self.assertIn("room", message)
        code, message = faults.refusal(self.client.status, name)
        self.assertEqual(code, grpc.StatusCode.UNAVAILABLE, "what is not on disk was shown")
        wait_for("the leases would be over", lambda: time.monotonic() > full_since + 2 * LEASE_S)
        self.assert_serving(False)
        make_room()
        wait_for("health says SERVING again", self.client.is_serving, 10)
        self.assert_serving(True)
        self.assertIsNone(self.server.popen.poll(), self.server.text())
        third = self.client.trial(name, 3)
        self.assertEqual((third.attempts, third.failure), (1, ""), "the full disk ended a lease")
        self.client.complete(second, 0.25)
        self.assertTrue(self.client.complete(first, 0.5).duplicate)
        self.assertTrue(self.client.complete(second, 0.25).duplicate)
        self.assertEqual(self.client.status(name).evaluations, 2)

    def hold_two(self):
        self.trials_held = [self.client.suggest("a"), self.client.suggest("b")]
        self.client.suggest("c")
        self.client.complete(self.trials_held[0], 0.5)

    def test_no_room_for_a_write_refuses_calls_and_heals_by_itself(self):
        self.serve_study("full", env=self.bad_disk())
        self.hold_two()
        self.set_disk(f"fail write -wal 2 {errno.ENOSPC}")
        self.assert_refuses_until_there_is_room("full", self.set_disk)
        self.kill_server()
        self.restart()
        self.assertEqual(self.client.status("full").evaluations, 2)

    def tmpfs(self):
        """A small file system of its own, for the data directory."""
        path = self.dir / "tmpfs"
        path.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "halving-test", path],
                                 capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")

        def unmount():
            self.server.kill()
            self.server.wait()
            subprocess.run(["umount", path], check=True)

        self.addCleanup(unmount)
        return path

    def fill(self, ballast):
        """Until not one byte more has room."""
        with open(ballast, "wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError as error:
                    self.assertEqual(error.errno, errno.ENOSPC)

    def report_until_refused(self, trials):
        """The trial whose report found the disk full. The journal may have some room left in
        pages that it has; long curves use that up."""
        while trials:
            held = trials.pop()
            code, message = faults.refusal(self.report, held)
            if code is not None:
                self.assertEqual(code, grpc.StatusCode.UNAVAILABLE, message)
                return held
        raise AssertionError("a full disk took everything")

    def report(self, held):
        points = [client.point(epoch, 1 / epoch) for epoch in range(1, held.to_epoch + 1)]
        return self.client.complete(held, 1, points=points)

    def test_a_full_tmpfs_refuses_calls_and_heals_by_itself_and_a_restart_on_it_loses_nothing(self):
        data = self.tmpfs() / "data"
        ballast = data.parent / "ballast"
        self.serve_study("short", data=data)
        self.client.create(study("long", objective="long", limits={"max_evaluations": 300},
                                 halving={"min_epochs": 400, "max_epochs": 800, "eta": 2}))
        trials = [self.client.suggest(f"w{n}", objectives=["long"]) for n in range(100)]
        self.fill(ballast)
        held = self.report_until_refused(trials)
        self.assert_serving(False)
        ballast.unlink()
        wait_for("health says SERVING again", self.client.is_serving, 10)
        self.report(held)
        self.assertTrue(self.report(held).duplicate)

        acknowledged = self.client.status("long").evaluations
        self.fill(ballast)
        held = self.report_until_refused(trials)
        self.kill_server()
        self.serve(data=data)  # The disk is as full as before.
        self.assertGreaterEqual(self.client.status("long").evaluations, acknowledged)
        ballast.unlink()
        wait_for("it is counted", lambda: faults.refusal(self.report, held)[0] is None)
        self.assertTrue(self.report(held).duplicate)

    def test_a_failed_sync_ends_the_server_at_once_and_loses_nothing(self):
        self.serve_study("sync", env=self.bad_disk())
        self.hold_two()
        self.set_disk(f"fail sync -wal 1 {errno.EIO}")
        code, answer = faults.refusal(self.client.complete, self.trials_held[1], 0.25)
        self.assertIn(code, client.OPEN, answer)
        self.wait_for_death(signal.SIGABRT, 5)
        self.assertIn("the journal cannot be written", self.server.text())
        self.assertIn("COMMIT failed: disk I/O error", self.server.text())
        self.restart()
        self.assert_both_count("sync")

    def test_no_room_for_a_sync_ends_the_server_too(self):
        self.serve_study("sync", env=self.bad_disk())
        self.hold_two()
        self.set_disk(f"fail sync -wal 1 {errno.ENOSPC}")
        code, answer = faults.refusal(self.client.complete, self.trials_held[1], 0.25)
        self.assertIn(code, client.OPEN, answer)
        self.wait_for_death(signal.SIGABRT, 5)
        self.restart()
        self.assert_both_count("sync")

    def test_a_failed_write_ends_the_server_at_once_and_loses_nothing(self):
        self.serve_study("write", env=self.bad_disk())
        self.hold_two()
        self.set_disk(f"fail write -wal 2 {errno.EIO}")
        code, answer = faults.refusal(self.client.complete, self.trials_held[1], 0.25)
        self.assertIn(code, client.OPEN, answer)
        self.wait_for_death(signal.SIGABRT, 5)
        self.assertIn("the journal cannot be written", self.server.text())
        self.restart()
        self.assert_both_count("write")

    def assert_both_count(self, name):
        first, second = self.trials_held
        self.assertTrue(self.client.complete(first, 0.5).duplicate)
        self.client.complete(second, 0.25)
        self.assertTrue(self.client.complete(second, 0.25).duplicate)
        self.assertEqual(self.client.status(name).evaluations, 2)

    def test_writes_that_come_back_short_are_finished(self):
        self.serve_study("short", env=self.bad_disk())
        self.set_disk("short write -wal 1")
        self.hold_two()
        self.client.complete(self.trials_held[1], 0.25)
        self.kill_server()
        self.restart()
        self.assertEqual(self.client.status("short").evaluations, 2)
        self.assert_both_count("short")

    def test_with_no_room_to_fold_the_log_a_server_starts_and_writes_once_there_is_some(self):
        self.serve_study("fold", env=self.bad_disk())
        self.hold_two()
        self.kill_server()
        self.set_disk(f"fail write journal.db 1 {errno.ENOSPC}")
        self.serve(env=self.bad_disk())
        self.assertEqual(self.client.status("fold").evaluations, 1)
        second = self.trials_held[1]
        code, answer = faults.refusal(self.client.complete, second, 0.25)
        self.assertEqual(code, grpc.StatusCode.UNAVAILABLE, answer)
        self.set_disk("")
        wait_for("it is counted",
                 lambda: faults.refusal(self.client.complete, second, 0.25)[0] is None)
        self.assert_both_count("fold")
        self.kill_server()
        self.restart()
        self.assertEqual(self.client.status("fold").evaluations, 2)

    def test_a_failed_sync_of_a_fold_ends_the_start_and_loses_nothing(self):
        self.serve_study("fold", env=self.bad_disk())
        self.hold_two()
        self.kill_server()
        self.set_disk(f"fail sync journal.db 1 {errno.EIO}")
        failed = self.start("failed", harness.BIN / "halving-server", "--listen", self.address,
                            "--data-dir", self.dir / "data", env=self.bad_disk())
        self.assertIn(failed.wait(), (1, 4), failed.text())
        self.assertIn("journal.db", failed.text())
        self.restart()
        self.assert_both_count("fold")

    def test_of_two_servers_on_one_directory_one_serves_and_the_other_says_who(self):
        servers = [self.start(f"twin-{n}", harness.BIN / "halving-server", "--listen",
                              "127.0.0.1:0", "--data-dir", self.dir / "data") for n in range(4)]
        wait_for("all but one have ended",
                 lambda: sum(s.popen.poll() is None for s in servers) == 1)
        alive = next(s for s in servers if s.popen.poll() is None)
        wait_for("one serves", lambda: "listening on" in alive.text())
        for server in servers:
            if server is not alive:
                self.assertEqual(server.popen.returncode, 4, server.text())
                self.assertRegex(server.text(), r"in use by the halving-server with pid \w+")

    def test_of_two_servers_on_one_port_one_serves_and_the_other_says_so(self):
        self.serve_study("port")
        second = self.start("second", harness.BIN / "halving-server", "--listen", self.address,
                            "--data-dir", self.dir / "other")
        self.assertEqual(second.wait(), 3, second.text())
        self.assertIn(self.address, second.text())
        self.assertEqual(client.state(self.client.status("port")), "RUNNING")


if __name__ == "__main__":
    faults.main()
