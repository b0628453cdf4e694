"""Flipped bits of the journal: the server refuses it, or all that was acknowledged is there."""

import contextlib
import os
import shutil
import signal
import sqlite3

import faults
import harness
import ledger
import load
from harness import wait_for

FLIPS = int(os.environ.get("HALVING_FLIPS") or 20)  # Of each file.
WAL_FRAME_BYTES = 24 + 4096
REFUSED = (4, 5)  # Not a journal of this version; damaged.


class DamageTest(faults.FaultTest):

    def write_journal(self, book, prefix, stop_with, rounds=2):
        """More studies for the journal; their names begin with `prefix`."""
        self.serve(data=self.dir / "whole")
        before = len(book.results)
        traffic = load.Load(self.address, book, workers=4, rounds=rounds, seed=self.seed,
                            prefix=prefix)
        self.addCleanup(traffic.stop)
        wait_for("results come in", lambda: len(book.results) > before + 1)
        traffic.finish()
        traffic.stop()
        self.kill_server(stop_with)

    def damage(self, number, name, book, last):
        """A copy of the directory with one bit of one file flipped, before byte `last`."""
        path = self.dir / f"damaged-{number}"
        shutil.copytree(self.dir / "whole", path)
        content = bytearray((path / name).read_bytes())
        bit = self.dice.randrange(8 * (len(content) + last))
        if number == 0:  # One that surely held something.
            bit = 8 * content.index(book.studies[0].encode())
        content[bit // 8] ^= 1 << bit % 8
        (path / name).write_bytes(content)
        return path, f"bit {bit} of {name}"

    def read(self, path):
        """What the journal holds; an empty log is as good as none."""
        contents = {name: (path / name).read_bytes() for name in ("journal.db", "journal.db-wal")
                    if (path / name).exists()}
        return {name: content for name, content in contents.items() if content}

    def try_server(self, path, what, book):
        """It refuses and leaves all as it is, or it serves all that was acknowledged."""
        before = self.read(path)
        server = self.start(path.name, harness.BIN / "halving-server", "--listen", "127.0.0.1:0",
                            "--data-dir", path)
        wait_for("it serves or refuses",
                 lambda: server.popen.poll() is not None or "listening on" in server.text())
        if server.popen.poll() is None:
            self.address = server.text().split("listening on ")[1].split(",")[0]
            connected = self.connect()
            book.verify_all(connected)
            server.kill()
            server.wait()
            connected.close()
            return
        self.refused += 1
        self.assertIn(server.popen.returncode, REFUSED, f"{what}: {server.text()}")
        self.assertIn(str(path), server.text())
        self.assertTrue(self.read(path) == before, f"{what}: the refused journal was changed")

    def flip(self, name, book, last=0):
        self.refused = 0
        for number in range(FLIPS):
            path, what = self.damage(number, name, book, last)
            with self.subTest(what):
                self.try_server(path, what, book)
        self.assertGreater(self.refused, 0, "no flip did any harm")

    def test_a_flipped_bit_of_the_database_is_refused_or_harmless(self):
        book = ledger.Ledger()
        self.write_journal(book, "all", signal.SIGTERM)
        self.flip("journal.db", book)

    def test_a_flipped_bit_of_the_log_is_refused_or_harmless(self):
        book = ledger.Ledger()
        self.write_journal(book, "all", signal.SIGKILL)
        # A damaged last frame cannot be told from one that was torn, and never acknowledged.
        self.flip("journal.db-wal", book, last=-WAL_FRAME_BYTES)

    def test_a_flipped_bit_of_the_database_under_a_log_is_refused_or_harmless(self):
        book = ledger.Ledger()
        self.write_journal(book, "folded", signal.SIGTERM)
        self.write_journal(book, "logged", signal.SIGKILL)
        self.flip("journal.db", book)

    def test_an_event_that_was_changed_is_refused_whichever_it_is_and_no_file_is_changed(self):
        book = ledger.Ledger()
        self.write_journal(book, "all", signal.SIGTERM, rounds=1)
        path = self.dir / "whole" / "journal.db"
        whole = path.read_bytes()
        with contextlib.closing(sqlite3.connect(path)) as database:
            events = database.execute("SELECT seq, data FROM events ORDER BY seq").fetchall()
        self.assertGreater(len(events), 50)
        changed = []
        for seq, data in events:
            damaged = bytearray(whole)
            self.assertEqual(whole.count(data), 1, f"event {seq} cannot be found")
            damaged[whole.index(data) + len(data) // 2] ^= 1
            path.write_bytes(damaged)
            server = self.start(f"event-{seq}", harness.BIN / "halving-server", "--listen",
                                "127.0.0.1:0", "--data-dir", path.parent)
            self.assertEqual(server.wait(), 5, server.text())
            self.assertIn(f"event {seq} ", server.text())
            if path.read_bytes() != damaged:
                changed.append(seq)
        self.assertEqual(changed, [], "the journal was changed when one of these was damaged")
        path.write_bytes(whole)
        self.serve(data=path.parent)
        book.verify_all(self.client)


if __name__ == "__main__":
    faults.main()
