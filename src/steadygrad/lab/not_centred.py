"""Inputs that are all positive: one sign for all weights of a neuron, and a zig-zag path."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from steadygrad.lab import drawing
from steadygrad.lab.framework import Experiment, Option, Result, Verdict, at_least, at_most, near
from steadygrad.lab.pictures import Pictures, load_pictures
from steadygrad.lab.training import mini_batches
from steadygrad.nn.initialize import initialize
from steadygrad.preprocess import Preprocess

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
TARGET = (1.0, -1.0)
"""One weight must rise and the other fall, which no single positive input asks for."""
ARRIVED = 0.02
"""Share of the way that is left when the walk ends."""
SHORTEST = math.sqrt(2)
"""Where both weights move the same way in every step, |a - b| is at most the step's length; the
steps' a - b add up to 2, the straight line is sqrt(2) long: at least sqrt(2) times as far."""


def sign_shares(inputs: Tensor, labels: Tensor, batch_size: int, values: dict[str, Any]) -> float:
    """Share of updates in which a neuron's weights get gradients of both signs.

    Each neuron of softmax regression, freshly initialised, over as many mini-batches as asked.
    Weights whose gradient is 0 (a pixel that is black throughout) have no sign.
    """
    network = nn.Linear(inputs.shape[1], int(labels.max()) + 1)
    initialize(network, generator=torch.Generator().manual_seed(values["seed"]))
    mixed = total = 0
    batches = mini_batches(len(inputs), batch_size, values["seed"])
    for _, rows in zip(range(values["num_batches"]), batches):
        network.zero_grad()
        F.cross_entropy(network(inputs[rows]), labels[rows]).backward()
        gradient = network.weight.grad
        assert gradient is not None
        mixed += int(((gradient > 0).any(1) & (gradient < 0).any(1)).sum())
        total += len(gradient)
    return mixed / total


def measure_signs(pictures: Pictures, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The share of mixed updates for each batch size, on pixels as they are and centred ones."""
    labels, _ = pictures.labels()
    pixels, _ = pictures.pixels()
    inputs = {
        "pixels from 0 to 1": pixels.float().flatten(1) / 255,
        "mean image subtracted": Preprocess.fit("mean-image", pictures.train)(pixels).flatten(1),
    }
    rows: list[dict[str, Any]] = []
    for batch_size in BATCH_SIZES:
        row: dict[str, Any] = {"batch size": batch_size}
        for name, values_in in inputs.items():
            row[name] = sign_shares(values_in, labels, batch_size, values)
        rows.append(row)
    return rows


def walk(low: float, batch_size: int, values: dict[str, Any]) -> np.ndarray:
    """Fit two weights by stochastic gradient descent: their path, (steps + 1, 2).

    Inputs are uniform from `low` to `low` + 1, targets without noise, so every step that is taken
    is the inputs' doing. It ends when the weights are within `ARRIVED` of the way.
    """
    generator = torch.Generator().manual_seed(values["seed"])
    target, weights = torch.tensor(TARGET), torch.zeros(2)
    path = [weights.clone()]
    while (weights - target).norm() > ARRIVED * target.norm() and len(path) <= values["max_steps"]:
        inputs = torch.rand(batch_size, 2, generator=generator) + low
        errors = inputs @ (weights - target)
        weights = weights - values["lr"] * (errors @ inputs) / batch_size
        path.append(weights.clone())
    return torch.stack(path).double().numpy()


def detour(path: np.ndarray) -> float:
    """Length of a path over the straight line between its ends."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    return float(steps / np.linalg.norm(path[-1] - path[0]))


def small_step_detour(low: float) -> float:
    """What `detour` is for tiny steps of one example: E[|x| |x·u|] / E[(x·u)²], u the direction.

    Integrated over the inputs' square; the error of the midpoint rule is under 1e-4.
    """
    line = (np.arange(1000) + 0.5) / 1000 + low
    x, y = np.meshgrid(line, line)
    along = np.abs(x - y) / math.sqrt(2)
    return float((np.hypot(x, y) * along).mean() / np.square(along).mean())


def draw_paths(paths: dict[str, np.ndarray]) -> Figure:
    """The weights' walk from (0, 0) to (1, -1) for each kind of input."""
    figure, axes = drawing.figure(
        1,
        2,
        height=3.9,
        sharex=True,
        sharey=True,
        caption="The way two weights take from (0, 0) to the best values (1, −1), one example a "
        "step. With positive inputs both weights move the same way in every step.",
    )
    for place, (name, path) in zip(axes[0], paths.items()):
        _draw_path(place, path)
        title = f"{name}: {detour(path):.1f} times the straight line"
        drawing.label(place, "weight $w_1$", "weight $w_2$", title)
    axes[0, 0].legend(loc="upper right")
    return figure


def _draw_path(axes: Axes, path: np.ndarray) -> None:
    axes.plot(path[:, 0], path[:, 1], color=drawing.BLUE, linewidth=0.8)
    axes.plot([0, TARGET[0]], [0, TARGET[1]], "--", color=drawing.GRAY, label="straight line")
    axes.plot(0, 0, "o", color=drawing.BLACK, label="start")
    axes.plot(*TARGET, "*", color=drawing.VERMILION, markersize=13, label="best weights")
    axes.set_aspect("equal")


def draw_signs(rows: list[dict[str, Any]], about: str) -> Figure:
    """Share of updates with both signs against the batch size."""
    figure, axes = drawing.figure(
        height=3.6,
        caption="How many updates let some weights of a neuron rise while others fall, softmax "
        f"regression on {about}.",
    )
    place = axes[0, 0]
    sizes = [row["batch size"] for row in rows]
    for order, name in enumerate([name for name in rows[0] if name != "batch size"]):
        shares = [100 * row[name] for row in rows]
        drawing.points(place, sizes, shares, name, order)
    place.set_xscale("log", base=2)
    place.set_xticks(sizes, [str(size) for size in sizes])
    place.set_ylim(-4, 104)
    drawing.label(
        place,
        "mini-batch size (pictures)",
        "updates with both signs (%)",
        "Mini-batches mix the signs",
        legend=True,
    )
    return figure


def verdicts_of(
    rows: list[dict[str, Any]], paths: dict[str, np.ndarray], small: dict[str, np.ndarray]
) -> list[Verdict]:
    """Hold signs and paths against what must be."""
    raw = [row["pixels from 0 to 1"] for row in rows]
    centred = [row["mean image subtracted"] for row in rows]
    growth = min(after - before for before, after in pairwise(raw))
    verdicts = [
        at_most(
            "Positive inputs, one picture: share of updates with both signs",
            raw[0],
            0.0,
            why="each gradient is one number times the input",
        ),
        at_least(
            "Positive inputs: least growth of the share from one batch size to the next",
            growth,
            0.0,
            why="more examples, more reasons to differ",
        ),
        at_least(
            "Positive inputs: share with the largest mini-batch",
            raw[-1],
            0.5,
            why="most updates are mixed",
        ),
        at_least("Centred inputs: smallest share, whatever the batch size", min(centred), 0.99),
    ]
    return verdicts + _path_verdicts(paths, small)


def _path_verdicts(paths: dict[str, np.ndarray], small: dict[str, np.ndarray]) -> list[Verdict]:
    steps = np.diff(paths["positive inputs"], axis=0)
    verdicts = [
        at_most(
            "Positive inputs: steps that move the two weights in opposite directions",
            int((steps.prod(axis=1) < 0).sum()),
            0,
        ),
        at_least(
            "Positive inputs: length of the path over the straight line",
            detour(paths["positive inputs"]),
            SHORTEST * (1 - ARRIVED),
            why="√2 is the least where both weights must move the same way; the walk ends 2 % "
            "before the target",
        ),
        at_least(
            "Path with positive inputs over path with centred inputs",
            detour(paths["positive inputs"]) / detour(paths["centred inputs"]),
            1.5,
            why="tiny steps give 1.88 by the same integral; these are larger and few",
        ),
    ]
    for (name, path), low in zip(small.items(), (0.0, -0.5)):
        verdicts.append(
            near(
                f"{name}, small steps: length over the straight line",
                detour(path),
                small_step_detour(low),
                relative=0.1,
                why="integral over the inputs; steps are small, not tiny, and drawn at random",
            )
        )
    return verdicts


def run(values: dict[str, Any]) -> Result:
    """Count signs on real pictures, walk in two dimensions, and compare."""
    pictures = load_pictures(
        "fashion-mnist", num_train=values["num_pictures"], num_test=1, seed=values["seed"]
    )
    rows = measure_signs(pictures, values)
    lows = {"positive inputs": 0.0, "centred inputs": -0.5}
    paths = {name: walk(low, 1, values) for name, low in lows.items()}
    gentle = {**values, "lr": values["lr"] / 10, "max_steps": 10 * values["max_steps"]}
    small = {name: walk(low, 1, gentle) for name, low in lows.items()}
    text = (
        f"With positive inputs the weights went {detour(paths['positive inputs']):.1f} times the "
        f"straight line in {len(paths['positive inputs']) - 1} steps, with centred ones "
        f"{detour(paths['centred inputs']):.1f} times in {len(paths['centred inputs']) - 1}. On "
        f"{pictures.name}, {100 * rows[0]['pixels from 0 to 1']:.0f} % of single-picture updates "
        f"have both signs and {100 * rows[-1]['pixels from 0 to 1']:.0f} % of those with "
        f"{rows[-1]['batch size']} pictures."
    )
    figures = {"paths": draw_paths(paths), "signs": draw_signs(rows, pictures.about)}
    return Result(rows, figures, verdicts_of(rows, paths, small), text)


EXPERIMENT = Experiment(
    name="not-centred",
    title="Inputs that are not centred on zero",
    claim="Where all inputs of a neuron are positive, one example's gradient has the same sign for "
    "all its weights, and learning zig-zags; mini-batches soften it, centring cures it.",
    explanation="A weight's gradient is the error of its neuron times the weight's input. If all "
    "inputs are positive (pixels from 0 to 1, or the outputs of a sigmoid), the error alone "
    "decides the sign: all weights of the neuron rise together or fall together. If one should "
    "rise and another fall, the only way there is a zig-zag. A mini-batch adds up examples whose "
    "errors have different signs, so its gradient can point where it should. Inputs centred on "
    "zero have no such trouble even one by one.",
    source="LeCun et al. 1998, Efficient BackProp, section 4.3; Stanford CS231n, Training Neural "
    "Networks I (sigmoid outputs are not zero-centred)",
    options=(
        Option("num_pictures", 5000, 2000, "Pictures the signs are counted on.", int, least=64),
        Option("num_batches", 400, 120, "Mini-batches per batch size.", int),
        Option("lr", 0.5, None, "Learning rate of the walk.", least=1e-4),
        Option("max_steps", 5000, None, "Longest walk.", int),
    ),
    run=run,
)
