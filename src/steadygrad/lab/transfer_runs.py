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
    """The backbones on their own set, and what each way made of the few pictures."""

    own_set: dict[str, tuple[float, float]]
    """By way, their mean loss and accuracy on validation pictures of their own set."""
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
    """Fashion-MNIST and then digits at its size; or a random half of the digits, then the other.

    Two random halves of the classes is how Yosinski et al. (2014) part one set.
    """
    study = load_study("fashion-mnist", num_train=num_train, num_val=num_train // 2, seed=seed)
    if study.name == "digits":
        order = np.random.default_rng([seed, 18]).permutation(len(study.classes))
        halves = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
        return Pair(*(only_classes(study, half.tolist()) for half in halves))
    digits = load_study("digits", num_train=937, num_val=500, seed=seed)
    pixels = torch.from_numpy(digits.train.pixels).permute(0, 3, 1, 2).float()
    larger = F.pad(F.interpolate(pixels, (20, 20), mode="bilinear"), (4, 4, 4, 4))
    framed = larger.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    parts = (replace(part, pixels=framed) for part in (digits.train, digits.val))
    return Pair(study, Study(digits.name, digits.classes, *parts))


def only_classes(study: Study, wanted: Sequence[int]) -> Study:
    """The pictures of some classes, labelled from 0."""
    place = np.full(len(study.classes), -1)
    place[list(wanted)] = np.arange(len(wanted))

    def part(subset: Subset) -> Subset:
        kept = place[subset.labels[subset.indices]] >= 0
        return Subset(subset.pixels, place[subset.labels], subset.indices[kept], len(wanted))

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


def measure(values: dict[str, Any], updates: tuple[int, ...], seed: int) -> tuple[Pair, Measured]:
    """Again and again: draw the pictures, train a backbone, learn the few in every way.

    The pair is the first of those drawn.
    """
    pairs: list[Pair] = []
    own_sets: list[dict[str, tuple[float, float]]] = []
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    draws = int(values["draws"])
    for draw in range(seed * draws, (seed + 1) * draws):
        pair, recipe = choose_pair(int(values["pictures"]), draw), base_recipe(draw)
        few = few_of(pair.target, int(values["per_class"]), draw)
        backbone = train_backbone(pair.source, draw, int(values["backbone_updates"])).classifier
        for way in WAYS:
            found[way].append(learn(start_of(backbone, few, way, recipe), few, recipe, updates))
        own_sets.append(on_own_set(backbone, pair.source))
        pairs.append(pair)
    means = {way: np.mean([one[way] for one in own_sets], 0).tolist() for way in own_sets[0]}
    return pairs[0], Measured(
        {way: (loss, accuracy) for way, (loss, accuracy) in means.items()},
        updates,
        {way: np.asarray(rows) for way, rows in found.items()},
    )
