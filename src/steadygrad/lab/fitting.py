"""Under- and over-fitting: capacity, depth, shortcuts, and what holds the gap down."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from steadygrad.lab.drawing import VERMILION, curve, figure, label, legend_below, points
from steadygrad.lab.fitting_runs import (
    DEEP,
    LAYERS,
    WIDE,
    WIDTHS,
    WRONG_LABELS,
    Measured,
    measure,
)
from steadygrad.lab.framework import Experiment, Option, Result, Verdict, at_least, at_most
from steadygrad.lab.short_runs import load_study


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
            "parameters": run.parameters,
            "training loss": run.last_train[0],
            "training accuracy": run.last_train[1],
            "validation loss": run.last_val[0],
            "validation accuracy": run.last_val[1],
            "lowest validation loss": run.lowest_val_loss,
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
            0.5,
            why=f"labels as they should be would agree with {1 - 0.9 * WRONG_LABELS:.0%} of these",
        ),
        at_least(
            f"Enough ({WIDTHS[-1]}) fits all it is shown, wrong labels too: training accuracy",
            large.last_train[1],
            0.95,
            why="learned by heart, a few hard ones apart",
        ),
        at_least(
            "The gap from training to validation accuracy grows with it: difference",
            large.gap - small.gap,
            0.1,
            why="five times the standard error of a thousand pictures",
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
    return [
        at_most(
            f"One hidden layer of {WIDE} and {DEEP} narrower ones: parameters differ by",
            abs(deep.parameters / wide.parameters - 1),
            0.03,
            why="a fraction; widths are whole numbers",
        ),
        at_most(
            "At so few parameters depth alone decides little: validation accuracies differ by",
            abs(wide.last_val[1] - deep.last_val[1]),
            0.06,
            why="three times the standard error of a thousand pictures",
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
    nothing, decay = found.held["nothing"], found.held["weight decay"]
    verdicts = [
        at_least(
            "Two fifths of the labels drawn anew, nothing held: training accuracy on those labels",
            nothing.last_train[1],
            0.95,
            why="the wrong ones are learned by heart, a few hard ones apart",
        ),
        at_most(
            "Early stopping: lowest validation loss on the way over that at the end",
            nothing.lowest_val_loss / nothing.last_val[0],
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
    verdicts.append(
        at_most(
            "Weight decay: norm of the weights over that without",
            decay.weight_norm / nothing.weight_norm,
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
        caption="Left: training and validation accuracy against the number of hidden units, two "
        "fifths of the training labels drawn anew; the gap opens as the capacity grows. Right: "
        "training loss of very deep networks with the same parameters, plain and with shortcuts.",
    )
    left, right = axes[0]
    runs = found.capacity
    points(left, list(runs), [run.last_train[1] for run in runs.values()], "training", 0)
    points(left, list(runs), [run.last_val[1] for run in runs.values()], "validation", 1)
    left.set_xscale("log", base=2)
    left.set_xticks(list(runs), [str(width) for width in runs])
    left.set_ylim(0, 1.03)
    label(left, "hidden units", "accuracy", "Capacity", legend=True)
    for order, (name, run) in enumerate(found.depth.items()):
        curve(right, run.epochs[:, 0], name, order)
    right.set_yscale("log")
    label(right, "epoch", "training loss (nats)", "The same parameters", legend=True)
    return drawn


def draw_held(found: Measured) -> Figure:
    """Training and validation loss with wrong labels, and what holds the gap down."""
    drawn, axes = figure(
        1,
        2,
        height=3.8,
        caption="Left: training and validation loss with two fifths of the labels drawn anew and "
        "nothing against overfitting; the mark is where early stopping would stop. Right: "
        "validation loss with each remedy.",
    )
    left, right = axes[0]
    nothing = found.held["nothing"].epochs
    curve(left, nothing[:, 0], "training", 0)
    curve(left, nothing[:, 2], "validation", 1)
    best = int(nothing[:, 2].argmin())
    left.plot(best + 1, nothing[best, 2], "D", color=VERMILION, label="early stopping")
    label(left, "epoch", "loss (nats)", "Nothing against overfitting")
    legend_below(left, columns=2)
    for order, (name, run) in enumerate(found.held.items()):
        curve(right, run.epochs[:, 2], name, order)
    label(right, "epoch", "validation loss (nats)", "Remedies")
    legend_below(right, columns=2)
    return drawn


def run(values: dict[str, Any]) -> Result:
    """Train every network."""
    seed, draws = int(values["seed"]), int(values["draws"])
    studies = [
        load_study(
            "fashion-mnist",
            num_train=int(values["pictures"]),
            num_val=int(values["others"]),
            seed=seed * draws + draw,
        )
        for draw in range(draws)
    ]
    found = measure(studies, seed, int(values["epochs"]))
    large, nothing = found.capacity[WIDTHS[-1]], found.held["nothing"]
    text = (
        f"{studies[0].about}; means of {draws} draws of them. With two fifths of the labels drawn "
        f"anew, {WIDTHS[-1]} hidden units get {large.last_train[1]:.1%} right in training and "
        f"{large.last_val[1]:.1%} in validation. With nothing against overfitting the validation "
        f"loss ends at {nothing.last_val[0]:.2f}; its lowest was {nothing.lowest_val_loss:.2f}. It "
        "ends at "
        + ", ".join(
            f"{run.last_val[0]:.2f} with {name}"
            for name, run in found.held.items()
            if name != "nothing"
        )
        + "."
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
        Option("epochs", 60, 50, "Passes over the training pictures.", int),
        Option("pictures", 400, 300, "Training pictures.", int),
        Option("others", 1000, None, "Validation pictures.", int),
        Option("draws", 3, 2, "Times all is repeated, with pictures drawn anew.", int),
    ),
    run=run,
)
