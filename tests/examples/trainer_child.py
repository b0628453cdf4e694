"""A trainer as a worker has it: a child process in a group of its own, jobs in, events out.

Nothing here waits for a fixed time. A trainer that says nothing until the deadline fails the test.
"""

import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
DEADLINE_S = 60


class TrainerChild:
    """One run of a trainer program. Standard error is kept as the worker's log would be."""

    def __init__(self, args, folder, env=None):
        self.log = pathlib.Path(folder) / "stderr"
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                [str(arg) for arg in args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True, start_new_session=True,
                env={**os.environ, "HALVING_DEVICE": "cpu", "HALVING_THREADS": "1",
                     "OMP_NUM_THREADS": "1", **(env or {})})
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.popen.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def send(self, line):
        self.popen.stdin.write(line if isinstance(line, str) else json.dumps({"job": line}) + "\n")
        self.popen.stdin.flush()

    def next_line(self):
        """The next line of its standard output; None at the end."""
        try:
            return self._lines.get(timeout=DEADLINE_S)
        except queue.Empty:
            raise AssertionError(f"nothing within {DEADLINE_S} s; log:\n{self.text()}") from None

    def next(self):
        """The next event; None at the end of its output. A line that is none fails the test."""
        while (line := self.next_line()) == "\n":
            pass
        return None if line is None else json.loads(line)

    def until(self, *keys):
        """The events up to the first one that has one of the keys, or to the end of its output."""
        events = []
        while (event := self.next()) is not None:
            events.append(event)
            if any(key in event for key in keys):
                break
        return events

    def signal_group(self, number=signal.SIGTERM):
        os.killpg(self.popen.pid, number)

    def close(self):
        """As a worker without more jobs; its exit status."""
        self.popen.stdin.close()
        return self.wait()

    def wait(self):
        try:
            return self.popen.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.popen.args} still runs\n{self.text()}") from None

    def text(self):
        return self.log.read_text(errors="replace")

    def end(self):
        try:
            self.signal_group(signal.SIGKILL)  # What it may have left, too.
        except ProcessLookupError:
            pass
        self.popen.wait()
        self._reader.join()
        self.popen.stdout.close()
        try:
            self.popen.stdin.close()
        except BrokenPipeError:
            pass


class TrainerTest(unittest.TestCase):
    """Has a folder for the checkpoints of each test, and starts `program` by `python`."""

    program = None
    python = sys.executable
    config = {}
    options = {}

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="halving-examples-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def start(self, *args, program=None, env=None):
        program = program or EXAMPLES / self.program
        child = TrainerChild([self.python, program, *args], self.dir, env)
        self.addCleanup(child.end)
        return child

    def job(self, to_epoch, from_epoch=0, name="out", checkpoint_in=None, **fields):
        """A job as a worker writes it; its checkpoint goes to the file `name` of the folder."""
        job = {"study": "s", "trial_id": 7, "objective": "o", "options": self.options,
               "config": self.config, "from_epoch": from_epoch, "to_epoch": to_epoch, "seed": 5,
               "max_epochs": 27, "checkpoint_interval": 0, "checkpoint_out": str(self.dir / name)}
        if checkpoint_in is not None:
            job["checkpoint_in"] = str(self.dir / checkpoint_in)
        return {**job, **fields}

    def run_job(self, child, job):
        child.send(job)
        events = child.until("done", "failed")
        self.assertTrue(events and ("done" in events[-1] or "failed" in events[-1]),
                        f"{events}\n{child.text()}")
        return events

    def assert_epochs(self, events, epochs):
        self.assertEqual([e["epoch"] for e in events if "epoch" in e], list(epochs), events)

    def assert_failed(self, events, *parts, retryable=False, unusable_checkpoint=False,
                      out_of_memory=False):
        self.assertIn("failed", events[-1], events)
        failed = events[-1]["failed"]
        for part in parts:
            self.assertIn(part, failed["reason"])
        self.assertEqual(failed.get("retryable", False), retryable, failed)
        self.assertEqual(failed.get("unusable_checkpoint", False), unusable_checkpoint, failed)
        self.assertEqual(failed.get("out_of_memory", False), out_of_memory, failed)

    def assert_leaves_with_a_checkpoint(self, child, events):
        """`child` got SIGTERM: the epoch ends, its checkpoint is announced, and that is all."""
        events = events + child.until()
        self.assertEqual(events[-1], {"checkpoint": {"epoch": events[-2]["epoch"]}}, events[-3:])
        self.assertNotIn("done", str(events))
        child.wait()
        return events[-2]["epoch"]

    # What every trainer does; tests of one call these with jobs of their own.

    def check_a_whole_job(self, to_epoch):
        child = self.start()
        events = self.run_job(child, self.job(to_epoch))
        self.assert_epochs(events, range(1, to_epoch + 1))
        self.assertEqual(events[-2], {"checkpoint": {"epoch": to_epoch}})
        self.assertEqual(events[-1]["done"]["error"], events[-3]["error"])
        again = self.run_job(child, self.job(to_epoch, name="again"))  # By the same process.
        self.assertEqual(again, events)
        self.assertEqual(child.close(), 0, child.text())
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()), ["again", "out", "stderr"])

    def check_resuming_gives_the_same_bits(self, middle, to_epoch):
        child = self.start()
        whole = self.run_job(child, self.job(to_epoch, name="whole"))
        first = self.run_job(child, self.job(middle, name="half"))
        second = self.run_job(self.start(), self.job(to_epoch, from_epoch=middle, name="end",
                                                     checkpoint_in="half"))
        epochs = [e for e in first + second if "epoch" in e]
        self.assertEqual(epochs, [e for e in whole if "epoch" in e])
        self.assertEqual(second[-1], whole[-1])
        self.assertEqual((self.dir / "end").read_bytes(), (self.dir / "whole").read_bytes())
        self.run_job(child, self.job(to_epoch, name="other", seed=6))
        self.assertNotEqual((self.dir / "other").read_bytes(), (self.dir / "whole").read_bytes())

    def check_sigterm_in_a_job(self, to_epoch, middle_of=2):
        """Leaves where it stands, and the next attempt ends with the bits of an unbroken one."""
        child = self.start()
        child.send(self.job(to_epoch, name="left"))
        events = [child.next() for _ in range(middle_of)]
        child.signal_group()
        stands_at = self.assert_leaves_with_a_checkpoint(child, events)
        self.assertLess(stands_at, to_epoch)
        goal = stands_at + 1
        child = self.start()
        resumed = self.run_job(child, self.job(goal, from_epoch=stands_at, name="resumed",
                                               checkpoint_in="left"))
        self.assertIn("done", resumed[-1])
        self.run_job(child, self.job(goal, name="whole"))
        self.assertEqual((self.dir / "resumed").read_bytes(), (self.dir / "whole").read_bytes())

    def check_sigterm_between_jobs(self):
        child = self.start()
        self.run_job(child, self.job(1))
        child.signal_group()
        self.assertIsNone(child.next())
        child.wait()

    def check_checkpoints_at_intervals(self):
        """The shortest interval is over after each epoch."""
        child = self.start()
        events = self.run_job(child, self.job(3, checkpoint_interval=1e-9))
        self.assertEqual([list(e) for e in events],
                         [["epoch", "error"], ["checkpoint"]] * 3 + [["done"]])
        self.assertEqual([e["checkpoint"]["epoch"] for e in events if "checkpoint" in e], [1, 2, 3])
        events = self.run_job(child, self.job(3, checkpoint_interval=3600))
        self.assertEqual(sum("checkpoint" in e for e in events), 1)

    def check_unusable_checkpoints(self, contents):
        child = self.start()
        for content in contents:
            (self.dir / "bad").write_bytes(content)
            events = self.run_job(child, self.job(3, from_epoch=2, checkpoint_in="bad"))
            self.assert_failed(events, str(self.dir / "bad"), unusable_checkpoint=True)
        events = self.run_job(child, self.job(3, from_epoch=2, checkpoint_in="gone"))
        self.assert_failed(events, "gone", "No such file", unusable_checkpoint=True)
        self.run_job(child, self.job(1, name="at-one"))
        events = self.run_job(child, self.job(3, from_epoch=2, checkpoint_in="at-one"))
        self.assert_failed(events, "at-one", unusable_checkpoint=True)
        self.assertIn("done", self.run_job(child, self.job(1))[-1])  # It serves on.


def main():
    """Like unittest.main(), but 77 (skipped, for ctest) when nothing ran."""
    result = unittest.main(exit=False, verbosity=2).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) else 0)
