#!/usr/bin/env python3
"""How long halving-trainer takes for an epoch of LeNet, beside the same network in Python.

The other side is pytorch_loop.py. Both are children that read jobs and write epochs, with the same
images, batches, threads and environment, and both validate after each epoch. They take turns, job
by job, so that a slow minute counts for both; a job's first epoch is for warming up, and the rest
are timed from line to line. With two workers a side trains in two processes at once.

`of PyTorch` is the median, over the repeats, of our time by Python's in the same repeat; below 1 we
are faster. The aim is 0.9 with batches of 32, and 1 with 128 and 255.

  bench/trainer_speed.py                                # About four minutes
  bench/trainer_speed.py --before old/halving-trainer   # Another build in the same run
  bench/trainer_speed.py --quick                        # Only to see it run
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from programs import Child, check_built

SOURCE = pathlib.Path(__file__).resolve().parents[1]
LOOP = SOURCE / "bench" / "pytorch_loop.py"
PYTORCH = "PyTorch"

AIM_BY_BATCH = {32: 0.9, 128: 1.0, 255: 1.0}

Setting = collections.namedtuple("Setting", "workers threads")
SETTINGS = {"1x1": Setting(1, 1), "2x1": Setting(2, 1), "1x2": Setting(1, 2)}

SKIPPED = 77  # As CTest takes it.


class Trainer(Child):
    """A child that trains jobs."""

    def __init__(self, command, threads):
        # As halving-worker starts it, but for OpenBLAS: with two threads of its own beside OpenMP's
        # the Python loop takes two to four times as long.
        environment = dict(os.environ, HALVING_THREADS=str(threads), OMP_NUM_THREADS=str(threads),
                           OPENBLAS_NUM_THREADS="1", HALVING_LOG_LEVEL="warn")
        self._command = command
        super().__init__(subprocess.Popen(
            [str(a) for a in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            bufsize=1, env=environment))

    def train(self, job):
        """Seconds of each epoch but the first, the mean."""
        self._process.stdin.write(json.dumps({"job": job}) + "\n")
        ends = []
        for line in self._process.stdout:
            event = json.loads(line)
            if "epoch" in event:
                ends.append(time.monotonic())
            elif "done" in event:
                return (ends[-1] - ends[0]) / (len(ends) - 1)
            else:
                break
        return sys.exit(f"{self._command[0]} did not train {job}")


def job_of(args, batch_size, repeat):
    epochs = args.epochs + 1
    return {
        "study": "trainer-speed", "trial_id": 1, "objective": "lenet",
        "options": {"dataset": str(args.dataset), "train_examples": args.train_examples,
                    "validation_examples": args.validation_examples},
        "config": {"learning_rate": 0.1, "batch_size": batch_size},
        # Not the top rung, where halving-trainer looks at the test set as well.
        "from_epoch": 0, "to_epoch": epochs, "max_epochs": epochs + 1, "seed": repeat,
    }


def train_at_once(trainers, job):
    """The mean time of an epoch, of all of them."""
    with concurrent.futures.ThreadPoolExecutor(len(trainers)) as pool:
        return statistics.mean(pool.map(lambda trainer: trainer.train(job), trainers))


def measure(args, setting, sides):
    """{(batch size, side): the seconds of an epoch in each repeat}."""
    seconds = collections.defaultdict(list)
    trainers = {}
    try:
        for name, command in sides.items():
            trainers[name] = [Trainer(command, setting.threads) for _ in range(setting.workers)]
        for repeat in range(args.repeats):
            # None is always the one behind another.
            order = list(trainers)[::-1] if repeat % 2 else list(trainers)
            for batch_size in args.batch_sizes:
                for name in order:
                    job = job_of(args, batch_size, repeat)
                    seconds[batch_size, name].append(train_at_once(trainers[name], job))
    finally:
        for children in trainers.values():
            for child in children:
                child.close()
    return seconds


def torch_version(args):
    """Of the Python; ends, as a test that is skipped, when there is nothing to compare with."""
    done = subprocess.run([args.python, "-c", "import torch; print(torch.__version__)"],
                          capture_output=True, text=True, check=False)
    if done.returncode == 0 and args.dataset.exists():
        return done.stdout.strip()
    print(f"skipped: it needs {args.dataset}, from dataset-fashion-mnist, and PyTorch in "
          f"{args.python}, from python3-torch. {done.stderr}", file=sys.stderr)
    return sys.exit(SKIPPED)


def show_head(args, sides):
    torch = torch_version(args)
    version = subprocess.run([args.bin / "halving-trainer", "--version"], capture_output=True,
                             text=True, check=True).stdout.splitlines()[0]
    print(f"{version}; PyTorch {torch}; {os.cpu_count()} cores")
    print(f"{args.train_examples} images to train on, {args.validation_examples} to validate on, "
          f"{args.epochs} epochs a repeat, {args.repeats} repeats; seconds an epoch are medians")
    columns = "".join(f"{name:>10}" for name in sides)
    ratios = "".join(f"{name + ' of PyTorch':>20}{'(all)':>14}" for name in sides if name != PYTORCH)
    print(f"{'workers':>7}{'threads':>9}{'batch':>7}{columns}{ratios}{'aim':>6}")


def show(setting, batch_sizes, sides, seconds):
    for batch_size in batch_sizes:
        row = f"{setting.workers:>7}{setting.threads:>9}{batch_size:>7}"
        for name in sides:
            row += f"{statistics.median(seconds[batch_size, name]):>10.3f}"
        for name in sides:
            if name == PYTORCH:
                continue
            ratios = [ours / pytorch for ours, pytorch in
                      zip(seconds[batch_size, name], seconds[batch_size, PYTORCH])]
            spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
            row += f"{statistics.median(ratios):>20.3f}{spread:>14}"
        print(row + f"{AIM_BY_BATCH.get(batch_size, '-'):>6}", flush=True)


def at_least_1(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=at_least_1, default=5, help="[5]")
    parser.add_argument("--epochs", type=at_least_1, default=2, help="timed in each repeat [2]")
    parser.add_argument("--train-examples", type=at_least_1, default=6000, help="[6000]")
    parser.add_argument("--validation-examples", type=at_least_1, default=1000, help="[1000]")
    parser.add_argument("--batch-sizes", type=at_least_1, nargs="+", default=list(AIM_BY_BATCH),
                        metavar="N", help="[32 128 255]")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS),
                        metavar="WORKERSxTHREADS", help=f"[{' '.join(SETTINGS)}]")
    parser.add_argument("--quick", action="store_true",
                        help="one repeat of one epoch on few images, whose figures mean nothing")
    parser.add_argument("--before", type=pathlib.Path, metavar="PROGRAM",
                        help="another halving-trainer, which takes its turns as well")
    parser.add_argument("--python", default="/usr/bin/python3",
                        help="an interpreter that has PyTorch [/usr/bin/python3]")
    parser.add_argument("--dataset", type=pathlib.Path, help="[/usr/share/datasets/fashion-mnist]",
                        default=pathlib.Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--bin", type=pathlib.Path, default=SOURCE / "build" / "dev" / "bin",
                        help="where the programs are [build/dev/bin]")
    args = parser.parse_args()
    if args.quick:
        args.settings = ["2x1"]
        args.repeats, args.epochs, args.train_examples, args.validation_examples = 1, 1, 300, 250
    check_built(parser, args.bin, "halving-trainer")
    return args


def main():
    args = parse_args()
    sides = {PYTORCH: [args.python, LOOP]}
    if args.before is not None:
        sides["before"] = [args.before]
    sides["ours"] = [args.bin / "halving-trainer"]
    show_head(args, sides)
    for setting in map(SETTINGS.get, args.settings):
        show(setting, args.batch_sizes, sides, measure(args, setting, sides))


if __name__ == "__main__":
    main()
