"""How halving-server starts, refuses to start, and stops."""

import os
import signal
import sqlite3
import subprocess
import unittest

import harness
from harness import BIN, study


class ServerTest(harness.EndToEndTest):

    def run_server(self, *args):
        done = subprocess.run([BIN / "halving-server", *map(str, args)], capture_output=True,
                              text=True, timeout=harness.DEADLINE_S)
        return done.returncode, done.stderr + done.stdout

    def test_a_port_in_use_is_refused(self):
        self.start_server()
        code, text = self.run_server("--listen", self.address, "--data-dir", self.dir / "other")
        self.assertEqual(code, 3, text)
        self.assertIn(self.address, text)

    def test_a_data_directory_in_use_is_refused_naming_the_other_process(self):
        server = self.start_server()
        code, text = self.run_server("--listen", "127.0.0.1:0", "--data-dir", self.dir / "data")
        self.assertEqual(code, 4, text)
        self.assertIn(str(server.popen.pid), text)

    def test_a_data_directory_that_is_a_file_is_refused(self):
        path = self.dir / "file"
        path.write_text("not a directory")
        code, text = self.run_server("--listen", "127.0.0.1:0", "--data-dir", path)
        self.assertEqual(code, 4, text)
        self.assertIn(str(path), text)

    @unittest.skipIf(os.geteuid() == 0, "root may read everything")
    def test_an_unreadable_data_directory_is_refused(self):
        path = self.dir / "closed"
        path.mkdir(mode=0)
        code, text = self.run_server("--listen", "127.0.0.1:0", "--data-dir", path)
        self.assertEqual(code, 4, text)

    def test_its_files_are_for_their_owner_only_in_a_directory_open_to_all_too(self):
        (self.dir / "data").mkdir(mode=0o755)
        self.start_server()
        self.create(study("secret"))
        for path in (self.dir / "data").iterdir():
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_a_journal_from_a_newer_version_is_refused(self):
        server = self.start_server()
        server.kill(signal.SIGTERM)
        self.assertEqual(server.wait(), 0)
        database = sqlite3.connect(self.dir / "data" / "journal.db")
        database.execute("PRAGMA user_version = 1000")
        database.close()
        code, text = self.run_server("--listen", "127.0.0.1:0", "--data-dir", self.dir / "data")
        self.assertEqual(code, 4, text)
        self.assertIn("newer", text)

    def test_a_damaged_journal_is_refused_and_left_as_it_is(self):
        server = self.start_server()
        self.create(study("precious"))
        server.kill(signal.SIGTERM)
        self.assertEqual(server.wait(), 0)
        path = self.dir / "data" / "journal.db"
        damaged = bytearray(path.read_bytes())
        at = damaged.index(b"precious")
        damaged[at] ^= 1
        path.write_bytes(damaged)
        code, text = self.run_server("--listen", "127.0.0.1:0", "--data-dir", self.dir / "data")
        self.assertEqual(code, 5, text)
        self.assertIn("backup", text)
        self.assertEqual(path.read_bytes(), bytes(damaged))

    def test_sigterm_and_sigint_stop_it_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.start_server()
            server.kill(number)
            self.assertEqual(server.wait(15), 0, server.text())
            self.assertIn("stopped", server.text())
            self.assertFalse((self.dir / "data" / "journal.db-wal").exists())

    def test_a_stop_does_not_wait_for_workers_or_watchers(self):
        server = self.start_server()
        self.create(study("open"))
        self.halving("pause", "open")
        self.start_worker("waiting")
        watch = self.start("watch", BIN / "halving", "--server", self.address, "watch", "open")
        harness.wait_for("both are there", lambda: "waiting" in self.halving("workers")
                         and watch.text())
        server.kill(signal.SIGTERM)
        self.assertEqual(server.wait(15), 0, server.text())

    def test_bad_flags_are_usage_errors(self):
        for args in (["--listen", "nonsense"], ["--no-such-flag"], ["--log-level", "loud"]):
            code, text = self.run_server("--data-dir", self.dir / "data", *args)
            self.assertEqual(code, 2, text)

    def test_options_come_from_the_environment_and_a_file_too(self):
        config = self.dir / "server.toml"
        config.write_text(f'data-dir = "{self.dir}/from-file"\n')
        server = self.start("configured", BIN / "halving-server", "--config", config,
                            env={**os.environ, "HALVING_LISTEN": "127.0.0.1:0"})
        harness.wait_for("it listens", lambda: "listening on 127.0.0.1:" in server.text())
        self.assertTrue((self.dir / "from-file" / "journal.db").exists())


if __name__ == "__main__":
    harness.main()
