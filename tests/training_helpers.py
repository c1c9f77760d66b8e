"""Scanned digits, small networks and plain batches for the tests of training."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from steadygrad import fit
from steadygrad.fit.folder import RunFolder
from steadygrad.fit.loop import Loop
from steadygrad.fit.prepare import prepare, recipe_file, use_machine
from steadygrad.fit.signals import StopSignals
from steadygrad.images.randomness import generator
from steadygrad.preprocess import Preprocess


class Digits:
    """Some of scikit-learn's scans as a subset: (n, 8, 8, 1) uint8, 0–255."""

    def __init__(self, begin=0, end=512):
        scans = load_digits()
        pixels = (scans.images[begin:end] * 255 / 16).round().astype(np.uint8)
        self.pixels = pixels[..., None]
        self.labels = scans.target[begin:end].astype(np.int64)

    def __len__(self):
        return len(self.labels)

    def take(self, positions):
        return self.pixels[positions]

    def labels_of(self, positions):
        return self.labels[positions]


class PlainBatches:
    """Shuffled batches, a pure function of (seed, epoch, step); every second one mixed."""

    def __init__(self, subset, batch_size=32, seed=0, mixed=False):
        self.subset, self.batch_size, self.seed, self.mixed = subset, batch_size, seed, mixed

    def __len__(self):
        return len(self.subset) // self.batch_size

    def batch(self, epoch, step):
        order = torch.randperm(len(self.subset), generator=generator(self.seed, "order", epoch))
        positions = order[step * self.batch_size : (step + 1) * self.batch_size].numpy()
        images = torch.from_numpy(self.subset.take(positions)).permute(0, 3, 1, 2).float()
        targets = torch.from_numpy(self.subset.labels_of(positions))
        if self.mixed and step % 2:
            images = 0.7 * images + 0.3 * images.flip(0)
            whole = nn.functional.one_hot(targets, 10).float()
            targets = 0.7 * whole + 0.3 * whole.flip(0)
        return Taken(images, targets)


class Taken:
    def __init__(self, images, targets):
        self.images, self.targets = images, targets


class SmallClassifier(nn.Module):
    """Preprocessing and a ConvNet with batch norm, dropout and a named head."""

    def __init__(self, subset, dropout=0.2, width=8, seed=0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.preprocess = Preprocess.fit("channel-mean-std", subset.pixels)
            self.network = SmallNetwork(dropout, width)

    def forward(self, pixels):
        return self.network(self.preprocess(pixels))


class SmallNetwork(nn.Module):
    def __init__(self, dropout, width):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
        )
        self.head = nn.Linear(2 * width, 10)

    def forward(self, inputs):
        return self.head(self.body(inputs))


def same_tensors(first, second):
    """Names of the tensors that differ in any bit."""
    assert first.keys() == second.keys()
    return [name for name in first if not torch.equal(first[name], second[name])]


def trained(out, recipe, show, **job):
    """The loop of `steadygrad train digits` once training is over; no scoring, no export."""
    job = fit.Job("digits", out=str(out), **job)
    with RunFolder.create(job.out, "digits") as folder, StopSignals() as signals:
        recipe = use_machine(recipe.check(), to_train=True)
        prepared = prepare(job, recipe, recipe, show)
        folder.save_record(prepared.record)
        folder.write_json("recipe.json", recipe_file(prepared))
        loop = Loop(folder, prepared, show)
        loop.run(signals)
        return loop
