"""The halving command on a terminal, before a real server: pictures that follow, keys, completion."""

import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
import unittest

import harness
from harness import BIN, study


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *args, env):
        self.screen, self.tty = pty.openpty()
        fcntl.ioctl(self.tty, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(self.tty)
        # A session of its own, whose controlling terminal this is: Ctrl-C comes as a key.
        self.popen = subprocess.Popen(
            [str(arg) for arg in args], stdin=self.tty, stdout=self.tty, stderr=self.tty, env=env,
            start_new_session=True, preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)))
        self.text = ""

    def read_until(self, what, deadline_s=harness.DEADLINE_S):
        end = time.monotonic() + deadline_s
        while what not in self.text:
            if time.monotonic() > end:
                raise AssertionError(f"no {what!r} within {deadline_s} s:\n{self.text}")
            if select.select([self.screen], [], [], 0.05)[0]:
                self.text += os.read(self.screen, 65536).decode(errors="replace")
        return self.text

    def press(self, key):
        os.write(self.screen, key.encode())

    def wait(self):
        try:
            return self.popen.wait(harness.DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError("it still runs:\n" + self.text) from None

    def close(self):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        os.close(self.screen)
        os.close(self.tty)


class TerminalTest(harness.EndToEndTest):

    def terminal(self, *args, **environment):
        env = {**os.environ, "HALVING_SERVER": self.address, "LC_ALL": "C.UTF-8", "TERM": "xterm"}
        env.pop("NO_COLOR", None)
        env.update(environment)
        terminal = Terminal(BIN / "halving", *args, env=env)
        self.addCleanup(terminal.close)
        return terminal

    def test_top_follows_until_q_and_leaves_the_terminal_as_it_was(self):
        self.start_server()
        self.create(study("followed"))
        top = self.terminal("top", "--interval", "100ms")
        text = top.read_until("q or Ctrl-C ends the looking")
        self.assertIn("followed", text)
        self.assertIn("\x1b[2m░░░░", text, "colours and blocks, on a terminal that has them")
        harness.wait_for("keys are read one by one", lambda: not (
            termios.tcgetattr(top.tty)[3] & termios.ICANON))
        top.press("q")
        self.assertEqual(top.wait(), 0)
        self.assertEqual(termios.tcgetattr(top.tty), top.before)

    def test_ctrl_c_ends_top_and_leaves_the_terminal_as_it_was(self):
        self.start_server()
        top = self.terminal("top")
        top.read_until("No study is running.")
        harness.wait_for("keys are read one by one", lambda: not (
            termios.tcgetattr(top.tty)[3] & termios.ICANON))
        top.press("\x03")
        self.assertEqual(top.wait(), -signal.SIGINT)
        self.assertEqual(termios.tcgetattr(top.tty), top.before)

    def test_no_color_means_none_unless_asked_for(self):
        self.start_server()
        self.create(study("plain"))
        listed = self.terminal("list", NO_COLOR="1")
        self.assertNotIn("\x1b", listed.read_until("plain"))
        listed = self.terminal("list", "--color", "always", NO_COLOR="1")
        self.assertIn("\x1b[1mplain", listed.read_until("RUNNING"))
        self.assertNotIn("\x1b", self.halving("list"), "into a pipe")

    def test_watch_redraws_and_ends_with_the_whole_status(self):
        self.start_server()
        self.create(study("shown"))
        watch = self.terminal("watch", "shown", "--interval", "50ms")
        watch.read_until("Ctrl-C ends the watching")
        self.start_worker("w1")
        text = watch.read_until("COMPLETED")
        self.assertEqual(watch.wait(), 0)
        self.assertIn("gathered", text)
        self.assertRegex(text, r"\x1b\[\d+A")

    @unittest.skipUnless(shutil.which("bash"), "bash is not installed")
    def test_bash_completes_the_names_of_studies(self):
        self.start_server()
        self.create(study("lenet-1"))
        self.create(study("mlp-1"))
        script = self.dir / "completion"
        script.write_text(self.halving("completion", "bash"))
        done = subprocess.run(
            ["bash", "--norc", "-c", f"source {script}; COMP_WORDS=(halving watch l); COMP_CWORD=2; "
             "_halving; printf '%s\\n' \"${COMPREPLY[@]}\""], capture_output=True, text=True,
            env={**os.environ, "HALVING_SERVER": self.address,
                 "PATH": f"{BIN.resolve()}:{os.environ['PATH']}"}, timeout=harness.DEADLINE_S)
        self.assertEqual((done.stdout, done.stderr), ("lenet-1\n", ""))


if __name__ == "__main__":
    harness.main()
