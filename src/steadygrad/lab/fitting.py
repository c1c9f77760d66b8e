"""Under- and over-fitting: capacity, depth, shortcuts, and what holds the gap down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import nn

from steadygrad.images.augment import Augmentation
from steadygrad.lab.drawing import BLUE, ORANGE, VERMILION, curve, figure, label
from steadygrad.lab.framework import Experiment, Option, Result, Verdict, at_least, at_most
from steadygrad.lab.short_runs import Run, Study, load_study, new_classifier, short_run
from steadygrad.models.classifier import num_parameters
from steadygrad.nn.blocks import Network, Residual
from steadygrad.record import Recipe

WIDTHS = (1, 2, 4, 16, 64, 256)
WIDE = 64
DEEP = 4
LAYERS = 40
"""Of the very deep networks, half of them inside each shortcut's blocks of two."""
LAYERS_WIDTH = 32
WRONG_LABELS = 0.4
"""Share of the training labels drawn anew: a network that learns those by heart overfits."""


@dataclass(frozen=True)
class Measured:
    """All runs, by what was changed, and the parameters of two of them."""

    capacity: dict[int, Run]
    shapes: dict[str, Run]
    depth: dict[str, Run]
    held: dict[str, Run]


def base_recipe(seed: int, epochs: int) -> Recipe:
    """A multilayer perceptron under Adam, with nothing against overfitting."""
    return Recipe(
        seed=seed,
        epochs=epochs,
        batch_size=32,
        model="mlp",
        depth=1,
        width=256,
        init="kaiming-normal",
        optimizer="adamw",
        lr=3e-3,
        weight_decay=0.0,
        schedule="constant",
    )


def with_wrong_labels(study: Study, seed: int) -> Study:
    """A study with a share of its training labels drawn anew; the validation labels stay right."""
    generator = np.random.default_rng([seed, 15])
    labels = study.train.labels.copy()
    chosen = study.train.indices[generator.random(len(study.train)) < WRONG_LABELS]
    labels[chosen] = generator.integers(0, len(study.classes), len(chosen))
    return replace(study, train=replace(study.train, labels=labels))


def equal_width(inputs: int, classes: int, parameters: int) -> int:
    """Width of a perceptron of DEEP hidden layers that has about so many parameters."""

    def count(width: int) -> int:
        return (inputs + 1 + classes + (DEEP - 1) * (width + 1)) * width + classes

    return min(range(1, 4 * WIDE), key=lambda width: abs(count(width) - parameters))


def very_deep(study: Study, shortcuts: bool) -> nn.Module:
    """LAYERS hidden layers, plain or in residual blocks of two; the same number of parameters."""
    pixels = study.train.pixels[0].size
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(pixels, LAYERS_WIDTH), nn.ReLU()]
    for _ in range(LAYERS // 2):
        first, second = (nn.Linear(LAYERS_WIDTH, LAYERS_WIDTH) for _ in range(2))
        if shortcuts:
            branch = nn.Sequential(first, nn.ReLU(), second)
            layers.append(Residual(branch, nn.Identity(), nn.ReLU()))
        else:
            layers += [first, nn.ReLU(), second, nn.ReLU()]
    return Network(layers, LAYERS_WIDTH, len(study.classes))


def measure(study: Study, seed: int, epochs: int) -> Measured:
    """Train everything."""
    base = base_recipe(seed, epochs)
    wrong = with_wrong_labels(study, seed)
    inputs, classes = study.train.pixels[0].size, len(study.classes)
    parameters = (inputs + 1 + classes) * WIDE + classes
    narrow = equal_width(inputs, classes, parameters)

    def deep(shortcuts: bool) -> Run:
        recipe = base.replace(init="auto" if shortcuts else "kaiming-normal", lr=1e-3)
        classifier = new_classifier(study, recipe, very_deep(study, shortcuts))
        return short_run(study, recipe, classifier=classifier)

    heavy = base.replace(depth=2)
    shift = max(1, study.train.pixels.shape[1] // 10)
    return Measured(
        capacity={
            width: short_run(wrong, base.replace(width=width), score_every=0) for width in WIDTHS
        },
        shapes={
            "wide": short_run(study, base.replace(width=WIDE)),
            "deep": short_run(study, base.replace(depth=DEEP, width=narrow)),
        },
        depth={f"{LAYERS} layers, plain": deep(False), f"{LAYERS} layers, shortcuts": deep(True)},
        held={
            "nothing": short_run(wrong, heavy),
            "weight decay": short_run(wrong, heavy.replace(weight_decay=1.0)),
            "dropout": short_run(wrong, heavy.replace(dropout=0.7)),
            "augmentation": short_run(wrong, heavy, augment=Augmentation(shift=shift)),
        },
    )


def table(found: Measured) -> list[dict[str, Any]]:
    """One row a run."""
    groups = {
        "capacity, wrong labels": {
            f"{width} hidden units": run for width, run in found.capacity.items()
        },
        "equal parameters": found.shapes,
        "very deep": found.depth,
        "remedies, wrong labels": found.held,
    }
    return [
        {
            "part": part,
            "network": name,
            "parameters": num_parameters(run.classifier.network),
            "training loss": run.last_train[0],
            "training accuracy": run.last_train[1],
            "validation loss": run.last_val[0],
            "validation accuracy": run.last_val[1],
            "lowest validation loss": min(epoch[2] for epoch in run.epochs),
        }
        for part, runs in groups.items()
        for name, run in runs.items()
    ]


def gap(run: Run) -> float:
    """Training accuracy over validation accuracy, as a difference."""
    return run.last_train[1] - run.last_val[1]


def judge(found: Measured) -> list[Verdict]:
    """The claims against the runs."""
    return [*_capacity(found), *_depth(found), *_held(found)]


def _capacity(found: Measured) -> list[Verdict]:
    runs = found.capacity
    small, large = runs[WIDTHS[0]], runs[WIDTHS[-1]]
    return [
        at_most(
            f"Too little capacity ({WIDTHS[0]} hidden unit) underfits: training accuracy",
            small.last_train[1],
            0.7,
            why="it can't even fit what it is shown",
        ),
        at_least(
            f"Enough ({WIDTHS[-1]}) fits all it is shown: training accuracy",
            large.last_train[1],
            0.99,
            why="",
        ),
        at_least(
            "The gap from training to validation accuracy grows with it: difference",
            gap(large) - gap(small),
            0.02,
            why="capacity is spent on what does not carry over",
        ),
        at_least(
            "and yet the validation accuracy is higher: difference",
            large.last_val[1] - small.last_val[1],
            0.1,
            why="underfitting costs more than this gap",
        ),
    ]


def _depth(found: Measured) -> list[Verdict]:
    wide, deep = found.shapes.values()
    plain, shortcuts = found.depth.values()
    counts = [num_parameters(run.classifier.network) for run in (wide, deep)]
    return [
        at_most(
            f"One hidden layer of {WIDE} and {DEEP} narrower ones: parameters differ by",
            abs(counts[1] / counts[0] - 1),
            0.03,
            why="a fraction; widths are whole numbers",
        ),
        at_most(
            "At so few parameters depth alone decides little: validation accuracies differ by",
            abs(wide.last_val[1] - deep.last_val[1]),
            0.06,
            why="three times the standard error of a few hundred pictures",
        ),
        at_least(
            f"{LAYERS} layers fit even the TRAINING pictures worse without shortcuts: times the "
            "loss with them",
            plain.last_train[0] / shortcuts.last_train[0],
            3.0,
            why="the same parameters: a fault of optimisation, not overfitting",
        ),
    ]


def _held(found: Measured) -> list[Verdict]:
    nothing = found.held["nothing"]
    lowest = min(epoch[2] for epoch in nothing.epochs)
    verdicts = [
        at_least(
            "Two fifths of the labels drawn anew, nothing held: training accuracy on those labels",
            nothing.last_train[1],
            0.95,
            why="the wrong ones are learned by heart",
        ),
        at_most(
            "Early stopping: lowest validation loss on the way over that at the end",
            lowest / nothing.last_val[0],
            0.8,
            why="it falls, then rises",
        ),
    ]
    verdicts += [
        at_most(
            f"{name.capitalize()}: validation loss at the end over that with nothing",
            run.last_val[0] / nothing.last_val[0],
            0.9,
            why="less is learned by heart",
        )
        for name, run in found.held.items()
        if name != "nothing"
    ]
    norms = {name: weight_norm(found.held[name]) for name in ("nothing", "weight decay")}
    verdicts.append(
        at_most(
            "Weight decay: norm of the weights over that without",
            norms["weight decay"] / norms["nothing"],
            0.8,
            why="what it is named for",
        )
    )
    return verdicts


def weight_norm(run: Run) -> float:
    """L2 norm of all weights, biases left out."""
    squares = (float(w.detach().square().sum()) for w in run.classifier.parameters() if w.ndim > 1)
    return float(np.sqrt(sum(squares)))


def draw_capacity(found: Measured) -> Figure:
    """Accuracy against capacity, and the very deep networks."""
    drawn, axes = figure(
        1,
        2,
        caption="Left: training and validation accuracy against the number of hidden units; the "
        "gap opens as the capacity grows. Right: training loss of very deep networks with the same "
        "parameters, plain and with shortcuts.",
    )
    left, right = axes[0]
    widths = list(found.capacity)
    for index, (name, colour, marker) in enumerate(
        (("training", BLUE, "o"), ("validation", ORANGE, "s"))
    ):
        values = [(run.last_train, run.last_val)[index][1] for run in found.capacity.values()]
        left.plot(widths, values, label=name, color=colour, marker=marker)
    left.set_xscale("log", base=2)
    label(left, "hidden units", "accuracy", legend=True)
    for order, (name, run) in enumerate(found.depth.items()):
        curve(right, [epoch[0] for epoch in run.epochs], name, order)
    right.set_yscale("log")
    label(right, "epoch", "training loss (nats)", legend=True)
    return drawn


def draw_held(found: Measured) -> Figure:
    """Training and validation loss with wrong labels, and what holds the gap down."""
    drawn, axes = figure(
        1,
        2,
        caption="Left: training and validation loss with two fifths of the labels drawn anew and "
        "nothing against overfitting; the mark is where early stopping would stop. Right: "
        "validation loss with each remedy.",
    )
    left, right = axes[0]
    nothing = found.held["nothing"]
    curve(left, [epoch[0] for epoch in nothing.epochs], "training", 0)
    validation = [epoch[2] for epoch in nothing.epochs]
    curve(left, validation, "validation", 1)
    best = int(np.argmin(validation))
    left.plot(best + 1, validation[best], "D", color=VERMILION, label="early stopping")
    label(left, "epoch", "loss (nats)", "Nothing against overfitting", legend=True)
    for order, (name, run) in enumerate(found.held.items()):
        curve(right, [epoch[2] for epoch in run.epochs], name, order)
    right.set_yscale("log")
    label(right, "epoch", "validation loss (nats)", "Remedies", legend=True)
    return drawn


def run(values: dict[str, Any]) -> Result:
    """Train every network."""
    seed = int(values["seed"])
    num = int(values["pictures"])
    study = load_study("fashion-mnist", num_train=num, num_val=int(values["others"]), seed=seed)
    found = measure(study, seed, int(values["epochs"]))
    large = found.capacity[WIDTHS[-1]]
    nothing = found.held["nothing"]
    text = (
        f"{study.about}. {WIDTHS[-1]} hidden units: {large.last_train[1]:.1%} right in training, "
        f"{large.last_val[1]:.1%} in validation. With two fifths of the labels drawn anew the "
        f"validation loss ends at {nothing.last_val[0]:.2f}; its lowest was "
        f"{min(epoch[2] for epoch in nothing.epochs):.2f}."
    )
    figures = {"capacity": draw_capacity(found), "remedies": draw_held(found)}
    return Result(table(found), figures, judge(found), text)


EXPERIMENT = Experiment(
    name="fitting",
    title="Under- and over-fitting",
    claim="Too little capacity can't fit the training pictures, much capacity fits even their "
    "errors; decay, dropout, augmentation and stopping early hold that down.",
    explanation="Look at two curves, never at one. Where training itself goes badly the network "
    "underfits: it needs more units, or shortcuts if it is very deep, as a deep plain stack is "
    "hard to optimise even though it could represent more. Where training goes well and "
    "validation does not, it overfits: it has learned the pictures by heart, here even the labels "
    "that are wrong. Weight decay keeps the weights small, dropout keeps units from relying on "
    "each other, augmentation shows every picture a little differently each time, and stopping "
    "early takes the network as it was before the gap opened. More pictures help most of all.",
    source="Goodfellow, Bengio, Courville 2016, chapters 5 and 7; He et al. 2016 (shortcuts); "
    "Srivastava et al. 2014 (dropout); Zhang et al. 2017 (wrong labels)",
    options=(
        Option("epochs", 60, 40, "Passes over the training pictures.", int),
        Option("pictures", 400, 300, "Training pictures.", int),
        Option("others", 800, 500, "Validation pictures.", int),
    ),
    run=run,
)
