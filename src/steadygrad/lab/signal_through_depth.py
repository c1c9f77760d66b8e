"""Experiment: whether a signal keeps its size through many layers hangs on the weights' std."""

from __future__ import annotations

import math
import statistics
from typing import Any

from steadygrad.lab.framework import (
    Experiment,
    Option,
    Result,
    Verdict,
    at_most,
    between,
    near,
    numbers,
)
from steadygrad.lab.propagation import (
    Extremes,
    LayerSignal,
    Setting,
    convolution_growth,
    identity_growth,
    measure_extremes,
    measure_layers,
    one_layer_growth,
    predicted_stds,
    width_tolerance,
)
from steadygrad.lab.propagation_figures import draw_histograms, draw_stds

LECTURE_WIDTH = 4096  # the stds 0.01 and 0.05 are told for this many units
LARGEST, SMALLEST = 3.4028e38, 1.4e-45  # of float32, unnormalised numbers included
PLAIN = ("tanh", "relu", "leaky-relu", "elu", "gelu", "silu", "sigmoid")
CONV_CHANNELS, CONV_KERNEL, CONV_DEPTH = 48, 3, 10
ONE_LAYER_REPEATS = 20
FACTORS = (1.5, 0.5)
SPREADS_OF_ONE = 3.0 * 0.5 * math.sqrt(5.0 + 2.0)  # weights give 5 / width, the input 2 / width


def wide_settings(width: int, stds: tuple[float, ...], activation: str) -> list[Setting]:
    """The stacks to compare; a std is scaled so that std x sqrt(width) is as with 4096 units."""
    scale = math.sqrt(LECTURE_WIDTH / width)
    return [
        *(Setting(f"{activation}, std {std:g}", activation, "normal", std * scale) for std in stds),
        Setting(f"{activation}, Xavier", activation, "xavier-in-normal"),
        Setting("relu, Xavier", "relu", "xavier-in-normal"),
        Setting("relu, Kaiming", "relu", "kaiming-normal"),
    ]


def deep_settings(width: int) -> dict[str, Setting]:
    """The stacks of a hundred layers; the two linear ones have gains of sqrt(512) and a hundredth.

    For other widths the stds are scaled so that these gains stay.
    """
    scale = math.sqrt(512 / width)
    return {
        "exploding": Setting("linear, std 1", "linear", "normal", scale),
        "vanishing": Setting("linear, std 0.01", "linear", "normal", 0.01 * scale),
        "tanh": Setting("tanh, Xavier", "tanh", "xavier-in-normal"),
        "relu": Setting("relu, Xavier", "relu", "xavier-in-normal"),
        "kaiming": Setting("relu, Kaiming", "relu", "kaiming-normal"),
    }


def wide_rows(
    settings: list[Setting], layers: list[list[LayerSignal]], width: int
) -> list[dict[str, Any]]:
    """A row for each stack and layer, theory beside measurement."""
    rows: list[dict[str, Any]] = []
    for setting, found in zip(settings, layers):
        stds = predicted_stds(len(found), setting.activation, setting.gain(width))
        for signal, predicted in zip(found, stds):
            rows.append(
                {
                    "network": setting.title,
                    "layer": signal.layer,
                    "std": signal.std,
                    "std, theory": predicted,
                    "mean": signal.mean,
                    "mean slope": signal.mean_slope,
                }
            )
    return rows


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


def run(values: dict[str, Any]) -> Result:
    """Measure both kinds of stack and hold them against theory."""
    width, seed = values["width"], values["seed"]
    settings = wide_settings(width, values["std"], values["activation"])
    layers = [measure_layers(width, values["depth"], setting, seed) for setting in settings]
    rows = wide_rows(settings, layers, width)
    deep = {
        name: [
            measure_extremes(values["deep_width"], values["deep_depth"], setting, seed + draw)
            for draw in range(values["draws"])
        ]
        for name, setting in deep_settings(values["deep_width"]).items()
    }
    verdicts = [
        *wide_verdicts(rows, width),
        *exploding_verdicts(deep, values["deep_width"], values["deep_depth"]),
        *deep_verdicts(deep, values["deep_width"], values["deep_depth"]),
        *single_verdicts(values["deep_width"], seed),
    ]
    last = {row["network"]: row["std"] for row in rows if row["layer"] == values["depth"]}
    told = ", ".join(f"{name}: {std:.2g}" for name, std in last.items())
    return Result(
        rows,
        {"histograms": draw_histograms(settings, layers), "stds": draw_stds(rows)},
        verdicts,
        f"Std of the last of {values['depth']} layers of {width} units: {told}.",
    )


EXPERIMENT = Experiment(
    name="signal-through-depth",
    title="Signal through depth",
    claim="Weights with variance gain² / fan_in keep the signal's size through any number of "
    "layers; smaller ones let it vanish, larger ones saturate tanh or overflow.",
    explanation="A unit adds up fan_in products. If the inputs have mean square 1 and the weights "
    "standard deviation s, the sum has variance fan_in · s², and the next layer starts from there: "
    "every layer multiplies the size by the same factor, which a hundred layers raise to the "
    "hundredth power. Xavier's rule makes that factor 1 for units that pass their sum on; a ReLU "
    "throws half of the mean square away, so Kaiming's rule gives the weights twice the variance. "
    "A convolution adds up k²·Cin products, not Cin. The lines in the figure are computed for "
    "infinitely wide layers without any fitting.",
    source="Glorot, Bengio 2010; He et al. 2015, section 2.2; Poole et al. 2016 (the theory's map)",
    options=(
        Option("width", 4096, 1024, "Units of each layer.", int),
        Option("depth", 6, None, "Layers of the wide networks.", int),
        Option("std", (0.01, 0.05), None, "Stds of the plain draws, for 4096 units.", numbers),
        Option("activation", "tanh", None, "Activation of the plain draws.", str, PLAIN),
        Option("deep_width", 512, None, "Units of each layer of the deep networks.", int),
        Option("deep_depth", 100, None, "Layers of the deep networks.", int),
        Option("draws", 5, 3, "Draws of each deep network; the median counts.", int),
    ),
    run=run,
)
