"""deploy/systemd: what systemd says of the units, and that the programs take what the files beside
them offer."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness
from harness import BIN, SOURCE

SYSTEMD = SOURCE / "deploy" / "systemd"
UNITS = ("halving-server.service", "halving-worker@.service")
# systemd's own measure, from 0 to 10; below 2 it is as tight as what it runs allows.
MAX_EXPOSURE = 2.0


def unit_value(unit, key):
    return re.findall(rf"^{key}=(.*)$", (SYSTEMD / unit).read_text(encoding="utf-8"), re.MULTILINE)


class UnitsTest(unittest.TestCase):

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="halving-units-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def analyze(self, *args):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is not there; install systemd")
        return subprocess.run(["systemd-analyze", *map(str, args)], capture_output=True, text=True)

    def test_systemd_takes_them_without_a_word(self):
        for unit in UNITS:
            text = (SYSTEMD / unit).read_text(encoding="utf-8")
            # The programs need not be installed here.
            text = re.sub(r"^ExecStart=/usr/bin/", f"ExecStart={BIN}/", text, flags=re.MULTILINE)
            (self.dir / unit).write_text(text, encoding="utf-8")
            with self.subTest(unit=unit):
                done = self.analyze("verify", "--man=no", self.dir / unit)
                said = [line for line in (done.stdout + done.stderr).splitlines() if "halving" in line]
                self.assertEqual((done.returncode, said), (0, []))

    def test_their_sandboxes_are_tight(self):
        for unit in UNITS:
            with self.subTest(unit=unit):
                done = self.analyze("security", "--offline=true", "--no-pager", SYSTEMD / unit)
                level = re.search(r"Overall exposure level for \S+ ([0-9.]+)", done.stdout)
                self.assertIsNotNone(level, done.stdout + done.stderr)
                self.assertLess(float(level.group(1)), MAX_EXPOSURE)

    def test_no_secret_is_on_a_command_line_or_in_the_environment(self):
        for unit in UNITS:
            text = "\n".join(unit_value(unit, "ExecStart") + unit_value(unit, "Environment"))
            self.assertNotRegex(text.lower(), "token|key|password|secret")

    def test_a_worker_has_more_time_to_leave_than_its_grace(self):
        grace = re.search(r'grace = "(\d+)s"',
                          (SYSTEMD / "worker.toml").read_text(encoding="utf-8"))
        (stop,) = unit_value("halving-worker@.service", "TimeoutStopSec")
        self.assertGreater(int(stop.rstrip("s")), int(grace.group(1)) + 10)
        self.assertEqual(unit_value("halving-worker@.service", "KillMode"), ["mixed"])

    def offered(self, name):
        """The file with every line that it offers taken, at its value there."""
        text = (SYSTEMD / name).read_text(encoding="utf-8")
        self.assertEqual(re.findall(r"^[^#\n].*", text, re.MULTILINE), [], "only comments")
        taken, count = re.subn(r"^#([a-z-]+ = )", r"\1", text, flags=re.MULTILINE)
        self.assertGreater(count, 4)
        path = self.dir / name
        path.write_text(taken, encoding="utf-8")
        return path

    def run_program(self, *args):
        done = subprocess.run([str(arg) for arg in args], capture_output=True, text=True,
                              timeout=harness.DEADLINE_S)
        return done.returncode, done.stdout + done.stderr

    def test_the_server_takes_each_line_that_its_file_offers(self):
        config = self.offered("server.toml")
        # It goes on to what cannot be done there, so the file was taken.
        code, text = self.run_program(BIN / "halving-server", "--config", config, "--data-dir",
                                      self.dir / "none", "verify")
        self.assertEqual(code, 4, text)
        config.write_text(config.read_text() + '\nno-such-flag = "1"\n')
        code, text = self.run_program(BIN / "halving-server", "--config", config, "verify")
        self.assertEqual(code, 2, text)

    def test_the_worker_takes_each_line_that_its_file_offers(self):
        config = self.offered("worker.toml")
        check = ("check-trainer", "--trainer", "exit 1")
        code, text = self.run_program(BIN / "halving-worker", "--config", config, *check)
        self.assertEqual(code, 1, text)
        config.write_text(config.read_text() + '\nno-such-flag = "1"\n')
        code, text = self.run_program(BIN / "halving-worker", "--config", config, *check)
        self.assertEqual(code, 2, text)

    def test_files_with_nothing_but_comments_are_taken(self):
        code, text = self.run_program(BIN / "halving-server", "--config", SYSTEMD / "server.toml",
                                      "--data-dir", self.dir / "none", "verify")
        self.assertEqual(code, 4, text)


if __name__ == "__main__":
    harness.main()
