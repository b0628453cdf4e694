"""What --version says."""

import re
import shutil
import subprocess
import tempfile
import unittest
import pathlib

import harness
from harness import BIN, SOURCE

RPC = ["gRPC", "protobuf", "Abseil", "OpenSSL"]
LIBRARIES = {"halving": RPC, "halving-worker": RPC, "halving-server": [*RPC, "SQLite"],
             "halving-trainer": ["Abseil", "OpenSSL"]}
SCRIPT = SOURCE / "cmake" / "BuildCommit.cmake"


class VersionTest(unittest.TestCase):

    def test_each_program_says_its_version_its_commit_and_its_libraries(self):
        version = re.search(r"project\(halving VERSION ([0-9.]+)",
                            (SOURCE / "CMakeLists.txt").read_text(encoding="utf-8")).group(1)
        for name, libraries in LIBRARIES.items():
            if not (BIN / name).exists():
                continue
            with self.subTest(program=name):
                lines = subprocess.run([BIN / name, "--version"], capture_output=True, text=True,
                                       check=True).stdout.splitlines()
                first = f"{name} {version}"
                if name == "halving-trainer":
                    first += r", LibTorch [0-9]\S+"
                self.assertRegex(lines[0], f"^{first}$")
                self.assertRegex(lines[1], r"^commit ([0-9a-f]{40}(-dirty)?|unknown|[-\w.]+)$")
                self.assertEqual([line.split()[0] for line in lines[2:]], libraries)
                for line in lines[2:]:
                    self.assertRegex(line, r"^\w+ [0-9]+\.[0-9.]+\w*$")


class BuildCommitTest(unittest.TestCase):

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="halving-commit-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.output = self.dir / "commit.cc"

    def write(self, environment=None):
        subprocess.run(["cmake", f"-DSOURCE={self.dir}", f"-DOUTPUT={self.output}", "-P", SCRIPT],
                       check=True, env={"PATH": "/usr/local/bin:/usr/bin:/bin", **(environment or {})})
        return re.search(r'return "(.*)"', self.output.read_text(encoding="utf-8")).group(1)

    def git(self, *args):
        return subprocess.run(["git", "-C", self.dir, "-c", "user.name=t", "-c", "user.email=t@t",
                               *args], check=True, capture_output=True, text=True).stdout.strip()

    def test_without_git_it_is_unknown_or_what_the_environment_says(self):
        self.assertEqual(self.write(), "unknown")
        self.assertEqual(self.write({"HALVING_COMMIT": "v1.2-abc"}), "v1.2-abc")
        with self.assertRaises(subprocess.CalledProcessError):
            self.write({"HALVING_COMMIT": '"; evil(); "'})

    @unittest.skipIf(shutil.which("git") is None, "git is not there")
    def test_it_is_the_commit_and_says_when_there_are_changes(self):
        self.git("init", "-q")
        (self.dir / "file").write_text("one")
        self.git("add", "file")
        self.git("commit", "-q", "-m", "first")
        head = self.git("rev-parse", "HEAD")
        self.assertEqual(self.write(), head)
        written = self.output.stat().st_mtime_ns
        self.write()
        self.assertEqual(self.output.stat().st_mtime_ns, written, "it would be compiled again")
        (self.dir / "file").write_text("two")
        self.assertEqual(self.write(), head + "-dirty")


if __name__ == "__main__":
    harness.main()
