"""How the programs are built: what an attacker would have to get past, and that they name no folder
of the machine that built them."""

import re
import shutil
import subprocess
import unittest

import harness
from harness import BIN, SOURCE

PROGRAMS = [BIN / name for name in ("halving-server", "halving-worker", "halving",
                                    "halving-trainer") if (BIN / name).exists()]


@unittest.skipIf(shutil.which("readelf") is None, "readelf is not there; install binutils")
class HardeningTest(unittest.TestCase):

    def readelf(self, *args):
        return subprocess.run(["readelf", "--wide", *map(str, args)], capture_output=True,
                              text=True, check=True).stdout

    def each(self):
        self.assertGreaterEqual(len(PROGRAMS), 3)
        for program in PROGRAMS:
            with self.subTest(program=program.name):
                yield program

    def test_they_are_position_independent(self):
        for program in self.each():
            self.assertRegex(self.readelf("-h", program), r"Type: +DYN")
            self.assertRegex(self.readelf("-d", program), r"\(FLAGS_1\).*\bPIE\b")

    def test_what_the_loader_writes_is_read_only_once_they_run(self):
        for program in self.each():
            self.assertIn("GNU_RELRO", self.readelf("-l", program))
            self.assertRegex(self.readelf("-d", program), r"BIND_NOW|\(FLAGS_1\).*\bNOW\b")

    def test_no_stack_is_executable(self):
        for program in self.each():
            stack = re.search(r"GNU_STACK.*", self.readelf("-l", program))
            self.assertRegex(stack.group(0), r"\bRW +0x")

    def test_stacks_have_guards_and_the_c_librarys_calls_are_checked(self):
        for program in self.each():
            symbols = self.readelf("--dyn-syms", program)
            self.assertIn("__stack_chk_fail", symbols)
            self.assertRegex(symbols, r"\b__\w+_chk@")

    def test_no_program_names_the_folder_that_it_was_built_in(self):
        for program in self.each():
            # Unless it is so short that it may stand there by chance.
            self.assertGreater(len(str(SOURCE)), 3)
            content = program.read_bytes()
            at = content.find(str(SOURCE).encode() + b"/")
            self.assertEqual(at, -1, content[at:at + 200])


if __name__ == "__main__":
    harness.main()
