"""A trainer that keeps to docs/trainers.md, but for the rule that the objective option "bug" names."""

import json
import os
import random
import signal
import sys
import time

bug = ""
told_to_leave = False


def on_sigterm(*_):
    global told_to_leave
    told_to_leave = True


def say(event):
    print(json.dumps(event), flush=bug != "no_flush")


def save(job, epoch):
    if bug == "no_checkpoint":
        return
    if bug != "announce_only":
        with open(job["checkpoint_out"] + ".new", "w", encoding="utf-8") as file:
            json.dump({"epoch": epoch, "weights": [0.5] * 100}, file)
        os.rename(job["checkpoint_out"] + ".new", job["checkpoint_out"])
    say({"checkpoint": {"epoch": epoch}})


def load(job):
    """Whether the job can go on."""
    if job["from_epoch"] == 0 or bug == "trusts_broken":
        return True
    try:
        with open(job["checkpoint_in"], encoding="utf-8") as file:
            if json.load(file)["epoch"] != job["from_epoch"]:
                raise ValueError("of another epoch")
    except ValueError as error:
        if bug == "dies_of_broken":
            raise
        say({"failed": {"reason": str(error), "unusable_checkpoint": bug != "fails_for_broken"}})
        return False
    if bug == "removes_input":
        os.remove(job["checkpoint_in"])
    return True


def error_of(job, epoch):
    if bug == "nan":
        return float("nan")
    if bug == "forgets":
        return 1 / (epoch - job["from_epoch"])
    return 1 / epoch + (random.random() / 100 if bug == "random" else 0)


def train(job):
    """The error of the last epoch; None when it was told to leave before."""
    saved = time.monotonic()
    error = None
    first = 1 if bug == "from_one" else job["from_epoch"] + 1
    for epoch in range(first, job["to_epoch"] + 1):
        time.sleep(0.3 if bug == "no_flush" else 0.05)
        error = error_of(job, epoch)
        if bug != "skips" or epoch != 1:
            say({"epoch": epoch, "error": error})
        is_due = 0 < job["checkpoint_interval"] < time.monotonic() - saved and bug != "no_interval"
        if is_due or told_to_leave or epoch == job["to_epoch"]:
            save(job, epoch)
            saved = time.monotonic()
        if told_to_leave and epoch < job["to_epoch"]:
            return None
    return error


def main():
    global bug
    for line in iter(sys.stdin.readline, ""):
        job = json.loads(line)["job"]
        bug = job["options"].get("bug", "")
        if bug == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        elif bug != "dies_of_sigterm":
            signal.signal(signal.SIGTERM, on_sigterm)
        if not load(job):
            continue
        error = train(job)
        if error is None:
            return
        if bug == "other_done":
            error += 1
        say({"done": {"error": float("inf") if bug == "infinite_done" else error}})
        if bug == "no_flush":
            return
    while bug == "stays":
        time.sleep(1)


main()
