#!/usr/bin/env python3
"""How much training is done twice when workers are preempted all the time.

Runs a server and a few workers of this build, takes a worker away at random about every 20 s of
its life, and starts it again under the same id without anything that its disk held, as a scheduler
would on another machine. It does so twice, for as long each: with checkpoints at
--checkpoint-interval, and with such at the ends of rungs only. Then it prints which share of the
epochs was trained only once:

  status   1 - epochs_lost / epochs_trained of the study's status. The server counts epochs that it
           was told of.
  workers  the same from the workers' logs, which also hold what a worker that was killed had not
           reported yet: distinct (trial, epoch) / all that their trainers announced.

What was trained of an epoch that a SIGKILL broke off is in neither.

  bench/preemption.py                  # SIGTERM: the worker has its --grace to save and leave
  bench/preemption.py --kill           # SIGKILL: nobody is told
  bench/preemption.py --trainer paced  # Epochs of 0.5 s that train nothing; without LibTorch
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from programs import POLL_S, Server, check_built

SOURCE = pathlib.Path(__file__).resolve().parents[1]
LEAVE_DEADLINE_S = 60
ONLY_RUNG_ENDS = "24h"
STUDY = "preempted"

# Small enough that one thread trains an epoch in less than a second, and yet training.
LENET = {
    "objective": "lenet",
    "objective_options": {"train_examples": 3000, "validation_examples": 500, "activation": "relu"},
}
PACED = {"objective": "fake", "objective_options": {"pace": 0.5}}

ANNOUNCED_EPOCH = re.compile(r"trial (\d+) attempt \d+ epochs \d+ -> \d+: epoch (\d+) error")

Result = collections.namedtuple(
    "Result", "checkpoints preemptions trained lost announced distinct")


def study_request(args):
    spec = {
        "name": STUDY,
        "parameters": [
            {"name": "learning_rate", "float": {"min": 0.01, "max": 1, "log": True}},
            {"name": "batch_size", "int": {"min": 32, "max": 255}},
        ],
        # The last rung takes 16 epochs in one go, which is what there is to lose.
        "halving": {"min_epochs": 4, "max_epochs": 32, "eta": 2},
        "limits": {"max_wall_time": "86400s"},  # It is stopped by the end of the run.
        "seed": args.seed,
    }
    spec.update(LENET if args.trainer == "lenet" else PACED)
    return {"study": spec}


class Worker:
    """One worker id, which lives again and again until leave() or close()."""

    def __init__(self, args, folder, address, number, interval):
        self.id = f"w{number}"
        self.preemptions = 0
        self._args = args
        self._disk = folder / self.id
        self._log = folder / f"{self.id}.log"
        self._random = random.Random(args.seed * 1000 + number)
        self._command = [
            args.bin / "halving-worker", "--server", address, "--id", self.id, "--threads", "1",
            "--checkpoint-dir", self._disk, "--checkpoint-interval", interval,
            "--log-level", "debug"]
        self._environment = dict(os.environ)
        if args.trainer == "paced":
            trainer = SOURCE / "tests" / "e2e" / "fake_trainer.py"
            self._command += ["--trainer", f"exec '{sys.executable}' '{trainer}'"]
            self._environment["FAKE_TRAINER_SAVES_ON_SIGTERM"] = "1"
        self._process = None
        self._start()

    def _start(self):
        shutil.rmtree(self._disk, ignore_errors=True)  # Another machine has nothing of it.
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [str(a) for a in self._command], stdout=log, stderr=log, start_new_session=True,
                env=self._environment)
        self._signalled_at = None
        life = self._args.every * self._random.uniform(0.5, 1.5)
        self._preempt_at = time.monotonic() + life

    def look(self):
        """Preempts it if that is due, and starts it again once it is gone."""
        status = self._process.poll()
        now = time.monotonic()
        if status is not None:
            if self._signalled_at is None:
                sys.exit(f"{self.id} ended by itself with {status}; the end of its log:\n"
                         f"{self.tail()}")
            return self._start()
        if self._signalled_at is None and now >= self._preempt_at:
            self._signalled_at = now
            self.preemptions += 1
            self._process.send_signal(signal.SIGKILL if self._args.kill else signal.SIGTERM)
        elif self._signalled_at is not None and now > self._signalled_at + LEAVE_DEADLINE_S:
            sys.exit(f"{self.id} is still there {LEAVE_DEADLINE_S} s after SIGTERM; the end of its "
                     f"log:\n{self.tail()}")

    def leave(self):
        """At the end of the run, so that what it has trained is known to the server."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(LEAVE_DEADLINE_S)

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def tail(self):
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    def announced(self):
        """(trial, epoch) of each epoch that one of its trainers has finished, in order."""
        return ANNOUNCED_EPOCH.findall(self._log.read_text(errors="replace"))


def preempt_for_a_while(args, workers):
    end = time.monotonic() + args.minutes * 60
    while time.monotonic() < end:
        for worker in workers:
            worker.look()
        time.sleep(POLL_S)


def run(args, folder, interval, checkpoints):
    """One study from its beginning to the end of the time."""
    folder.mkdir()
    server = Server(args.bin, folder)
    workers = []
    try:
        (folder / "study.json").write_text(json.dumps(study_request(args)))
        server.halving("create", folder / "study.json")
        for number in range(1, args.workers + 1):
            workers.append(Worker(args, folder, server.address, number, interval))
        preempt_for_a_while(args, workers)
        for worker in workers:
            worker.leave()
        status = json.loads(server.halving("status", STUDY, "--json"))
    finally:
        for process in workers + [server]:
            process.close()
    announced = [epoch for worker in workers for epoch in worker.announced()]
    return Result(checkpoints, sum(worker.preemptions for worker in workers),
                  int(status["epochs_trained"]), int(status["epochs_lost"]), len(announced),
                  len(set(announced)))


def show(args, results):
    print(f"{args.workers} workers, {'SIGKILL' if args.kill else 'SIGTERM'} about every "
          f"{args.every:g} s of each, {args.minutes:g} minutes for each row, trainer "
          f"{args.trainer}, seed {args.seed}")
    print(f"{'checkpoints':<15}{'preemptions':>12}{'epochs trained':>16}{'lost':>6}"
          f"{'once: status':>14}{'workers':>9}")
    for result in results:
        if result.trained == 0 or result.announced == 0:
            sys.exit("no epoch was trained: --minutes is too short, or --every below an epoch")
        print(f"{result.checkpoints:<15}{result.preemptions:>12}{result.trained:>16}"
              f"{result.lost:>6}{1 - result.lost / result.trained:>14.4f}"
              f"{result.distinct / result.announced:>9.4f}")


def positive(text):
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kill", action="store_true", help="preempt by SIGKILL, not SIGTERM")
    parser.add_argument("--workers", type=int, default=3, metavar="N", help="[3]")
    parser.add_argument("--minutes", type=positive, default=5, help="of each of the two rows [5]")
    parser.add_argument("--every", type=positive, default=20, metavar="SECONDS",
                        help="mean life of a worker; each is 0.5 to 1.5 times that [20]")
    parser.add_argument("--checkpoint-interval", default="1s", metavar="DURATION", help="[1s]")
    parser.add_argument("--trainer", choices=["lenet", "paced"], default="lenet",
                        help="the built-in LeNet, or epochs of 0.5 s that train nothing [lenet]")
    parser.add_argument("--seed", type=int, default=1, help="of lives and of the study [1]")
    parser.add_argument("--bin", type=pathlib.Path, default=SOURCE / "build" / "dev" / "bin",
                        help="where the programs are [build/dev/bin]")
    args = parser.parse_args()
    if args.workers < 1:
        parser.error(f"--workers is {args.workers}; need 1 or more")
    needed = ["halving", "halving-server", "halving-worker"]
    needed += ["halving-trainer"] if args.trainer == "lenet" else []
    check_built(parser, args.bin, *needed)
    return args


def main():
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped by SIGTERM"))  # By way of `finally`.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="halving-preemption-"))
    try:
        show(args, [run(args, folder / "saved", args.checkpoint_interval,
                        f"each {args.checkpoint_interval}"),
                    run(args, folder / "unsaved", ONLY_RUNG_ENDS, "rung ends only")])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
