"""Signals through depth held against what theory says of them."""

from __future__ import annotations

import math
import statistics
from typing import Any

from steadygrad.lab.framework import Verdict, at_most, between, near
from steadygrad.lab.propagation import (
    Extremes,
    convolution_growth,
    identity_growth,
    one_layer_growth,
    predicted_stds,
    width_tolerance,
)

LARGEST, SMALLEST = 3.4028e38, 1.4e-45  # of float32, unnormalised numbers included
CONV_CHANNELS, CONV_KERNEL, CONV_DEPTH = 48, 3, 10
ONE_LAYER_REPEATS = 20
FACTORS = (1.5, 0.5)
SPREADS_OF_ONE = 3.0 * 0.5 * math.sqrt(5.0 + 2.0)  # weights give 5 / width, the input 2 / width


def wide_verdicts(rows: list[dict[str, Any]], width: int) -> list[Verdict]:
    """Each stack against the theory, worst layer."""
    titles = list(dict.fromkeys(row["network"] for row in rows))
    found: list[Verdict] = []
    for title in titles:
        own = [row for row in rows if row["network"] == title]
        worst = max(abs(math.log(row["std"] / row["std, theory"])) for row in own)
        found.append(
            at_most(
                f"{title}: every layer's std is what theory says (largest ratio)",
                math.exp(worst),
                1.0 + width_tolerance(width, len(own), title.partition(",")[0]),
                why=f"3 standard deviations of a network {width} units wide",
            )
        )
    return found


def exploding_verdicts(found: dict[str, list[Extremes]], width: int, depth: int) -> list[Verdict]:
    """Where the two linear stacks leave float32, against logarithms."""
    gain = math.sqrt(512)
    verdicts: list[Verdict] = []
    if depth > math.log(LARGEST) / math.log(gain) + 2:
        layers = [one.first_nan or depth + 1 for one in found["exploding"]]
        expected = math.log(LARGEST) / math.log(gain)
        text = f"std 1, {width} units: first NaN at layer"
        why = "the largest of the units gets there a layer before the typical one"
        verdicts.append(near(text, statistics.median(layers), expected, absolute=1.5, why=why))
    if depth > math.log(SMALLEST) / math.log(0.01 * gain) + 2:
        layers = [one.first_zero or depth + 1 for one in found["vanishing"]]
        expected = math.log(SMALLEST) / math.log(0.01 * gain)
        text = "std 0.01: every unit exactly 0 from layer"
        why = "rounding between the last unnormalised numbers"
        verdicts.append(near(text, statistics.median(layers), expected, absolute=2, why=why))
    return verdicts


def deep_verdicts(found: dict[str, list[Extremes]], width: int, depth: int) -> list[Verdict]:
    """The last layer's std, as the median over the draws."""
    last = {name: statistics.median(one.last_std for one in many) for name, many in found.items()}
    spread = width_tolerance(width, depth)
    tanh = predicted_stds(depth, "tanh", 1.0)[-1]
    relu = predicted_stds(depth, "relu", 1.0)[-1]
    kaiming = predicted_stds(depth, "relu", math.sqrt(2.0))[-1]
    why = f"within a factor {1 + spread:.2g} of theory: {width} units and {depth} layers spread so"
    return [
        between(
            f"tanh, Xavier: std after {depth} layers",
            last["tanh"],
            tanh / 1.5,
            1.5 * tanh,
            why=f"a factor 1.5 from theory's {tanh:.3g}: tanh pulls what is too large back",
        ),
        between(
            f"relu, Xavier: vanished after {depth} layers",
            last["relu"],
            relu / (1 + spread),
            relu * (1 + spread),
            why=why,
        ),
        between(
            f"relu, Kaiming: std after {depth} layers",
            last["kaiming"],
            kaiming / (1 + spread),
            kaiming * (1 + spread),
            why=why,
        ),
    ]


def single_verdicts(width: int, seed: int) -> list[Verdict]:
    """One layer of std 1, multiples of the identity, and the fan-in of a convolution."""
    root = math.sqrt(width / 2)
    verdicts = [
        near(
            f"one ReLU layer, std 1, {width} units: root mean square is √({width}/2)",
            one_layer_growth(width, "relu", ONE_LAYER_REPEATS, seed),
            root,
            relative=SPREADS_OF_ONE / math.sqrt(width * ONE_LAYER_REPEATS),
            why=f"3 standard errors of {ONE_LAYER_REPEATS} draws",
        )
    ]
    for factor in FACTORS:
        for what, grown in zip(("signal", "gradient"), identity_growth(factor, 100)):
            verdicts.append(
                near(
                    f"W = {factor:g} I, 100 layers: the {what} grows by {factor:g}^100",
                    grown,
                    factor**100,
                    relative=1e-12,
                    why="rounding of float64",
                )
            )
    return [*verdicts, *_convolution_verdicts(seed)]


def _convolution_verdicts(seed: int) -> list[Verdict]:
    wrong_std = math.sqrt(2.0 / CONV_CHANNELS)
    right = convolution_growth(CONV_CHANNELS, CONV_KERNEL, CONV_DEPTH, "kaiming-normal", 0.0, seed)
    wrong = convolution_growth(CONV_CHANNELS, CONV_KERNEL, CONV_DEPTH, "normal", wrong_std, seed)
    why = "3 standard deviations of the draw of the weights"
    # Circular maps average over positions, so the channels are the independent numbers.
    allowed = width_tolerance(CONV_CHANNELS, 1) / math.sqrt(CONV_DEPTH - 1)
    return [
        near(
            "3×3 convolutions, Kaiming with Din = k²·Cin: growth in a layer",
            right,
            1.0,
            relative=allowed,
            why=why,
        ),
        near(
            "3×3 convolutions, Din = Cin by mistake: growth in a layer is k",
            wrong,
            float(CONV_KERNEL),
            relative=allowed,
            why=why,
        ),
    ]
