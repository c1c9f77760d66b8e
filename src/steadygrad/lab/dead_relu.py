"""Dead ReLU: units that learn no more, against the learning rate; and who learns fastest."""

from __future__ import annotations

import math
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from steadygrad.lab import drawing
from steadygrad.lab.framework import (
    Experiment,
    Option,
    Result,
    Verdict,
    at_least,
    at_most,
    numbers,
)
from steadygrad.lab.pictures import Pictures, load_pictures
from steadygrad.lab.training import descend, smoothed
from steadygrad.models.plain import lenet, mlp
from steadygrad.nn.activations import ACTIVATION_TYPES
from steadygrad.nn.initialize import initialize
from steadygrad.preprocess import Preprocess

NAMES = ("relu", "leaky-relu", "elu")
FLAT = 0.005
"""A unit whose slope is below this on every picture is flat: half of leaky ReLU's slope."""
SPEED_NAMES = ("relu", "tanh", "sigmoid")
DYING = 0.05
"""Share of a network's units that must be flat before ReLU counts as dying at a rate."""
WINDOW = 20
"""Steps the loss is averaged over before it is compared with the goal."""


def prepared(pictures: Pictures) -> tuple[Tensor, Tensor]:
    """The training pictures with channel mean 0 and std 1, and their labels."""
    preprocess = Preprocess.fit("channel-mean-std", pictures.train)
    return preprocess(pictures.pixels()[0]), pictures.labels()[0]


@torch.no_grad()
def flat_shares(network: nn.Module, inputs: Tensor) -> tuple[float, float]:
    """Share of hidden units that are flat on every picture, and of those with slope exactly 0."""
    steepest: list[Tensor] = []

    def look(module: nn.Module, given: tuple[Tensor, ...], _: Tensor) -> None:
        with torch.enable_grad():
            before = given[0].detach().clone().requires_grad_()
            (slope,) = torch.autograd.grad(type(module).forward(module, before).sum(), before)
        steepest.append(slope.abs().amax(0))

    hooks = [
        module.register_forward_hook(look)
        for module in network.modules()
        if type(module) in ACTIVATION_TYPES
    ]
    network(inputs)
    for hook in hooks:
        hook.remove()
    slopes = torch.cat(steepest)
    return float((slopes < FLAT).float().mean()), float((slopes == 0).float().mean())


def measure_death(examples: tuple[Tensor, Tensor], values: dict[str, Any]) -> list[dict[str, Any]]:
    """Train a multilayer perceptron at every rate and count the flat units."""
    inputs, labels = examples
    rows: list[dict[str, Any]] = []
    for name in NAMES:
        for lr in sorted(values["rates"]):
            network = mlp(
                int(labels.max()) + 1,
                inputs.shape[1],
                image_size=inputs.shape[2],
                width=values["width"],
                activation=name,
            )
            initialize(network, generator=torch.Generator().manual_seed(values["seed"]))
            # Adam's steps are about as long as the rate, so nothing overflows at a large one.
            optimizer = torch.optim.Adam(network.parameters(), lr=lr)
            steps = values["num_steps"]
            losses = list(
                descend(network, optimizer, examples, num_steps=steps, seed=values["seed"])
            )
            flat, exactly = flat_shares(network, inputs)
            rows.append(
                {
                    "activation": name,
                    "learning rate": lr,
                    "flat units": flat,
                    "slope exactly 0": exactly,
                    "last loss": sum(losses[-WINDOW:]) / len(losses[-WINDOW:]),
                }
            )
    return rows


def steps_to(
    goal: float, name: str, lr: float, examples: tuple[Tensor, Tensor], values: dict[str, Any]
) -> tuple[int | None, list[float]]:
    """Steps of plain SGD until LeNet's mean loss is at the goal, and its losses."""
    inputs, labels = examples
    network = lenet(
        int(labels.max()) + 1,
        inputs.shape[1],
        image_size=inputs.shape[2],
        activation=name,
        norm="none",
    )
    initialize(network, generator=torch.Generator().manual_seed(values["seed"]))
    optimizer = torch.optim.SGD(network.parameters(), lr=lr)
    losses: list[float] = []
    for loss in descend(
        network, optimizer, examples, num_steps=values["max_steps"], seed=values["seed"]
    ):
        losses.append(loss)
        if len(losses) >= WINDOW and sum(losses[-WINDOW:]) <= goal * WINDOW:
            return len(losses), losses
    return None, losses


def rank(steps: int | None, losses: list[float]) -> tuple[float, float]:
    """Order of two races: fewer steps first; of those that did not arrive, the lower loss."""
    return (steps or math.inf, sum(losses[-WINDOW:]))


def measure_speed(
    examples: tuple[Tensor, Tensor], values: dict[str, Any]
) -> dict[str, tuple[float, int | None, list[float]]]:
    """For each activation the best of the rates: (rate, steps to the goal, losses)."""
    found: dict[str, tuple[float, int | None, list[float]]] = {}
    for name in SPEED_NAMES:
        for lr in values["speed_rates"]:
            steps, losses = steps_to(values["goal"], name, lr, examples, values)
            best = found.get(name)
            if best is None or rank(steps, losses) < rank(best[1], best[2]):
                found[name] = (lr, steps, losses)
    return found


def draw_death(rows: list[dict[str, Any]]) -> Figure:
    """Share of flat units against the learning rate."""
    figure, axes = drawing.figure(
        height=3.6,
        caption="Share of hidden units with next to no slope on any training picture, after "
        "training at each rate: ReLU's units die the more, the larger the steps.",
    )
    for order, name in enumerate(NAMES):
        own = [row for row in rows if row["activation"] == name]
        rates = [row["learning rate"] for row in own]
        shares = [100 * row["flat units"] for row in own]
        drawing.points(axes[0, 0], rates, shares, name, order)
    axes[0, 0].set_xscale("log")
    drawing.label(
        axes[0, 0],
        "learning rate of Adam",
        "flat units (%)",
        "Units that learn no more",
        legend=True,
    )
    return figure


def draw_speed(found: dict[str, tuple[float, int | None, list[float]]], goal: float) -> Figure:
    """The three losses, each at its best rate."""
    figure, axes = drawing.figure(
        height=3.6,
        caption="Training loss of LeNet with three activations, each at the best of the rates "
        f"tried, averaged over {WINDOW} steps.",
    )
    for order, (name, (lr, _, losses)) in enumerate(found.items()):
        means = smoothed(losses, WINDOW)[WINDOW - 1 :]
        drawing.curve(axes[0, 0], means, f"{name}, rate {lr:g}", order, first=WINDOW)
    axes[0, 0].axhline(goal, color=drawing.BLACK, linewidth=1, linestyle=":", label="goal")
    axes[0, 0].set_xlim(left=0)
    drawing.label(axes[0, 0], "step", "training loss (nats)", "Who gets there first", legend=True)
    return figure


def verdicts_of(
    rows: list[dict[str, Any]], needed: dict[str, int], values: dict[str, Any]
) -> list[Verdict]:
    """Hold deaths and speeds against the claims."""
    flat = {
        name: [row["flat units"] for row in rows if row["activation"] == name] for name in NAMES
    }
    first = next((place for place, share in enumerate(flat["relu"]) if share >= DYING), -1)
    return [
        at_most("ReLU: share of flat units at the smallest rate", flat["relu"][0], 0.1),
        at_least("ReLU: share of flat units at the largest rate", flat["relu"][-1], 0.3),
        at_most(
            "Leaky ReLU: largest share of flat units at any rate",
            max(flat["leaky-relu"]),
            0.0,
            why="its slope is 0.01 at least",
        ),
        at_most(
            "ELU: share of flat units at the first rate at which ReLU's die "
            f"({sorted(values['rates'])[first]:g})",
            flat["elu"][first],
            DYING / 5,
            why=f"ReLU has {100 * flat['relu'][first]:.0f} % there",
        ),
        at_least(
            "Flat units of ReLU less those of ELU, summed over the rates",
            sum(flat["relu"]) - sum(flat["elu"]),
            0.0,
            why="ELU's slope fades far below 0, ReLU's is gone at once",
        ),
        *_race_verdicts(needed, values),
    ]


def _race_verdicts(needed: dict[str, int], values: dict[str, Any]) -> list[Verdict]:
    return [
        at_least(
            "Sigmoid: steps to the goal over ReLU's",
            needed["sigmoid"] / needed["relu"],
            2.0,
            why="each at its best rate; a sigmoid that never arrives counts as "
            f"{values['max_steps']} steps",
        ),
        at_most(
            "Steps ReLU needs over the most it may take",
            needed["relu"] / values["max_steps"],
            0.9,
            why="it arrives well before the end",
        ),
    ]


def run(values: dict[str, Any]) -> Result:
    """Count dead units over the rates, then race three activations."""
    pictures = load_pictures(
        "fashion-mnist", num_train=values["num_pictures"], num_test=1, seed=values["seed"]
    )
    examples = prepared(pictures)
    rows = measure_death(examples, values)
    found = measure_speed(examples, values)
    needed = {name: steps or values["max_steps"] for name, (_, steps, _) in found.items()}
    last = {row["activation"]: row for row in rows}  # of each, the one at the largest rate
    flat = ", ".join(f"{100 * row['flat units']:.0f} % of {name}'s" for name, row in last.items())
    text = (
        f"On {pictures.about}: at rate {last['relu']['learning rate']:g}, {flat} units are flat. "
        f"To a training loss of {values['goal']:g}, ReLU took {needed['relu']} steps, tanh "
        f"{needed['tanh']} and sigmoid {needed['sigmoid']}, each at the best of "
        f"{len(values['speed_rates'])} rates: tanh needs {needed['tanh'] / needed['relu']:.1f} "
        f"times ReLU's steps here and sigmoid {needed['sigmoid'] / needed['relu']:.1f} times, "
        "where Krizhevsky et al. saw 6 for tanh, on CIFAR-10 with rates of their choice."
    )
    speed = [
        {"activation": name, "best rate": found[name][0], "steps to the goal": found[name][1]}
        for name in found
    ]
    figures = {"death": draw_death(rows), "speed": draw_speed(found, values["goal"])}
    return Result([*rows, *speed], figures, verdicts_of(rows, needed, values), text)


EXPERIMENT = Experiment(
    name="dead-relu",
    title="Dead ReLU, and how fast each activation learns",
    claim="Large steps push ReLU units where they answer 0 to everything and learn no more; leaky "
    "ReLU units always learn on, and ELU's die at larger rates only; ReLU learns much faster than "
    "a sigmoid.",
    explanation="A ReLU unit whose input is negative for every picture has slope 0 everywhere: no "
    "gradient reaches its weights and it stays as it is. A large step can throw many units there "
    "at once. Leaky ReLU keeps a slope of 0.01 below zero, so its units can come back; ELU's "
    "slope fades exponentially, so they mostly can. ReLU became popular because it does not "
    "saturate for positive inputs and so trains faster than a sigmoid.",
    source="Krizhevsky et al. 2012 (figure 1: 6 times faster than tanh on CIFAR-10); Maas et al. "
    "2013 (leaky ReLU); Clevert et al. 2016 (ELU)",
    options=(
        Option(
            "rates",
            (0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
            (0.001, 0.01, 0.03, 0.1, 0.3),
            "Rates of Adam, commas between.",
            numbers,
            least=1e-9,
        ),
        Option("num_pictures", 8000, 3000, "Pictures to learn from.", int, least=64),
        Option("num_steps", 500, 150, "Steps at each rate.", int),
        Option("width", 128, 96, "Units of each of the two hidden layers.", int),
        Option(
            "speed_rates",
            (0.03, 0.1, 0.3, 1.0),
            (0.1, 1.0),
            "Rates of the race.",
            numbers,
            least=1e-9,
        ),
        Option("goal", 0.5, 0.7, "Training loss the race ends at.", least=0),
        Option("max_steps", 2500, 450, "Longest race.", int, least=20),
    ),
    run=run,
)
