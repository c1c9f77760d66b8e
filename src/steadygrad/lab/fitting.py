"""Under- and over-fitting: capacity, depth, shortcuts, and what holds the gap down."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from steadygrad.lab.drawing import BLUE, ORANGE, VERMILION, curve, figure, label
from steadygrad.lab.fitting_runs import (
    DEEP,
    LAYERS,
    WIDE,
    WIDTHS,
    Measured,
    gap,
    measure,
    weight_norm,
)
from steadygrad.lab.framework import Experiment, Option, Result, Verdict, at_least, at_most
from steadygrad.lab.short_runs import load_study
from steadygrad.models.classifier import num_parameters


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
