"""Transfer: a backbone trained on one set of pictures, reused where there are few."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from steadygrad.images.dataset import Subset
from steadygrad.lab.drawing import COLOURS, MARKERS, figure, label
from steadygrad.lab.framework import (
    Experiment,
    Option,
    Result,
    Verdict,
    at_least,
    at_most,
)
from steadygrad.lab.framework import numbers as numbers_with_commas
from steadygrad.lab.short_runs import Run, Study, load_study, short_run
from steadygrad.models.classifier import Classifier
from steadygrad.models.transfer import start_classifier_from
from steadygrad.preprocess import Preprocess
from steadygrad.record import Recipe

OWN, RAW, UNCENTRED = "own preprocessing", "raw pixels, 0 to 255", "0 to 1, not centred"
SCRATCH = "from scratch"
WAYS = (OWN, RAW, UNCENTRED, SCRATCH)
ACCURACY = "validation accuracy"
EARLY = 20
DRAWS = 3
"""Times the few pictures are drawn anew."""


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
    digits = load_study("digits", num_train=1000, num_val=400, seed=seed)
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
    """LeNet, twice as wide, with Nesterov momentum."""
    return Recipe(
        seed=seed,
        model="lenet",
        width=12,
        init="kaiming-normal",
        optimizer="nesterov",
        lr=0.02,
        weight_decay=5e-4,
        batch_size=32,
        schedule="linear",
    )


def train_backbone(source: Study, seed: int, epochs: int) -> Run:
    """A network trained on the source set."""
    return short_run(source, base_recipe(seed).replace(epochs=epochs), score_every=0)


def reuse(backbone: Classifier, few: Study, way: str, seed: int, updates: int) -> Run:
    """Learn the few pictures, all layers, starting from the backbone or from scratch.

    The backbone goes through its files, as a run folder's would. The same number of updates and the
    same recipe for all ways; preprocessing from scratch is fitted on the few pictures.
    """
    batch_size = min(32, len(few.train))
    recipe = base_recipe(seed).replace(epochs=updates, batch_size=batch_size, backbone_lr_factor=1)
    if way == SCRATCH:
        return short_run(few, recipe, score_every=0, steps=updates)
    with tempfile.TemporaryDirectory() as folder:
        backbone.save(folder)
        draws = torch.Generator().manual_seed(seed)
        classifier = start_classifier_from(folder, few.classes, generator=draws)
    if way in (RAW, UNCENTRED):
        classifier.preprocess = Preprocess("none", classifier.preprocess.shape)
        classifier.preprocess.scale.fill_(1.0 if way == RAW else 1 / 255)
    return short_run(few, recipe, classifier=classifier, score_every=0, steps=updates)


def measure(
    pair: Pair, per_class: int, updates: tuple[int, ...], seed: int, epochs: int
) -> tuple[Run, list[dict[str, Any]]]:
    """The backbone's run, and a row for each number of updates, way and draw."""
    backbone = train_backbone(pair.source, seed, epochs)
    rows: list[dict[str, Any]] = []
    for draw in range(DRAWS):
        few = few_of(pair.target, per_class, seed * DRAWS + draw)
        for number, way in ((number, way) for number in updates for way in WAYS):
            run = reuse(backbone.classifier, few, way, seed * DRAWS + draw, number)
            accuracy = run.last_val[1]
            rows.append({"updates": number, "way": way, "draw": draw, ACCURACY: accuracy})
    return backbone, rows


def mean_accuracy(rows: list[dict[str, Any]], way: str, updates: int) -> float:
    """Validation accuracy of a way, averaged over the draws."""
    found = [row[ACCURACY] for row in rows if row["way"] == way and row["updates"] == updates]
    return float(np.mean(found))


def judge(backbone: Run, rows: list[dict[str, Any]], num_classes: int) -> list[Verdict]:
    """The claims against the mean accuracies."""
    few = min(row["updates"] for row in rows)
    return [
        at_least(
            "The backbone has learned its own set: validation accuracy",
            backbone.last_val[1],
            0.75,
            why="else there is nothing to reuse",
        ),
        *_gains(rows),
        at_least(
            f"Reused with its own preprocessing, {few} updates: accuracy over that of guessing",
            mean_accuracy(rows, OWN, few) * num_classes,
            2.0,
            why="classes it has never seen",
        ),
    ]


def _gains(rows: list[dict[str, Any]]) -> list[Verdict]:
    sizes = sorted({row["updates"] for row in rows})
    few, many = sizes[0], sizes[-1]

    def gain(way: str, size: int) -> float:
        return mean_accuracy(rows, OWN, size) - mean_accuracy(rows, way, size)

    return [
        at_least(
            f"After {few} updates, reused against from scratch: gain in accuracy",
            gain(SCRATCH, few),
            0.02,
            why=f"mean of {DRAWS} draws",
        ),
        at_most(
            f"After {many} the gain is smaller: difference of the gains",
            gain(SCRATCH, many) - gain(SCRATCH, few),
            0.0,
            why="these pictures are easy: from scratch one gets there too, only later",
        ),
        at_least(
            "The backbone's own preprocessing against raw pixels: gain, mean of all lengths",
            float(np.mean([gain(RAW, size) for size in sizes])),
            0.03,
            why="it was trained on centred, scaled input and knows no other",
        ),
        at_least(
            f"and against pixels from 0 to 1, up to {EARLY} updates",
            float(np.mean([gain(UNCENTRED, size) for size in sizes if size <= EARLY])),
            0.01,
            why="a third of the contrast, and no zero in the middle; later the layers adapt",
        ),
    ]


def draw(rows: list[dict[str, Any]], about: str) -> Figure:
    """Accuracy against the number of pictures, a line a way, a point a draw."""
    drawn, axes = figure(
        height=4.2,
        caption=f"Validation accuracy by number of updates, {about}. Lines are "
        "means, points single draws of the pictures; 0 where numbers broke.",
    )
    place = axes[0][0]
    sizes = sorted({row["updates"] for row in rows})
    for order, way in enumerate(WAYS):
        own = [row for row in rows if row["way"] == way]
        look = {"color": COLOURS[order], "marker": MARKERS[order]}
        place.plot(
            [row["updates"] for row in own],
            [row[ACCURACY] for row in own],
            linestyle="",
            alpha=0.35,
            **look,
        )
        means = [mean_accuracy(rows, way, size) for size in sizes]
        place.plot(sizes, means, label=way, **look)
    place.set_xscale("log")
    place.set_xticks(sizes, [str(size) for size in sizes])
    place.minorticks_off()
    label(place, "updates on the few pictures", "validation accuracy", legend=True)
    return drawn


def run(values: dict[str, Any]) -> Result:
    """Train a backbone, reuse it in every way."""
    seed = int(values["seed"])
    pair = choose_pair(int(values["pictures"]), seed)
    updates = tuple(int(number) for number in values["updates"])
    per_class = int(values["per_class"])
    backbone, rows = measure(pair, per_class, updates, seed, int(values["epochs"]))
    few = min(updates)
    text = (
        f"{pair.about}. After {few} updates on {per_class} pictures a class: "
        + ", ".join(f"{way} {mean_accuracy(rows, way, few):.3f}" for way in WAYS)
        + "."
    )
    verdicts = judge(backbone, rows, len(pair.target.classes))
    return Result(rows, {"accuracy": draw(rows, pair.about)}, verdicts, text)


EXPERIMENT = Experiment(
    name="transfer",
    title="Transfer",
    claim="A backbone trained on other pictures learns new ones in fewer updates than from "
    "scratch, if it gets the preprocessing it was trained with.",
    explanation="The first layers of a network find edges, corners and textures, which are much "
    "the same in all pictures. So train them where pictures are many, and go on from there where "
    "they are few: only the head is new, and a handful of updates takes it far. From scratch one "
    "catches up on pictures as easy as these, later. One thing belongs to the backbone as its "
    "weights do: what was done to the pixels before. Give it raw pixels or pixels from 0 to 1, and "
    "its filters meet numbers they were never trained on. This is a common fault.",
    source="Yosinski et al. 2014, How transferable are features in deep neural networks?; Donahue "
    "et al. 2014, DeCAF; Stanford CS231n, Transfer learning",
    options=(
        Option("pictures", 6000, 2500, "Training pictures of both halves together.", int),
        Option("epochs", 12, 8, "Passes over the source set.", int),
        Option("per_class", 20, None, "Pictures of each class to learn from.", int),
        Option(
            "updates",
            (5.0, 10.0, 20.0, 40.0, 80.0),
            (5.0, 10.0, 80.0),
            "Updates on the few pictures, with commas between.",
            numbers_with_commas,
        ),
    ),
    run=run,
)
