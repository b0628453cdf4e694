"""The program in real shells: completion in bash and fish, scripts that shells can read, man pages.

Usage: shell_test.py HALVING. What is not installed is skipped by name.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HALVING = pathlib.Path(sys.argv.pop(1)).resolve()
PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def run(*command, **kwargs):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60,
                          **kwargs)


def needs(program):
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed")


class ShellTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        # The program is found as the user's shell would find it; nobody listens on the server's port.
        self.env = {**os.environ, "PATH": f"{HALVING.parent}:{os.environ['PATH']}",
                    "HALVING_SERVER": "127.0.0.1:9", "HOME": str(self.dir)}

    def script(self, shell):
        path = self.dir / f"halving.{shell}"
        done = run(HALVING, "completion", shell)
        self.assertEqual(done.returncode, 0, done.stderr)
        path.write_text(done.stdout)
        return path

    def in_bash(self, *words):
        """What bash would offer for the last word; as bash cuts them, = and : are words of their own."""
        quoted = " ".join(f"'{word}'" for word in words)
        done = run("bash", "--norc", "-c", f"source '{self.script('bash')}'\nCOMP_WORDS=({quoted})\n"
                   "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_halving\nprintf '%s\\n' \"${COMPREPLY[@]}\"",
                   env=self.env)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    @needs("bash")
    def test_bash_completes_commands_flags_and_values(self):
        self.assertEqual(self.in_bash("halving", "wa"), ["watch"])
        self.assertIn("export", self.in_bash("halving", ""))
        self.assertEqual(self.in_bash("halving", "trials", "lenet", "--by"), ["--by-error"])
        self.assertEqual(self.in_bash("halving", "list", "-o", "j"), ["json"])
        self.assertEqual(self.in_bash("halving", "list", "--output", "=", "j"), ["json"])
        self.assertEqual(self.in_bash("halving", "list", "--output", "="), ["wide", "json", "name"])
        self.assertEqual(self.in_bash("halving", "--server", "h", ":", "1", "wa"), ["watch"])
        self.assertEqual(self.in_bash("halving", "list", "--server", "=", "h", ":", "1", "--out"),
                         ["--output"])

    @needs("bash")
    def test_a_server_that_is_away_is_silent(self):
        self.assertEqual(self.in_bash("halving", "watch", ""), [])

    @needs("bash")
    def test_bash_takes_the_script_as_it_is(self):
        self.assertEqual(run("bash", "-n", self.script("bash")).stderr, "")
        done = run("bash", "--norc", "-c", f"source '{self.script('bash')}'; complete -p halving")
        self.assertEqual(done.stdout, "complete -F _halving halving\n")

    @needs("zsh")
    def test_zsh_takes_the_script_as_it_is(self):
        done = run("zsh", "-n", self.script("zsh"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = run("zsh", "-f", "-c", "autoload -U compinit; compinit -u -d $HOME/dump; "
                   f"source '{self.script('zsh')}'; print $_comps[halving]", env=self.env)
        self.assertEqual((done.stdout, done.stderr), ("_halving\n", ""))

    @needs("fish")
    def test_fish_takes_the_script_as_it_is(self):
        done = run("fish", "-n", self.script("fish"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    @needs("fish")
    def test_fish_completes_commands_flags_and_values(self):
        def in_fish(line):
            done = run("fish", "--no-config", "-c",
                       f"source '{self.script('fish')}'; complete -C '{line}'", env=self.env)
            self.assertEqual(done.stderr, "")
            return done.stdout.splitlines()

        self.assertEqual(in_fish("halving wa"), ["watch\tFollow a study until it ends"])
        self.assertEqual([line.split("\t")[0] for line in in_fish("halving list -o ")],
                         ["json", "name", "wide"])
        self.assertIn("--by-error", [line.split("\t")[0] for line in in_fish("halving trials x --by")])
        (self.dir / "study.json").touch()
        self.assertIn(f"{self.dir}/study.json",
                      [line.split("\t")[0] for line in in_fish(f"halving create {self.dir}/st")])

    def test_the_page_has_every_command_and_no_other(self):
        commands = {line.split("\t")[0] for line in
                    run(HALVING, "__complete", "").stdout.splitlines() if not line.startswith(":")}
        shown = set(re.findall(r"^\|[^|]*\| `halving ([a-z]+)", PAGE.read_text(), re.MULTILINE))
        self.assertEqual(shown, commands)

    def man_pages(self):
        done = run(HALVING, "__man", self.dir)
        self.assertEqual(done.returncode, 0, done.stderr)
        pages = sorted(self.dir.glob("*.1"))
        self.assertGreater(len(pages), 20)
        self.assertIn(self.dir / "halving-watch.1", pages)
        return pages

    @needs("groff")
    def test_groff_has_nothing_to_say_of_the_man_pages(self):
        for page in self.man_pages():
            done = run("groff", "-man", "-ww", "-Tutf8", page)
            self.assertEqual((done.returncode, done.stderr), (0, ""), page)

    @needs("man")
    def test_man_shows_the_man_pages(self):
        for page in self.man_pages():
            done = run("man", "--warnings", "-l", page, env={**self.env, "MANPAGER": "cat", "LC_ALL": "C.UTF-8"})
            self.assertEqual((done.returncode, done.stderr), (0, ""), page)
            self.assertIn("EXAMPLES", done.stdout)


if __name__ == "__main__":
    unittest.main()
