#!/usr/bin/env python3
"""A whole trainer without any dependency, to copy: logistic regression by stochastic gradients.

It speaks the lines of docs/trainers.md by itself; halving_trainer.py does the same as a module.

    halving-worker --trainer "python3 examples/trainer_minimal.py" --objectives logistic-regression
"""
import json
import math
import os
import random
import signal
import sys
import time

FEATURES = 10


def say(event):
    print(json.dumps(event), flush=True)  # An error that is NaN is printed as NaN; that is fine.


def make_data(seed):  # The same for all trials of a study, or their errors could not be compared.
    rng = random.Random(seed)
    truth = [rng.gauss(0, 1) for _ in range(FEATURES)]
    points = [[1.0] + [rng.gauss(0, 1) for _ in truth] for _ in range(600)]
    labels = [sum(t * x for t, x in zip(truth, p[1:])) + rng.gauss(0, 1) > 0 for p in points]
    rows = list(zip(points, labels))
    return rows[:400], rows[400:]


def predict(weights, point):
    return (1 + math.tanh(sum(w * x for w, x in zip(weights, point)) / 2)) / 2  # No overflow.


def train_epoch(weights, rows, rate, decay, rng):
    for point, label in rng.sample(rows, len(rows)):
        slope = predict(weights, point) - label
        weights = [w - rate * (slope * x + decay * w) for w, x in zip(weights, point)]
    return weights


def load(job):
    if job["from_epoch"] == 0:
        return [0.0] * (FEATURES + 1)
    with open(job["checkpoint_in"], encoding="utf-8") as file:
        state = json.load(file)
    if state["epoch"] != job["from_epoch"] or len(state["weights"]) != FEATURES + 1:
        raise ValueError(f"it stands at epoch {state['epoch']} with {len(state['weights'])} "
                         f"weights, not at {job['from_epoch']} with {FEATURES + 1}")
    return [float(weight) for weight in state["weights"]]


def save(job, epoch, weights):
    path = job["checkpoint_out"]
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump({"epoch": epoch, "weights": weights}, file)
    os.replace(path + ".part", path)  # So that the path only ever holds a whole file.
    say({"checkpoint": {"epoch": epoch}})


def run(job, sigterms):
    rate, decay = job["config"].get("learning_rate"), job["config"].get("weight_decay", 0)
    if not all(isinstance(n, (int, float)) and n >= 0 for n in (rate, decay)):
        return {"failed": {"reason": f"config.learning_rate is {rate} and config.weight_decay "
                                     f"{decay}; both must be numbers, 0 or above"}}
    try:
        weights = load(job)
    except (OSError, ValueError, LookupError, TypeError) as error:
        return {"failed": {"reason": f"{job.get('checkpoint_in')}: {error!r}",
                           "unusable_checkpoint": True}}
    training, validation = make_data(job["options"].get("data_seed", 1))
    interval, saved_at = job.get("checkpoint_interval", 0), time.monotonic()
    for epoch in range(job["from_epoch"] + 1, job["to_epoch"] + 1):
        rng = random.Random(f"{job['seed']} {epoch}")  # Resumed or not, an epoch shuffles alike.
        weights = train_epoch(weights, training, rate, decay, rng)
        error = sum((predict(weights, p) - label) ** 2 for p, label in validation) / len(validation)
        say({"epoch": epoch, "error": error})
        leaving = bool(sigterms)
        due = interval > 0 and time.monotonic() - saved_at >= interval
        if leaving or due or epoch == job["to_epoch"]:
            save(job, epoch, weights)
            saved_at = time.monotonic()
        if leaving and epoch < job["to_epoch"]:
            sys.exit()
    return {"done": {"error": error}}


for line in sys.stdin:
    received = []  # Within a job SIGTERM waits for the end of the epoch; between jobs it kills.
    signal.signal(signal.SIGTERM, lambda *_: received.append(True))
    say(run(json.loads(line)["job"], received))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if received:
        sys.exit()
