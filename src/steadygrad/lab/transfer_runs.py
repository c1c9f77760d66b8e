"""What the transfer experiment trains: a backbone, and networks that start from it or do not."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from steadygrad.images.dataset import Subset
from steadygrad.lab.short_runs import (
    Run,
    Study,
    load_study,
    new_classifier,
    pixels_and_labels,
    score,
    short_run,
)
from steadygrad.lab.training import descend
from steadygrad.models.classifier import Classifier
from steadygrad.models.transfer import start_classifier_from
from steadygrad.optim import make_optimizer
from steadygrad.preprocess import Preprocess
from steadygrad.record import Recipe

OWN, RAW, UNCENTRED = "own preprocessing", "raw pixels, 0 to 255", "0 to 1, not centred"
SCRATCH = "from scratch"
WAYS = (OWN, RAW, UNCENTRED, SCRATCH)


@dataclass(frozen=True)
class Measured:
    """The backbone and its own set, and what each way made of the few pictures."""

    backbone: Run
    own_set: dict[str, tuple[float, float]]
    """By way, the backbone's loss and accuracy on validation pictures of its own set."""
    updates: tuple[int, ...]
    accuracies: dict[str, np.ndarray]
    """By way, (draws, updates): validation accuracy after so many updates."""

    def mean(self, way: str) -> np.ndarray:
        """Accuracy after each number of updates, averaged over the draws."""
        return self.accuracies[way].mean(0)

    def updates_to_reach(self, way: str, accuracy: float) -> float:
        """Updates until the mean accuracy is so high, read off between two; NaN if it never is."""
        means = self.mean(way)
        after = int(np.argmax(means >= accuracy))
        if means[after] < accuracy:
            return math.nan
        if after == 0:
            return float(self.updates[0])
        part = (accuracy - means[after - 1]) / (means[after] - means[after - 1])
        before, then = np.log(self.updates[after - 1 : after + 1])
        return float(np.exp(before + part * (then - before)))


@dataclass(frozen=True)
class Pair:
    """Where the backbone learns, and where it is reused."""

    source: Study
    target: Study

    @property
    def about(self) -> str:
        """Which sets they are, for the reader."""
        first, second = (
            f"{study.name} ({', '.join(study.classes)})" for study in (self.source, self.target)
        )
        return f"{first} → {second}"


def choose_pair(num_train: int, seed: int) -> Pair:
    """Fashion-MNIST and then digits at its size; or the first five digits, then the last five."""
    study = load_study("fashion-mnist", num_train=num_train, num_val=num_train // 2, seed=seed)
    if study.name == "digits":
        return Pair(only_classes(study, range(5)), only_classes(study, range(5, 10)))
    digits = load_study("digits", num_train=437, num_val=1000, seed=seed)
    pixels = torch.from_numpy(digits.train.pixels).permute(0, 3, 1, 2).float()
    larger = F.pad(F.interpolate(pixels, (20, 20), mode="bilinear"), (4, 4, 4, 4))
    framed = larger.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    parts = (replace(part, pixels=framed) for part in (digits.train, digits.val))
    return Pair(study, Study(digits.name, digits.classes, *parts))


def only_classes(study: Study, wanted: range) -> Study:
    """The pictures of some consecutive classes, labelled from 0."""

    def part(subset: Subset) -> Subset:
        kept = np.isin(subset.labels[subset.indices], list(wanted))
        return Subset(
            subset.pixels, subset.labels - wanted.start, subset.indices[kept], len(wanted)
        )

    classes = tuple(study.classes[label] for label in wanted)
    return Study(study.name, classes, part(study.train), part(study.val))


def few_of(study: Study, per_class: int, seed: int) -> Study:
    """So many training pictures of every class, drawn at random."""
    indices = np.random.default_rng([seed, per_class]).permutation(study.train.indices)
    labels = study.train.labels[indices]
    chosen = [indices[labels == label][:per_class] for label in range(len(study.classes))]
    return replace(study, train=replace(study.train, indices=np.sort(np.concatenate(chosen))))


def base_recipe(seed: int) -> Recipe:
    """LeNet, twice as wide, with Nesterov momentum; every head, new or first, starts small."""
    return Recipe(
        seed=seed,
        model="lenet",
        width=12,
        optimizer="nesterov",
        lr=0.02,
        weight_decay=5e-4,
        batch_size=32,
        schedule="linear",
        backbone_lr_factor=1.0,
    )


def train_backbone(source: Study, seed: int, updates: int) -> Run:
    """A network trained on the source set, as long for a small set as for a large one."""
    recipe = base_recipe(seed).replace(epochs=updates)  # more than enough: `steps` ends it
    return short_run(source, recipe, score_every=0, steps=updates)


def with_preprocessing(classifier: Classifier, way: str) -> Classifier:
    """The classifier itself; where the way is a wrong one, it no longer centres and scales."""
    if way in (RAW, UNCENTRED):
        classifier.preprocess = Preprocess("none", classifier.preprocess.shape)
        classifier.preprocess.scale.fill_(1.0 if way == RAW else 1 / 255)
    return classifier


def on_own_set(backbone: Classifier, source: Study) -> dict[str, tuple[float, float]]:
    """Loss and accuracy of the backbone, not trained further, under each preprocessing.

    It goes through its files, as a run folder's would.
    """
    with tempfile.TemporaryDirectory() as folder:
        backbone.save(folder)
        unseen = pixels_and_labels(source.val)
        return {
            way: score(with_preprocessing(Classifier.load(folder), way), *unseen)
            for way in WAYS
            if way != SCRATCH
        }


def start_of(backbone: Classifier, few: Study, way: str, recipe: Recipe) -> Classifier:
    """The network before its first update: the backbone's under a new head, or a fresh one.

    Preprocessing from scratch is fitted on the few pictures.
    """
    if way == SCRATCH:
        return new_classifier(few, recipe)
    with tempfile.TemporaryDirectory() as folder:
        backbone.save(folder)
        draws = torch.Generator().manual_seed(recipe.seed)
        return with_preprocessing(start_classifier_from(folder, few.classes, generator=draws), way)


def learn(
    classifier: Classifier, few: Study, recipe: Recipe, updates: Sequence[int]
) -> list[float]:
    """Train all layers on the few pictures; validation accuracy after so many updates.

    Where numbers broke it counts as guessing.
    """
    unseen = pixels_and_labels(few.val)
    found: list[float] = []
    steps = descend(
        classifier,
        make_optimizer(classifier, recipe),
        pixels_and_labels(few.train),
        num_steps=max(updates),
        batch_size=recipe.batch_size,
        seed=recipe.seed,
    )
    for step, loss in enumerate(steps, 1):
        if math.isfinite(loss) and step in updates:
            found.append(score(classifier, *unseen)[1])
    return found + [1 / len(few.classes)] * (len(updates) - len(found))


def measure(pair: Pair, values: dict[str, Any], updates: tuple[int, ...], seed: int) -> Measured:
    """Train the backbone, then learn every draw of the few pictures in every way."""
    backbone = train_backbone(pair.source, seed, int(values["backbone_updates"]))
    draws = int(values["draws"])
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for draw in range(seed * draws, (seed + 1) * draws):
        few, recipe = few_of(pair.target, int(values["per_class"]), draw), base_recipe(draw)
        for way in WAYS:
            start = start_of(backbone.classifier, few, way, recipe)
            found[way].append(learn(start, few, recipe, updates))
    return Measured(
        backbone,
        on_own_set(backbone.classifier, pair.source),
        updates,
        {way: np.asarray(rows) for way, rows in found.items()},
    )
