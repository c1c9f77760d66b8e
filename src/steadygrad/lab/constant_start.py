"""Experiment: units that start the same stay the same, so weights must not start equal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from steadygrad.lab import drawing
from steadygrad.lab.framework import (
    Experiment,
    Option,
    Result,
    Verdict,
    at_least,
    at_most,
    near,
)
from steadygrad.lab.pictures import load_pictures
from steadygrad.lab.symmetry import label_entropy, new_network, unit_spread
from steadygrad.lab.training import accuracy, descend, smoothed
from steadygrad.nn.initialize import initialize, symmetric_layers
from steadygrad.preprocess import Preprocess

SCHEMES = {"zeros": "all zero", "constant": "all equal", "xavier-normal": "random (Xavier)"}
READ_EVERY = 10  # steps between two readings of the spread
ROUNDING = 1e-9  # float64 sums of equal rows may be taken in another order
SHOWN_UNITS = 8


@dataclass(frozen=True)
class Trained:
    """One network's training: spreads by layer over the steps, and what it was in the end."""

    scheme: str
    steps: list[int]
    spreads: dict[str, list[float]]
    moved: dict[str, float]
    ranks: dict[str, int]
    losses: list[float]
    accuracy: float
    flagged: list[str]
    first_weights: np.ndarray


Examples = tuple[Tensor, Tensor]


def train_from(scheme: str, seen: Examples, unseen: Examples, values: dict[str, Any]) -> Trained:
    """Train one network from `scheme` by plain gradient descent and watch its hidden layers."""
    classes = int(seen[1].max()) + 1
    network = new_network(seen[0].shape[1], values["width"], values["activation"], classes)
    draws = torch.Generator().manual_seed(values["seed"])
    initialize(network.whole, scheme, std=values["value"], generator=draws)
    flagged = symmetric_layers(network.whole)
    before = network.weights()
    optimizer = torch.optim.SGD(network.whole.parameters(), lr=values["lr"])
    steps, losses = list[int](), list[float]()
    spreads: dict[str, list[float]] = {name: [] for name in network.hidden}
    run = descend(
        network.whole, optimizer, seen, num_steps=values["num_steps"], seed=values["seed"]
    )
    for step, loss in enumerate(run, start=1):
        losses.append(loss)
        if step % READ_EVERY == 0:
            steps.append(step)
            for name, layer in network.hidden.items():
                spreads[name].append(unit_spread(layer.weight))
    after = network.weights()
    return Trained(
        scheme,
        steps,
        spreads,
        {name: float((after[name] - before[name]).abs().max()) for name in after},
        network.ranks(unseen[0]),
        losses,
        accuracy(network.whole, *unseen),
        flagged,
        after["hidden 1"].float().numpy(),
    )


def judge(runs: dict[str, Trained], entropy: float) -> list[Verdict]:
    """Hold the three runs against what symmetry says."""
    zeros, equal, random = runs["zeros"], runs["constant"], runs["xavier-normal"]
    return [
        *_zero_verdicts(zeros, entropy),
        *_equal_verdicts(equal),
        at_least(
            "random: the units differ from the first reading on",
            min(min(many) for many in random.spreads.values()),
            0.5,
            why="independent draws differ by about as much as they are large",
        ),
        at_least(
            "random does better on unseen pictures by (accuracy)",
            random.accuracy - max(zeros.accuracy, equal.accuracy),
            0.2,
            why="one number can't tell ten classes apart",
        ),
        near(
            "steadygrad's own check names both hidden layers of zeros and equal, none of random",
            float(len(zeros.flagged) + len(equal.flagged) - len(random.flagged)),
            4.0,
            absolute=0,
            why="exact",
        ),
    ]


def _zero_verdicts(zeros: Trained, entropy: float) -> list[Verdict]:
    last = zeros.losses[-50:]
    return [
        at_most(
            "zeros: no hidden weight ever moves",
            max(zeros.moved.values()),
            0.0,
            why="exact: each gradient is a product with a zero",
        ),
        near(
            "zeros: the loss ends at the entropy of the labels",
            sum(last) / len(last),
            entropy,
            relative=0.02,
            why="the noise of the last 50 mini-batches",
        ),
    ]


def _equal_verdicts(equal: Trained) -> list[Verdict]:
    exact = "rounding of float64"
    return [
        at_most(
            "equal: the units of a layer never differ, at any step",
            max(max(many) for many in equal.spreads.values()),
            ROUNDING,
            why=exact,
        ),
        at_least(
            "equal: although their weights do move",
            min(equal.moved.values()),
            1e-3,
            why="far above rounding, so that staying equal means something",
        ),
        near(
            "equal: a hidden layer says one thing (its rank over the test pictures)",
            max(equal.ranks.values()),
            1.0,
            absolute=0,
            why="exact",
        ),
    ]


def draw_curves(runs: dict[str, Trained]) -> Figure:
    """Spread between units, and loss, over the steps."""
    drawn, axes = drawing.figure(
        1,
        2,
        height=3.6,
        caption="Difference between the units of a layer, and loss (means of 10 steps), over "
        "training. Zero and equal starts lie on each other at 0 on the left: their units never "
        "differ.",
    )
    for order, run in enumerate(runs.values()):
        name = SCHEMES[run.scheme]
        look = drawing.look(order)
        axes[0, 0].plot(run.steps, run.spreads["hidden 1"], label=name, **look)
        told = f"{name}: {run.accuracy:.0%} right"
        drawing.curve(axes[0, 1], smoothed(run.losses), told, order)
    drawing.label(
        axes[0, 0],
        "step",
        "largest difference / largest weight",
        "Do the units of layer 1 differ?",
        legend=True,
    )
    drawing.label(axes[0, 1], "step", "loss (nats)", "Does it learn?", legend=True)
    return drawn


def draw_weights(runs: dict[str, Trained], size: int) -> Figure:
    """What the first units look for, as pictures."""
    drawn, axes = drawing.figure(
        len(runs),
        SHOWN_UNITS,
        height=3.6,
        caption="Weights of the first units after training: "
        "red positive, blue negative, white 0, each row on its own scale.",
    )
    for row, run in enumerate(runs.values()):
        extent = float(np.abs(run.first_weights).max()) or 1.0
        for unit in range(SHOWN_UNITS):
            panel = axes[row, unit]
            image = run.first_weights[unit % len(run.first_weights)].reshape(-1, size, size)[0]
            panel.imshow(image, cmap=drawing.SIGNED, vmin=-extent, vmax=extent)
            panel.set_xticks([])
            panel.set_yticks([])
            panel.grid(False)
            if row == len(runs) - 1:
                panel.set_xlabel(f"unit {unit + 1}")
        axes[row, 0].set_ylabel(SCHEMES[run.scheme].replace(" (", "\n("))
    return drawn


def run(values: dict[str, Any]) -> Result:
    """Train the same network from zeros, from a constant and from random weights."""
    pictures = load_pictures("digits", num_train=1400, num_test=360, seed=values["seed"])
    fitted = Preprocess.fit("channel-mean-std", pictures.train)
    inputs, unseen = (fitted(pixels).flatten(1).double() for pixels in pictures.pixels())
    labels, unseen_labels = pictures.labels()
    runs = {
        scheme: train_from(scheme, (inputs, labels), (unseen, unseen_labels), values)
        for scheme in SCHEMES
    }
    rows = [
        {
            "start": SCHEMES[run.scheme],
            "layer": layer,
            "largest difference of units": max(run.spreads[layer]),
            "largest move of a weight": run.moved[layer],
            "rank": run.ranks[layer],
            "last loss": run.losses[-1],
            "accuracy": run.accuracy,
        }
        for run in runs.values()
        for layer in run.spreads
    ]
    seen = ", ".join(f"{SCHEMES[run.scheme]}: {run.accuracy:.0%}" for run in runs.values())
    return Result(
        rows,
        {"curves": draw_curves(runs), "weights": draw_weights(runs, pictures.train.shape[1])},
        judge(runs, label_entropy(labels)),
        f"On {pictures.about}, right on unseen pictures from {seen}; ln C is {math.log(10):.3f}.",
    )


EXPERIMENT = Experiment(
    name="constant-start",
    title="Zero and constant initialisation",
    claim="Units of a layer that start with equal weights get equal gradients and stay one unit "
    "for ever; from zeros the hidden layers do not even move.",
    explanation="Swap two units whose incoming and outgoing weights are equal: the network is the "
    "same, so the gradient must be the same for both, and so is every later step. A layer of a "
    "hundred such units is worth one. With all weights zero it is worse: the gradient of a hidden "
    "layer is a product with the weights above it, and only the last bias learns, namely how "
    "frequent the classes are. Random weights are there to break the tie; biases may start at "
    "zero.",
    source="LeCun et al. 1998, Efficient BackProp, section 4.6; Goodfellow et al. 2016, ch. 8",
    options=(
        Option("width", 32, None, "Units of each hidden layer.", int),
        Option("num_steps", 600, 300, "Steps of 64 pictures.", int, least=50),
        Option("lr", 0.1, None, "Learning rate of plain gradient descent.", least=1e-9),
        Option("value", 0.1, None, "What every weight starts at in the constant network."),
        Option(
            "activation",
            "tanh",
            None,
            "Activation of the hidden layers (f(0) = 0 for the claim on zeros).",
            str,
            ("tanh", "relu", "leaky-relu", "elu", "gelu", "silu"),
        ),
    ),
    run=run,
)
