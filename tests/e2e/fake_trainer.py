"""A trainer without training: the error is a function of the config and the epoch.

It speaks the JSON lines of docs/trainers.md. Its checkpoint holds the epoch it stands at, and it
refuses one that says another: a resumed trial is shown to be resumed, not only claimed to be.
"""

import json
import math
import os
import signal
import sys
import time


def error(config, epoch):
    distance = abs(math.log10(config["learning_rate"]) + 0.7) + config["batch_size"] / 1000
    return distance / 3 + 1 / (epoch + 1)


def save(job, epoch):
    partial = job["checkpoint_out"] + ".partial"
    with open(partial, "w", encoding="utf-8") as file:
        file.write(str(epoch).ljust(job["options"].get("checkpoint_bytes", 0)))
    os.rename(partial, job["checkpoint_out"])
    return {"checkpoint": {"epoch": epoch}}


stopping = False


def stop(_number, _frame):
    global stopping
    stopping = True


def run(job):
    if job["trial_id"] in job["options"].get("poison", []):  # Trials that kill their trainer.
        os.kill(os.getpid(), signal.SIGKILL)
    # A file to wait for, so that a test can act in the middle: of every job, or of some.
    gates = job["options"].get("gates", {})
    gate = gates.get(f"{job['trial_id']}-{job['to_epoch']}") or job["options"].get("gate")
    if job["from_epoch"] > 0:
        with open(job["checkpoint_in"], encoding="utf-8") as file:
            stands_at = int(file.read())
        if stands_at != job["from_epoch"]:
            yield {"failed": {"reason": f"the checkpoint stands at {stands_at}, not "
                                        f"{job['from_epoch']}", "retryable": False}}
            return
    saved_at = time.monotonic()
    for epoch in range(job["from_epoch"] + 1, job["to_epoch"] + 1):
        while gate and not os.path.exists(gate):
            time.sleep(0.01)
        time.sleep(job["options"].get("pace", 0))
        yield {"epoch": epoch, "error": error(job["config"], epoch)}
        due = 0 < job["checkpoint_interval"] <= time.monotonic() - saved_at
        if epoch < job["to_epoch"] and (due or stopping):
            saved_at = time.monotonic()
            yield save(job, epoch)
        if stopping and epoch < job["to_epoch"]:
            sys.exit(0)
    yield save(job, job["to_epoch"])
    yield {"done": {"error": error(job["config"], job["to_epoch"]), "metrics": {"answer": 42}}}


if os.environ.get("FAKE_TRAINER_SAVES_ON_SIGTERM"):
    signal.signal(signal.SIGTERM, stop)
for line in sys.stdin:
    for event in run(json.loads(line)["job"]):
        print(json.dumps(event), flush=True)
