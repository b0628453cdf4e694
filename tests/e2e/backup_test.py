"""Backups of a running server, and what comes back from them."""

import signal
import subprocess
import unittest

import harness
from harness import BIN, study


class BackupTest(harness.EndToEndTest):

    def server_command(self, *args, code=0):
        done = subprocess.run([BIN / "halving-server", *map(str, args)], capture_output=True,
                              text=True, timeout=harness.DEADLINE_S)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_a_backup_of_a_running_study_is_restored_and_the_study_ends_with_the_same_counts(self):
        server = self.start_server()
        gate = self.hold_after_results("lenet", 5)
        harness.wait_for("a trial runs", lambda: int(self.status("lenet")["running_total"]) == 1)
        backup = self.dir / "backup.db"
        self.assertIn("backup.db", self.halving("backup", backup))
        gate.touch()
        self.assertEqual(backup.stat().st_mode & 0o777, 0o600)
        self.assertIn("is whole", self.server_command("verify", backup))
        self.wait_until_ended("lenet")
        server.kill()
        server.wait()

        out = self.server_command("restore", backup, "--data-dir", self.dir / "data-2")
        self.assertIn("restored into", out)
        self.assertIn("is whole", self.server_command("verify", "--data-dir", self.dir / "data-2"))
        self.start_server("--forget-checkpoints", data=self.dir / "data-2")
        # The worker is the same one: what it held is void, and it goes on by itself.
        status = self.wait_until_ended("lenet")
        self.assertEqual([int(rung["reported"]) for rung in status["rungs"]], [16, 8, 4, 2])
        self.assertEqual(status["study"]["state"], "STUDY_STATE_COMPLETED")
        self.assertEqual(int(status["failed_trials"]), 0)

    def test_restore_replaces_no_journal(self):
        server = self.start_server()
        self.create(study("lenet"))
        self.halving("backup", self.dir / "backup.db")
        server.kill(signal.SIGTERM)
        server.wait()
        before = (self.dir / "data" / "journal.db").read_bytes()
        out = self.server_command("restore", self.dir / "backup.db", "--data-dir",
                                  self.dir / "data", code=4)
        self.assertIn("is there already", out)
        self.assertEqual((self.dir / "data" / "journal.db").read_bytes(), before)

    def test_a_server_that_runs_is_not_verified_or_restored_into(self):
        server = self.start_server()
        for args in (["verify"], ["restore", self.dir / "none.db"]):
            out = self.server_command(*args, "--data-dir", self.dir / "data", code=4)
            self.assertIn(str(server.popen.pid), out)

    def test_verify_tells_damage_by_its_exit_code_and_changes_nothing(self):
        server = self.start_server()
        self.create(study("precious"))
        server.kill()  # With a -wal.
        server.wait()
        files = {p: p.read_bytes() for p in (self.dir / "data").iterdir() if p.is_file() and p.name != "lock"}
        self.server_command("verify", "--data-dir", self.dir / "data")
        self.assertEqual({p: p.read_bytes() for p in files}, files)
        server = self.start_server()
        server.kill(signal.SIGTERM)
        server.wait()
        path = self.dir / "data" / "journal.db"
        damaged = bytearray(path.read_bytes())
        damaged[damaged.index(b"precious")] ^= 1
        path.write_bytes(damaged)
        self.assertIn("not the one that was written",
                      self.server_command("verify", "--data-dir", self.dir / "data", code=5))
        self.assertEqual(path.read_bytes(), bytes(damaged))

    def test_verify_of_nothing_says_so_and_makes_nothing(self):
        missing = self.dir / "missing"
        self.assertIn("no data directory", self.server_command("verify", "--data-dir", missing,
                                                               code=4))
        self.assertFalse(missing.exists())
        self.assertIn("no journal", self.server_command("verify", self.dir / "none.db", code=4))

    def test_a_backup_that_cannot_be_written_leaves_nothing(self):
        self.start_server()
        out = self.halving("backup", self.dir / "no-such-folder" / "backup.db", code=1)
        self.assertIn("no-such-folder", out)

    def test_a_backup_is_not_put_beside_the_log_of_another_journal(self):
        self.start_server()
        path = self.dir / "backup.db"
        (self.dir / "backup.db-wal").write_bytes(b"of another")
        self.assertIn("backup.db-wal", self.halving("backup", path, code=1))
        self.assertFalse(path.exists())

    def test_a_server_that_is_away_leaves_an_older_backup_alone(self):
        server = self.start_server()
        path = self.dir / "backup.db"
        self.halving("backup", path)
        before = path.read_bytes()
        server.kill()
        server.wait()
        self.halving("backup", path, code=1)
        self.assertEqual(path.read_bytes(), before)
        self.assertEqual(list(self.dir.glob("*.part*")), [])


if __name__ == "__main__":
    harness.main()
