"""Activations: their curves and slopes, where they saturate, what they do to the signal."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from steadygrad.errors import choose
from steadygrad.lab import drawing
from steadygrad.lab.framework import Experiment, Option, Result, Verdict, at_most, near
from steadygrad.lab.framework import names as names_of
from steadygrad.nn.activations import ACTIVATIONS, LEAKY_SLOPE, PRELU_START, gain, widen

SATURATED = 0.01
"""An activation saturates where its slope is under a hundredth of its steepest."""
GRID = 1201
REACH = 8.0
SECOND_PIECE = -0.5
"""Maxout has two inputs; to draw it as a curve the second is -x/2."""
STANDARD_ERRORS = 5.0
"""A sample's mean is further off than that once in 1.7 million draws."""
BLOCK = 16_384
"""Numbers per timed call: they fit in the second-level cache and run in one thread."""


def _normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


_HALF = 1 / math.sqrt(2 * math.pi)  # E[max(z, 0)] for z standard normal
MEANS = {
    "sigmoid": 0.5,
    "tanh": 0.0,
    "relu": _HALF,
    "leaky-relu": (1 - LEAKY_SLOPE) * _HALF,
    "prelu": (1 - PRELU_START) * _HALF,
    "elu": _HALF + math.exp(0.5) * _normal_cdf(-1) - 0.5,
    "maxout": 1 / math.sqrt(math.pi),
    "gelu": 0.5 / math.sqrt(math.pi),
}
"""E[f(z)] for z standard normal, in closed form (SiLU has none)."""
ENDS = {"sigmoid": 5.9865, "tanh": 2.9932}
"""Where s (1 - s) = 0.01 / 4 and 1 - t² = 0.01: ln(0.99749 / 0.00251) and artanh(0.99499)."""


def curve(name: str) -> tuple[Tensor, Tensor, Tensor]:
    """The points (GRID,), the activation there and its slope, in float64."""
    half = GRID // 2
    x = torch.arange(-half, half + 1, dtype=torch.float64) * (REACH / half)  # 0 is on it exactly
    x.requires_grad_()
    inputs = torch.stack([x, SECOND_PIECE * x], dim=1) if widen(name) == 2 else x[:, None]
    y = ACTIVATIONS[name](1).double()(inputs)[:, 0]
    (slope,) = torch.autograd.grad(y.sum(), x)
    return x.detach(), y.detach(), slope


def measure(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """One activation's row: slope, saturation, statistics on zero-mean input, speed."""
    x, _, slope = curve(name)
    steep = x[slope.abs() >= SATURATED * slope.abs().max()]
    step = REACH / (GRID // 2)
    below, above = float(steep.min()) - step, float(steep.max()) + step
    generator = torch.Generator().manual_seed(values["seed"])
    drawn = torch.randn(values["num_samples"], widen(name), generator=generator)
    with torch.no_grad():
        outputs = ACTIVATIONS[name](1)(drawn)[:, 0].double()
    forward, backward = speed(ACTIVATIONS[name](1), widen(name), values["repeats"])
    return {
        "activation": name,
        "steepest slope": float(slope.max()),
        "saturated up to": below if below >= -REACH else None,
        "saturated from": above if above <= REACH else None,
        "mean": float(outputs.mean()),
        "std": float(outputs.std()),
        "gain² · mean square": gain(name) ** 2 * float(outputs.square().mean()),
        "forward ns per number": forward,
        "backward ns per number": backward,
    }


def speed(activation: nn.Module, pieces: int, repeats: int) -> tuple[float, float]:
    """Nanoseconds per output of forward and backward: the fastest of `repeats`.

    The fastest, because whatever else runs on the machine only ever adds to it.
    """
    inputs = torch.randn(BLOCK, pieces, requires_grad=True)
    ones = torch.ones(BLOCK, 1)
    forward = backward = math.inf
    for _ in range(repeats):
        begun = time.perf_counter()
        outputs = activation(inputs)
        between = time.perf_counter()
        outputs.backward(ones)
        forward = min(forward, between - begun)
        backward = min(backward, time.perf_counter() - between)
        inputs.grad = None
    return 1e9 * forward / BLOCK, 1e9 * backward / BLOCK


def draw_curves(names: list[str]) -> Figure:
    """Each activation with its slope; where it saturates the ground is shaded."""
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure, axes = drawing.figure(
        rows,
        columns,
        height=2.35 * rows,
        sharex=True,
        caption="Each activation (blue) and its slope (orange, dashed). Shaded: the slope is under "
        "a hundredth of its steepest, and next to nothing flows back. Maxout is drawn for the two "
        "pieces x and −x/2.",
    )
    for place, name in zip(axes.flat, names):
        x, y, slope = curve(name)
        place.plot(x, y, color=drawing.BLUE, label="f(x)")
        place.plot(x, slope, "--", color=drawing.VERMILION, label="slope f′(x)")
        flat = (slope.abs() < SATURATED * slope.abs().max()).numpy()
        place.fill_between(
            x, 0, 1, where=flat, transform=place.get_xaxis_transform(), color="#dddddd", zorder=0
        )
        place.set_ylim(-1.5, 3.0)
        place.set_title(name)
    for place in axes.flat[len(names) :]:
        place.set_axis_off()
    for row in axes:
        row[0].set_ylabel("value (no unit)")
    for place in axes.flat[max(0, len(names) - columns) : len(names)]:
        place.set_xlabel("input x (no unit)")
        place.tick_params(labelbottom=True)
    axes.flat[0].legend(loc="upper left")
    return figure


def draw_statistics(rows: list[dict[str, Any]]) -> Figure:
    """Mean and std of the outputs, and the time of each pass."""
    figure, axes = drawing.figure(
        1,
        2,
        height=3.8,
        sharey=True,
        caption="Left: mean and standard deviation of the outputs where the inputs are standard "
        "normal; only tanh's stay centred on 0. Right: time of one pass, the fastest of many.",
    )
    names = [row["activation"] for row in rows]
    places = np.arange(len(rows))[::-1]
    left, right = axes[0]
    means, stds = [row["mean"] for row in rows], [row["std"] for row in rows]
    left.errorbar(means, places, xerr=stds, fmt="o", color=drawing.BLUE, capsize=4)
    left.axvline(0, color=drawing.GRAY, linewidth=1)
    left.set_yticks(places, names)
    drawing.label(left, "mean ± std of the outputs (no unit)", "", "Inputs: mean 0, std 1")
    times = {key: [row[f"{key} ns per number"] for row in rows] for key in ("forward", "backward")}
    drawing.bars(right, names, times, show="{:.1f}".format)
    drawing.label(right, "time (nanoseconds per number)", "", "Cost of one pass", legend=True)
    return figure


def verdicts_of(rows: list[dict[str, Any]], num_samples: int) -> list[Verdict]:
    """Hold the rows against the closed forms."""
    by_name = {row["activation"]: row for row in rows}
    verdicts: list[Verdict] = []
    if "sigmoid" in by_name:
        verdicts.append(
            near(
                "The slope of a sigmoid is 1/4 at most",
                by_name["sigmoid"]["steepest slope"],
                0.25,
                absolute=1e-9,
                why="float64; 0 is on the grid",
            )
        )
    step = 2 * REACH / (GRID - 1)
    for name, end in ENDS.items():
        if name in by_name:
            row = by_name[name]
            verdicts.append(
                near(
                    f"{name} saturates from this input on",
                    row["saturated from"] or math.nan,
                    end,
                    absolute=step,
                    why="one step of the grid",
                )
            )
    return verdicts + _signal_verdicts(by_name, num_samples)


def _signal_verdicts(by_name: dict[str, dict[str, Any]], num_samples: int) -> list[Verdict]:
    verdicts: list[Verdict] = []
    errors = [
        abs(row["mean"] - MEANS[name]) / (row["std"] / math.sqrt(num_samples))
        for name, row in by_name.items()
        if name in MEANS
    ]
    if errors:
        verdicts.append(
            at_most(
                "Means of the outputs against their closed forms, worst, in standard errors",
                max(errors),
                STANDARD_ERRORS,
                why="chance alone goes beyond once in 1.7 million draws",
            )
        )
    off_centre = {name: abs(row["mean"]) / row["std"] for name, row in by_name.items()}
    centred = [name for name, off in off_centre.items() if off < 0.05]
    odd = [name for name in by_name if name == "tanh"]
    verdicts.append(
        Verdict(
            "Only tanh gives outputs centred on 0 (mean under 0.05 std)",
            centred == odd,
            None,
            " and ".join(odd) or "none",
            f"measured: {', '.join(centred) or 'none'}",
        )
    )
    gains = [row["gain² · mean square"] for name, row in by_name.items() if name != "tanh"]
    if gains:
        verdicts.append(
            near(
                "gain² · E[f²] furthest from 1: the library's gains keep the size of the signal",
                max(gains, key=lambda value: abs(value - 1)),
                1.0,
                absolute=STANDARD_ERRORS * 2.5 / math.sqrt(num_samples),
                why="five standard errors of a mean of squares (std of f² at most 2.5 times its "
                "mean); tanh keeps the customary 5/3 and is left out",
            )
        )
    return verdicts


def run(values: dict[str, Any]) -> Result:
    """Measure every activation and hold it against its closed forms."""
    names = list(values["only"]) or list(ACTIVATIONS)
    rows = [measure(name, values) for name in names]
    fastest = min(rows, key=lambda row: row["forward ns per number"])
    slowest = max(rows, key=lambda row: row["forward ns per number"])
    ratio = slowest["forward ns per number"] / fastest["forward ns per number"]
    text = (
        f"On this machine {slowest['activation']} costs {ratio:.1f} times as much as "
        f"{fastest['activation']} in the forward pass ({slowest['forward ns per number']:.2f} "
        f"against {fastest['forward ns per number']:.2f} ns a number, calls included)."
    )
    figures = {"curves": draw_curves(names), "statistics": draw_statistics(rows)}
    return Result(rows, figures, verdicts_of(rows, values["num_samples"]), text)


def _names(text: str) -> tuple[str, ...]:
    chosen = names_of(text)
    for name in chosen:
        choose("activation", name, ACTIVATIONS)
    return chosen


EXPERIMENT = Experiment(
    name="activations",
    title="Activations: curves, slopes, saturation, speed",
    claim="Sigmoid and tanh saturate at both ends and kill the gradient there; sigmoid's outputs "
    "are never centred on 0; ReLU does not saturate for positive inputs.",
    explanation="What flows back through an activation is multiplied by its slope. Where the "
    "curve is flat, nothing flows, and the weights before it stop learning. A sigmoid passes a "
    "quarter at best and is flat from 6 on, tanh from 3 on; ReLU passes everything or nothing; "
    "leaky ReLU, PReLU and maxout always pass something. The mean of the outputs matters too: the "
    "next layer takes them as its inputs. Kaiming's gain is what the weights before an activation "
    "are multiplied by so that the signal keeps its size.",
    source="LeCun et al. 1998, Efficient BackProp, section 4.4; Glorot, Bengio 2010; He et al. "
    "2015 (PReLU, gain); Clevert et al. 2016 (ELU); Goodfellow et al. 2013 (maxout)",
    options=(
        Option("only", (), None, "Activations to look at, commas between (all).", _names),
        Option("num_samples", 1_000_000, 300_000, "Standard normal inputs.", int, least=1000),
        Option("repeats", 300, 60, "Timed passes; the fastest counts.", int),
    ),
    run=run,
)
