#!/usr/bin/env python3
"""LeNet on Fashion-MNIST in PyTorch, resumed to the bit: the learning is PyTorch's, the protocol
halving_trainer's.

    halving-worker --trainer "python3 examples/trainer_pytorch.py" --objectives pytorch-lenet

Needs PyTorch (Debian: python3-torch) and the images (Debian: dataset-fashion-mnist).
"""

import functools
import gzip
import math
import os
import struct

# cuBLAS adds in the same order each time only with this, and only if it is set before CUDA starts.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import torch
from torch import nn
from torch.nn import functional

import halving_trainer
import safetensors_file

DATASET = "/usr/share/datasets/fashion-mnist"
EVALUATION_BATCH = 250  # What more of them activate leaves the CPU's cache.
HYPERPARAMETERS = {"learning_rate", "batch_size", "momentum"}
CHECKPOINT_FORMAT = "pytorch-lenet-1"


class LeNet(nn.Sequential):

    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def read_idx(path):
    """The bytes of a gzipped IDX file, in its shape. ValueError: it is none, or not whole."""
    with gzip.open(path) as file:
        data = file.read()
    if data[:3] != b"\0\0\x08" or len(data) < 4 + 4 * data[3]:
        raise ValueError(f"{path} begins with {data[:4]!r}, not as an IDX file of bytes")
    shape = struct.unpack_from(f">{data[3]}I", data, 4)
    start = 4 + 4 * len(shape)
    if math.prod(shape) != len(data) - start:
        raise ValueError(f"{path} has {len(data) - start} values, not {shape} as its header says")
    return torch.frombuffer(bytearray(data[start:]), dtype=torch.uint8).reshape(shape)


@functools.lru_cache(maxsize=2)  # From job to job.
def load_images(folder, part, device):
    """(images [n, 1, 28, 28] of bytes, labels [n]) of "train" or "t10k"."""
    pixels = read_idx(f"{folder}/{part}-images-idx3-ubyte.gz").to(device)
    labels = read_idx(f"{folder}/{part}-labels-idx1-ubyte.gz").to(device)
    if pixels.dim() != 3 or pixels.shape[1:] != (28, 28) or len(pixels) != len(labels):
        raise ValueError(f"{folder} has {part} images of {list(pixels.shape)} and "
                         f"{len(labels)} labels; expected [n, 28, 28] and n")
    return pixels.unsqueeze(1), labels.long()


def to_input(pixels):
    return pixels.float() / 255


def number(values, name, default, accepts, expected):
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not accepts(value):
        raise halving_trainer.InvalidJob(f"{name} is {value!r}; expected {expected}")
    return value


def count(values, name, default):
    return number(values, name, default, lambda n: isinstance(n, int) and n > 0,
                  "a whole number above 0")


class Training:
    """One trial: its images, model and optimiser, and what is made of seed and epoch."""

    def __init__(self, job):
        self.device = torch.device(job.device)
        self.seed = job.seed
        if unknown := job.config.keys() - HYPERPARAMETERS:
            raise halving_trainer.InvalidJob(
                f"the config has {sorted(unknown)}; known are {sorted(HYPERPARAMETERS)}")
        self.batch_size = count(job.config, "batch_size", None)
        rate = number(job.config, "learning_rate", None, lambda r: r > 0, "a number above 0")
        momentum = number(job.config, "momentum", 0, lambda m: 0 <= m < 1, "a number in [0, 1)")
        self.load_data(job.options)
        self.seed_everything(epoch=0)
        self.model = LeNet().to(self.device)  # Made on the CPU: the same weights on every device.
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=rate, momentum=momentum)

    def load_data(self, options):
        try:
            folder = options.get("dataset", DATASET)
            images, labels = load_images(folder, "train", self.device)
            self.test = load_images(folder, "t10k", self.device)
        except (OSError, EOFError, ValueError, struct.error) as error:
            # Ends the program, and the trial may go well on a machine that has them.
            raise RuntimeError(f"{error}; install the package dataset-fashion-mnist, or give its "
                               f"folder as option dataset") from error
        train = count(options, "train_examples", 50000)
        held_out = count(options, "validation_examples", 10000)
        if train + held_out > len(images):
            raise halving_trainer.InvalidJob(
                f"train_examples is {train} and validation_examples {held_out}; together they may "
                f"be at most the {len(images)} images of {folder}, since none may be in both")
        self.train = images[:train], labels[:train]
        self.validation = images[-held_out:], labels[-held_out:]

    def seed_everything(self, epoch):
        """Makes all randomness of an epoch a function of (seed, epoch), that of dropout or
        augmentation too if you add them: a checkpoint needs no generator's state."""
        torch.manual_seed(self.seed * 1_000_003 + epoch)

    def run_epoch(self, epoch):
        """Trains one epoch; the share of validation images that are classified wrongly."""
        self.seed_everything(epoch)
        self.model.train()
        images, labels = self.train
        order = torch.randperm(len(labels)).to(self.device)  # The CPU's: the same everywhere.
        for batch in order.split(self.batch_size):
            self.optimiser.zero_grad()
            functional.cross_entropy(self.model(to_input(images[batch])), labels[batch]).backward()
            self.optimiser.step()
        return self.error_on(self.validation)

    @torch.no_grad()
    def error_on(self, examples):
        self.model.eval()
        wrong = torch.zeros((), dtype=torch.long, device=self.device)
        total = torch.zeros((), device=self.device)
        for images, labels in zip(*(part.split(EVALUATION_BATCH) for part in examples)):
            logits = self.model(to_input(images))
            wrong += (logits.argmax(1) != labels).sum()
            total += logits.sum()
        # Of logits that are NaN argmax() makes a class all the same.
        return wrong.item() / len(examples[1]) if total.isfinite() else math.nan

    def tensors(self):
        """The state by name. Momentum that has not moved yet is zero, and is kept as such."""
        named = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        if self.optimiser.defaults["momentum"] > 0:
            for name, parameter in self.model.named_parameters():
                buffer = self.optimiser.state[parameter].get("momentum_buffer")
                named[f"momentum.{name}"] = (
                    torch.zeros_like(parameter) if buffer is None else buffer)
        return named

    def write(self, path, epoch):
        safetensors_file.save(path, self.tensors(),
                              {"format": CHECKPOINT_FORMAT, "epoch": str(epoch)})

    def read(self, path, epoch):
        try:
            loaded, metadata = safetensors_file.load(path)
        except (OSError, ValueError) as error:
            raise halving_trainer.UnusableCheckpoint(f"{path}: {error}") from error
        here = {"format": CHECKPOINT_FORMAT, "epoch": str(epoch), **shapes(self.tensors())}
        there = {**metadata, **shapes(loaded)}
        for name in sorted(here.keys() | there.keys()):
            if here.get(name) != there.get(name):
                raise halving_trainer.UnusableCheckpoint(
                    f"{path}: {name} is {there.get(name)}; the job needs {here.get(name)}")
        for name, parameter in self.model.named_parameters():
            parameter.data.copy_(loaded[f"model.{name}"])
            if f"momentum.{name}" in loaded:
                self.optimiser.state[parameter]["momentum_buffer"] = (
                    loaded[f"momentum.{name}"].to(self.device))


def shapes(tensors):
    return {name: (str(t.dtype), *t.shape) for name, t in tensors.items()}


def main():
    torch.set_num_threads(int(os.environ.get("HALVING_THREADS", "1")))
    torch.use_deterministic_algorithms(True)
    for job in halving_trainer.jobs():
        with job:
            training = Training(job)
            if job.checkpoint_in:
                training.read(job.checkpoint_in, job.from_epoch)
            for epoch in job.epochs():
                job.report(epoch, training.run_epoch(epoch))
                job.save(lambda path: training.write(path, epoch))
            job.done(metrics={"test_error": training.error_on(training.test)})


if __name__ == "__main__":
    main()
