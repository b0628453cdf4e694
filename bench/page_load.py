#!/usr/bin/env python3
"""How long the page of a large study takes, and what it takes from the browser.

Runs a server of this build, trains a study of --trials trials by clients that train nothing (some minutes for 100,000), and
opens its page in Debian's chromium, --repeats times, each in a new tab. Then it prints

  status    until the study's state and figures are shown
  table     until the trial table is
  figure    until the figure is drawn: the page is usable
  heap      JavaScript's memory after a garbage collection, the charts included
  tab       the memory of the tab's process, the browser's own code included in part
  refresh   how long the page is busy with one figure that has changed

  bench/page_load.py
  bench/page_load.py --trials 10000 --repeats 3
"""

import argparse
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

SOURCE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(SOURCE / "tests" / "faults")]

from programs import Server, check_built

CLIENTS = 16
STUDY = "large"


def spec():
    return {"study": {
        "name": STUDY, "objective": "load", "seed": 1, "retry": {"lease": "600s"},
        "parameters": [
            {"name": "learning_rate", "float": {"min": 1e-4, "max": 1, "log": True}},
            {"name": "dropout", "float": {"max": 0.5}},
            {"name": "batch_size", "int": {"min": 16, "max": 512}},
            {"name": "activation", "choice": {"values": ["relu", "gelu", "tanh"]}}],
        "halving": {"min_epochs": 1, "max_epochs": 9, "eta": 3},
        "limits": {"max_evaluations": 1_000_000_000}}}


def error(assignment):
    config = dict(assignment.config)
    scatter = (assignment.trial_id * 0.618034) % 1
    return (0.1 + 0.3 * abs(config["dropout"] - 0.2) + 0.1 * config["learning_rate"]
            + (0.5 + 0.2 * scatter) / (assignment.to_epoch + 1))


def train(address, trials):
    """Until so many trials are sampled."""
    import client  # Only now: its messages are found by PYTHONPATH.
    enough = threading.Event()
    turns = itertools.count(1)

    def work(number):
        connection = client.Client(address)
        while not enough.is_set():
            assignment = connection.suggest(f"client-{number}", wait_s=1)
            if assignment is None:
                continue
            connection.complete(assignment, error(assignment))
            if assignment.trial_id >= trials:
                enough.set()
            turn = next(turns)
            if turn % 20000 == 0:
                print(f"{turn} evaluations", file=sys.stderr)

    client.Client(address).create(spec())
    threads = [threading.Thread(target=work, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=SOURCE / "build" / "release" / "bin")
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    check_built(parser, options.bin, "halving-server", "halving")
    sys.path.insert(0, str(options.bin.parent / "tests" / "python"))
    tools = subprocess.run([SOURCE / "scripts" / "install-web-test-tools"], capture_output=True, text=True, check=False)
    missing = [program for program in ("node", "chromium") if shutil.which(program) is None]
    if missing or tools.returncode != 0:
        print(f"{missing[0]} is not installed" if missing else tools.stderr.strip())
        sys.exit(77)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="halving-page-load-"))
    server = Server(options.bin, folder, http="127.0.0.1:0")
    try:
        train(server.address, options.trials)
        environment = {**os.environ, "WEB_TOOLS": tools.stdout.strip(), "CHROMIUM": shutil.which("chromium")}
        subprocess.run(["node", SOURCE / "bench" / "page_load.mjs", server.page, STUDY, json.dumps(options.repeats)],
                       check=True, env=environment)
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
