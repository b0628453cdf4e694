"""The shell scripts of deploy/, as far as that can be told without a cluster."""

import re
import shutil
import subprocess
import unittest

import harness
from harness import BIN, SOURCE

SLURM = SOURCE / "deploy" / "slurm"
SCRIPTS = [*sorted(SLURM.glob("*.sbatch")), *sorted((SOURCE / "deploy").rglob("*.sh")),
           SOURCE / "scripts" / "install-kubernetes-tools"]


def run(*args):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True)


def options(name):
    """The #SBATCH lines, as a dict."""
    lines = re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", (SLURM / name).read_text(), re.MULTILINE)
    return dict(lines)


def seconds(variable):
    found = re.search(rf"\$\{{{variable}:-(\d+)s?\}}", (SLURM / "workers.sbatch").read_text())
    return int(found[1])


class ScriptsTest(unittest.TestCase):

    def test_the_scripts_can_be_read(self):
        self.assertGreaterEqual(len(SCRIPTS), 4)
        for script in SCRIPTS:
            shell = "bash" if "bash" in script.read_text().split("\n", 1)[0] else "sh"
            done = run(shell, "-n", script)
            self.assertEqual((done.returncode, done.stderr), (0, ""), script.name)

    def test_shellcheck_has_nothing_to_say(self):
        if shutil.which("shellcheck") is None:
            self.skipTest("shellcheck is not there; install it")
        done = run("shellcheck", *SCRIPTS)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_jobs_may_be_requeued_and_are_told_before_their_time_is_up(self):
        for name in ("server.sbatch", "workers.sbatch"):
            there = options(name)
            self.assertIn("requeue", there, name)
            self.assertEqual(there["open-mode"], "append", name)
            # To the script alone: it passes it on once. Twice would end a worker at once.
            self.assertRegex(there["signal"], r"^B:USR1@\d+$", name)
        self.assertEqual(options("server.sbatch")["dependency"], "singleton")
        self.assertEqual(options("workers.sbatch")["gres"], "gpu:1")
        self.assertIn("%a", options("workers.sbatch")["output"])

    def test_a_worker_has_time_to_leave(self):
        warning = int(options("workers.sbatch")["signal"].split("@")[1])
        self.assertLess(seconds("HALVING_GRACE"), 30)  # Slurm's own KillWait.
        self.assertLess(seconds("HALVING_GRACE"), warning)

    def test_programs_know_what_the_scripts_say(self):
        for name, program in (("server.sbatch", "halving-server"), ("workers.sbatch",
                                                                    "halving-worker")):
            known = run(BIN / program, "--help").stdout
            # Comments, and what is Slurm's own, left aside.
            code = re.sub(r"^ *#.*$|scancel .*$|scontrol .*$", "", (SLURM / name).read_text(),
                          flags=re.MULTILINE)
            for flag in set(re.findall(r"--[a-z-]+\b", code)):
                self.assertRegex(known, rf"(?m)^\s+{flag}\s", f"{name}: {program}")
            for variable in set(re.findall(r"export (HALVING_\w+)=", code)):
                self.assertIn(f"Env:{variable})", known, f"{name}: {program}")

    def test_the_unit_starts_the_script(self):
        unit = (SLURM / "halving-server.service").read_text()
        script = re.search(r"^ExecStart=/bin/bash %h/halving/(\S+)$", unit, re.MULTILINE)[1]
        self.assertTrue((SLURM / script).exists())
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is not there, to read the unit")
        said = run("systemd-analyze", "verify", "--man=no", SLURM / "halving-server.service").stderr
        self.assertNotIn("halving-server.service", said)


if __name__ == "__main__":
    harness.main()
