#!/usr/bin/env python3
"""Records the learning curves of a whole grid of LeNet configs: bench/lenet_curves.csv.

Runs a server and workers of this build on a study whose one rung is --epochs long and whose initial
configs are the grid. Images are few, so that it takes about an hour on two cores. The table holds one
line for each config: the place of each value in its list below, then the validation error after
each epoch ("nan" once the training has diverged). `halving_simulate` trains trials by it.

  bench/record_curves.py --out bench/lenet_curves.csv
"""

import argparse
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from programs import POLL_S, Child, Server, check_built

SOURCE = pathlib.Path(__file__).resolve().parents[1]
STUDY = "lenet-curves"
GRID = {
    "learning_rate": [0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048],
    "batch_size": [16, 32, 64, 128],
    "momentum": [0, 0.5, 0.9, 0.97],
    "weight_decay": [0, 0.001],
}
OPTIONS = {"activation": "relu", "train_examples": 4000, "validation_examples": 2000}


def configs():
    return [dict(zip(GRID, values)) for values in itertools.product(*GRID.values())]


def study_request(args):
    return {"study": {
        "name": STUDY,
        "objective": "lenet",
        "objective_options": OPTIONS,
        "parameters": [{"name": name, "choice": {"values": values}}
                       for name, values in GRID.items()],
        "initial_configs": configs(),
        "halving": {"min_epochs": args.epochs, "max_epochs": args.epochs, "eta": 2},
        "limits": {"max_evaluations": len(configs())},
        "seed": 1,
    }}


def start_worker(args, folder, address, number):
    log = open(folder / f"w{number}.log", "ab")
    command = [args.bin / "halving-worker", "--server", address, "--id", f"w{number}", "--threads",
               "1", "--checkpoint-dir", folder / f"w{number}"]
    return subprocess.Popen([str(a) for a in command], stdout=log, stderr=log,
                            start_new_session=True, env=dict(os.environ))


def wait_until_it_ends(server, workers):
    shown = -1
    while True:
        status = json.loads(server.halving("status", STUDY, "--json"))
        done = int(status["evaluations"]) + int(status["failed_trials"])
        if done != shown:
            print(f"\r{done} of {len(configs())} configs", end="", file=sys.stderr, flush=True)
            shown = done
        if status["study"]["state"] != "STUDY_STATE_RUNNING":
            print(file=sys.stderr)
            return
        if any(worker.poll() is not None for worker in workers):
            sys.exit("a worker ended by itself")
        time.sleep(100 * POLL_S)


def curve_of(server, trial_id, epochs):
    """The error after each epoch; nan from where it was not trained any more."""
    trial = json.loads(server.halving("trial", STUDY, trial_id, "--json"))
    points = {int(point["epoch"]): float(point["error"]) for point in trial["curve"]}
    return [points.get(epoch, float("nan")) for epoch in range(1, epochs + 1)]


def write_table(args, server):
    with open(args.out, "w", encoding="ascii") as out:
        print(",".join(list(GRID) + [str(epoch) for epoch in range(1, args.epochs + 1)]), file=out)
        for number, config in enumerate(configs(), 1):
            places = [str(GRID[name].index(value)) for name, value in config.items()]
            errors = [f"{error:g}" for error in curve_of(server, number, args.epochs)]
            print(",".join(places + errors), file=out)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the table")
    parser.add_argument("--epochs", type=int, default=27, help="of each config [27]")
    parser.add_argument("--workers", type=int, default=2, help="of one thread each [2]")
    parser.add_argument("--bin", type=pathlib.Path, default=SOURCE / "build" / "dev" / "bin",
                        help="where the programs are [build/dev/bin]")
    args = parser.parse_args()
    if args.epochs < 1 or args.workers < 1:
        parser.error("--epochs and --workers must be 1 or more")
    check_built(parser, args.bin, "halving", "halving-server", "halving-worker", "halving-trainer")
    return args


def main():
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped by SIGTERM"))  # By way of `finally`.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="halving-curves-"))
    processes = []
    try:
        processes.append(server := Server(args.bin, folder))
        (folder / "study.json").write_text(json.dumps(study_request(args)))
        server.halving("create", folder / "study.json")
        workers = [start_worker(args, folder, server.address, n + 1) for n in range(args.workers)]
        processes += [Child(worker) for worker in workers]
        wait_until_it_ends(server, workers)
        write_table(args, server)
    finally:
        for process in reversed(processes):
            process.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
