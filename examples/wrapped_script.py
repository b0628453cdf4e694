#!/usr/bin/env python3
"""A training script as one finds them: it knows nothing of Halving. wrap_command.py makes a trainer
of it. Linear regression by stochastic gradients with momentum, in plain Python.
"""

import argparse
import json
import os
import random

FEATURES = 8


def parse_args():
    parser = argparse.ArgumentParser(description="Trains a linear regression.")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--momentum", type=float, default=0.0)
    parser.add_argument("--epochs", type=int, default=10, help="epochs in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", help="checkpoint to go on from")
    parser.add_argument("--save", help="where to write the checkpoint, at the end")
    return parser.parse_args()


def make_data():
    rng = random.Random(1)
    truth = [rng.gauss(0, 1) for _ in range(FEATURES)]
    points = [[rng.gauss(0, 1) for _ in truth] for _ in range(400)]
    rows = [(p, sum(t * x for t, x in zip(truth, p)) + rng.gauss(0, 0.5)) for p in points]
    return rows[:300], rows[300:]


def predict(weights, point):
    return sum(w * x for w, x in zip(weights, point))


def mean_squared_error(weights, rows):
    misses = [predict(weights, point) - target for point, target in rows]
    return sum(miss * miss for miss in misses) / len(rows)


def train_epoch(state, rows, args):
    random.Random(f"{args.seed} {state['epoch']}").shuffle(rows := list(rows))
    for point, target in rows:
        miss = predict(state["weights"], point) - target
        state["velocity"] = [args.momentum * v + miss * x
                             for v, x in zip(state["velocity"], point)]
        state["weights"] = [w - args.lr * v for w, v in zip(state["weights"], state["velocity"])]


def main():
    args = parse_args()
    training, validation = make_data()
    state = {"epoch": 0, "weights": [0.0] * FEATURES, "velocity": [0.0] * FEATURES}
    if args.resume:
        with open(args.resume, encoding="utf-8") as file:
            state = json.load(file)
        print(f"resumed at epoch {state['epoch']}")
    variance = mean_squared_error([0.0] * FEATURES, validation)
    while state["epoch"] < args.epochs:
        state["epoch"] += 1
        train_epoch(state, training, args)
        loss = mean_squared_error(state["weights"], validation)
        print(f"epoch {state['epoch']}/{args.epochs} val_loss={loss:.6g} "
              f"val_r2={1 - loss / variance:.6g}", flush=True)
    if args.save:
        with open(args.save + ".new", "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.replace(args.save + ".new", args.save)


if __name__ == "__main__":
    main()
