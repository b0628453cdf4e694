#!/usr/bin/env python3
"""LeNet on Fashion-MNIST in PyTorch as one writes it by hand: what trainer_speed.py compares with.

Reads jobs and writes epochs as docs/trainers.md says, without checkpoints. HALVING_THREADS sets its
threads. Of the plain forms this is the fastest: the images are floats in one tensor, put in order
once an epoch, so that a batch is a slice. Indexing batch by batch, or converting from bytes, takes
longer, as does a step that looks at its loss.
"""

import gzip
import json
import os
import pathlib
import sys

import torch
from torch import nn

EVALUATION_BATCH = 250
HEADER_BYTES = {"images-idx3": 16, "labels-idx1": 8}


def read(folder, what):
    data = gzip.decompress((folder / f"train-{what}-ubyte.gz").read_bytes())
    return torch.frombuffer(bytearray(data[HEADER_BYTES[what]:]), dtype=torch.uint8)


def load(options):
    """Images and labels to train on, and to validate on."""
    folder = pathlib.Path(options["dataset"])
    images = read(folder, "images-idx3").view(-1, 1, 28, 28).float().div_(255)
    labels = read(folder, "labels-idx1").long()
    train, last = options["train_examples"], len(labels) - options["validation_examples"]
    # Copies, so that what is not needed goes.
    return (images[:train].clone(), labels[:train].clone(),
            images[last:].clone(), labels[last:].clone())


def make_lenet():
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(),
        nn.Linear(84, 10))
    for layer in model:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
    return model


def train(model, optimizer, images, labels, batch_size):
    model.train()
    criterion = nn.CrossEntropyLoss()
    order = torch.randperm(len(labels))
    batches = zip(images[order].split(batch_size), labels[order].split(batch_size))
    for batch_images, batch_labels in batches:
        optimizer.zero_grad(set_to_none=True)
        criterion(model(batch_images), batch_labels).backward()
        optimizer.step()


def error_on(model, images, labels):
    model.eval()
    with torch.no_grad():
        batches = zip(images.split(EVALUATION_BATCH), labels.split(EVALUATION_BATCH))
        wrong = sum((model(batch).argmax(1) != answers).sum() for batch, answers in batches)
    return wrong.item() / len(labels)


def main():
    torch.set_num_threads(int(os.environ.get("HALVING_THREADS", "1")))
    options, data = None, None
    for line in sys.stdin:
        job = json.loads(line)["job"]
        if job["options"] != options:
            options, data = job["options"], load(job["options"])
        images, labels, validation_images, validation_labels = data
        torch.manual_seed(job["seed"])
        model = make_lenet()
        optimizer = torch.optim.SGD(model.parameters(), lr=job["config"]["learning_rate"])
        for epoch in range(1, job["to_epoch"] + 1):
            train(model, optimizer, images, labels, job["config"]["batch_size"])
            error = error_on(model, validation_images, validation_labels)
            print(json.dumps({"epoch": epoch, "error": error}), flush=True)
        print(json.dumps({"done": {"error": error}}), flush=True)


if __name__ == "__main__":
    main()
