"""Hard cases for a linear classifier: quadrants, a ring, three modes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from steadygrad.lab import drawing
from steadygrad.lab.framework import Experiment, Option, Result, Verdict, at_least, at_most, near
from steadygrad.lab.point_sets import CASES, Line, best_line, draw_points, quadrants_bound
from steadygrad.lab.training import accuracy, descend
from steadygrad.nn.activations import ACTIVATIONS, widen
from steadygrad.nn.initialize import initialize

XOR_BOUND = 3 / 4
WANTED = 0.99
LINEAR_STEPS = 500
"""Enough: the loss of a linear classifier is convex, with three parameters to a class."""


@dataclass(frozen=True)
class Case:
    """Points (N, 2) with labels for learning, others for scoring, and what was made of them."""

    name: str
    points: tuple[Tensor, Tensor]
    labels: tuple[Tensor, Tensor]
    networks: dict[str, nn.Module]
    line: Line

    @property
    def best_line(self) -> float:
        """Share of those points right by the best straight line."""
        return self.line.right

    def scores(self) -> dict[str, float]:
        """Accuracy of each network on the points kept for scoring."""
        return {
            name: accuracy(network, self.points[1], self.labels[1])
            for name, network in self.networks.items()
        }


def train(network: nn.Module, points: Tensor, labels: Tensor, values: dict[str, Any]) -> None:
    """Adam with a rate that falls to 0 over the run."""
    optimizer = torch.optim.Adam(network.parameters(), lr=values["lr"])
    is_linear = len(list(network.children())) == 1
    num_steps = min(LINEAR_STEPS, values["num_steps"]) if is_linear else values["num_steps"]
    losses = descend(network, optimizer, (points, labels), num_steps=num_steps, seed=values["seed"])
    for step, _ in enumerate(losses):
        optimizer.param_groups[0]["lr"] = values["lr"] * (1 - step / num_steps)


def make_networks(values: dict[str, Any]) -> dict[str, nn.Module]:
    """The linear classifier, and the same behind two hidden layers."""
    hidden, name = values["hidden"], values["activation"]
    wide = hidden * widen(name)
    networks: dict[str, nn.Module] = {
        "linear": nn.Sequential(nn.Linear(2, 2)),
        "hidden layers": nn.Sequential(
            nn.Linear(2, wide),
            ACTIVATIONS[name](hidden),
            nn.Linear(hidden, wide),
            ACTIVATIONS[name](hidden),
            nn.Linear(hidden, 2),
        ),
    }
    for network in networks.values():
        initialize(network, generator=torch.Generator().manual_seed(values["seed"]))
    return networks


def measure(name: str, values: dict[str, Any]) -> Case:
    """Train both classifiers on one case."""
    points, labels = draw_points(name, values, 0)
    others, their_labels = draw_points(name, values, 1)
    networks = make_networks(values)
    for network in networks.values():
        train(network, points, labels, values)
    best = best_line(others, their_labels)
    return Case(name, (points, others), (labels, their_labels), networks, best)


def xor_of_four(values: dict[str, Any]) -> dict[str, float]:
    """Share of the four XOR points right: linear, hidden layers, and the best line there is."""
    points = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]) * 2 - 1
    labels = torch.tensor([0, 1, 1, 0])
    networks = make_networks(values)
    for network in networks.values():
        train(network, points, labels, values)
    scores = {name: accuracy(network, points, labels) for name, network in networks.items()}
    return {**scores, "best line": best_line(points, labels).right}


def draw(cases: list[Case]) -> Figure:
    """Decision regions: a row per classifier, a column per case."""
    figure, axes = drawing.figure(
        2,
        len(cases),
        height=6.1,
        sharex=True,
        sharey=True,
        caption="What a linear classifier (above) and the same with hidden layers (below) make of "
        "three point sets. The ground is what the classifier answers, a point is the truth; the "
        "dashed line is the best straight line for these points. On the edge of the square it "
        "says that no line beats one answer for all.",
    )
    for column, case in enumerate(cases):
        for row, (name, score) in enumerate(case.scores().items()):
            place = axes[row, column]
            _draw_regions(place, case, case.networks[name])
            if name == "linear":
                _draw_line(place, case.line)
            place.set_title(f"{case.name}: {100 * score:.1f} % right")
            if name == "linear":
                place.set_title(
                    f"{case.name}: {100 * score:.1f} % right\n"
                    f"best line {100 * case.best_line:.1f} %"
                )
    for row, name in zip(axes, cases[0].networks):
        row[0].set_ylabel(f"{name}\n$x_2$ (no unit)")
    for column in axes[-1]:
        column.set_xlabel("$x_1$ (no unit)")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    return figure


def _draw_line(axes: Axes, line: Line) -> None:
    normal = np.array([math.cos(line.angle), math.sin(line.angle)])
    along = np.array([-normal[1], normal[0]])
    ends = np.stack([line.offset * normal - 3 * along, line.offset * normal + 3 * along])
    axes.plot(*ends.T, "--", color=drawing.BLACK, linewidth=1.5, label="best straight line")
    axes.set_xlim(-1, 1)
    axes.set_ylim(-1, 1)


def _draw_regions(axes: Axes, case: Case, network: nn.Module) -> None:
    line = torch.linspace(-1, 1, 200)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        answer = network(grid).argmax(1).reshape(200, 200).T
    axes.contourf(line, line, answer, levels=[-0.5, 0.5, 1.5], colors=["#d6e9f5", "#fbe6c2"])
    points, labels = case.points[1][:400], case.labels[1][:400]
    for label, colour, marker in ((0, drawing.BLUE, "o"), (1, drawing.VERMILION, "^")):
        some = points[labels == label]
        axes.plot(
            *some.T, marker, color=colour, markersize=2.6, linestyle="", label=f"class {label}"
        )
    axes.set_aspect("equal")
    axes.grid(visible=False)


def verdicts_of(cases: list[Case], four: dict[str, float], values: dict[str, Any]) -> list[Verdict]:
    """Hold the scores against what a line can reach at best."""
    bound = quadrants_bound(values["margin"])
    error = math.sqrt(bound * (1 - bound) / values["num_points"])
    verdicts = [
        near(
            "The best line on the quadrants gets 2/3 (a little more with a margin)",
            cases[0].best_line,
            bound,
            absolute=0.01 + 3 * error,
            why="three standard errors of the points drawn, and a hundredth for the search, which "
            "picks the best of many lines",
        ),
        near(
            "The best line on four XOR points gets 3/4",
            four["best line"],
            XOR_BOUND,
            absolute=0.0,
            why="four points can be counted",
        ),
        at_most("The linear classifier stays under it on XOR", four["linear"], four["best line"]),
    ]
    for case in cases:
        scores = case.scores()
        verdicts += [
            at_most(
                f"{case.name}: the linear classifier stays under the best line's bound",
                scores["linear"],
                case.best_line + 1 / values["num_points"],
                why="bound found by trying all lines at 360 angles on the same points; one point "
                "for an angle between two of them",
            ),
            at_least(
                f"{case.name}: hidden layers solve it",
                scores["hidden layers"],
                WANTED,
                why="points it was not trained on",
            ),
        ]
    return verdicts


def run(values: dict[str, Any]) -> Result:
    """Train on every case and hold the scores against the bounds."""
    cases = [measure(name, values) for name in CASES]
    four = xor_of_four(values)
    rows: list[dict[str, Any]] = [
        {"case": case.name, **case.scores(), "best line": case.best_line} for case in cases
    ]
    rows.append({"case": "XOR of four points", **four})
    verdicts = verdicts_of(cases, four, values)
    best = max(case.best_line for case in cases)
    text = (
        f"On new points the linear classifier gets {_percents(rows, 'linear')} right, hidden "
        f"layers {_percents(rows, 'hidden layers')}; no line at all could get more than "
        f"{100 * best:.1f} % on the three point sets."
    )
    return Result(rows, {"regions": draw(cases)}, verdicts, text)


def _percents(rows: list[dict[str, Any]], name: str) -> str:
    return ", ".join(f"{100 * row[name]:.1f} %" for row in rows[:3])


EXPERIMENT = Experiment(
    name="hard-cases",
    title="Hard cases for a linear classifier",
    claim="A linear classifier fails where no straight line parts the classes; the same classifier "
    "behind a nonlinear hidden layer does not.",
    explanation="A linear classifier answers by which side of a straight line a point lies on. "
    "Where one class sits in opposite quadrants, on a ring or in three separate heaps, no line "
    "can be right everywhere, whatever it is trained with: its best score can be computed by "
    "trying all lines. Hidden units each draw a line of their own and the last layer combines "
    "their answers, so the border between the classes may bend and close.",
    source="Minsky, Papert 1969 (Perceptrons: XOR); Stanford CS231n, Linear Classification, 'Hard "
    "cases for a linear classifier'",
    options=(
        Option(
            "num_points", 4000, None, "Points to learn from, and as many to score.", int, least=50
        ),
        Option("num_steps", 3000, 1200, "Steps of Adam.", int),
        Option("hidden", 64, None, "Units of each of the two hidden layers.", int),
        Option(
            "activation",
            "relu",
            None,
            "Nonlinearity of the hidden layers.",
            str,
            tuple(ACTIVATIONS),
        ),
        Option("margin", 0.02, None, "Least distance of a point from its class's border.", least=0),
        Option("lr", 0.01, None, "Learning rate at the start; it falls to 0.", least=1e-9),
    ),
    run=run,
)
