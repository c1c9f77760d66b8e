"""Experiment: whether a signal keeps its size through many layers hangs on the weights' std."""

from __future__ import annotations

import math
import statistics
from typing import Any

from steadygrad.lab.framework import (
    Experiment,
    Option,
    Result,
    numbers,
)
from steadygrad.lab.propagation import (
    Extremes,
    LayerSignal,
    Setting,
    measure_extremes,
    measure_layers,
    predicted_stds,
)
from steadygrad.lab.propagation_figures import draw_deep, draw_histograms, draw_stds
from steadygrad.lab.propagation_verdicts import (
    deep_verdicts,
    exploding_verdicts,
    single_verdicts,
    wide_verdicts,
)

LECTURE_WIDTH = 4096  # the stds 0.01 and 0.05 are told for this many units
PLAIN = ("tanh", "relu", "leaky-relu", "elu", "gelu", "silu", "sigmoid")


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


def deep_rows(found: dict[str, list[Extremes]], width: int) -> list[dict[str, Any]]:
    """A row for each deep stack: what is left at the end, theory beside it, and where it left."""
    settings = deep_settings(width)
    rows: list[dict[str, Any]] = []
    for name, many in found.items():
        setting, depth = settings[name], len(many[0].stds)
        rows.append(
            {
                "deep network": setting.title,
                "layers": depth,
                "last std": statistics.median(one.last_std for one in many),
                "last std, theory": predicted_stds(depth, setting.activation, setting.gain(width))[
                    -1
                ],
                "first NaN in layer": median_layer([one.first_nan for one in many]),
                "all 0 from layer": median_layer([one.first_zero for one in many]),
            }
        )
    return rows


def median_layer(layers: list[int | None]) -> float | None:
    """The middle one of the draws; None where most never got there.

    >>> median_layer([29, None, 28]), median_layer([None, None, 28])
    (29, None)
    """
    middle = sorted(layer or math.inf for layer in layers)[len(layers) // 2]
    return None if middle == math.inf else middle


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
    far = deep_rows(deep, values["deep_width"])
    told_far = ", ".join(f"{row['deep network']}: {_end(row)}" for row in far)
    return Result(
        [*rows, *far],
        {
            "histograms": draw_histograms(settings, layers),
            "stds": draw_stds(rows),
            "deep": draw_deep(deep_settings(values["deep_width"]), deep, values["deep_width"]),
        },
        verdicts,
        f"Std of the last of {values['depth']} layers of {width} units: {told}. Of "
        f"{values['deep_depth']} layers of {values['deep_width']}: {told_far}.",
    )


def _end(row: dict[str, Any]) -> str:
    if row["first NaN in layer"]:
        return f"NaN from layer {row['first NaN in layer']}"
    if row["all 0 from layer"]:
        return f"exactly 0 from layer {row['all 0 from layer']}"
    return f"{row['last std']:.2g}"


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
        Option("width", 4096, 1024, "Units of each layer.", int, least=8),
        Option("depth", 6, None, "Layers of the wide networks.", int),
        Option(
            "std", (0.01, 0.05), None, "Stds of the plain draws, for 4096 units.", numbers, (), 1e-6
        ),
        Option("activation", "tanh", None, "Activation of the plain draws.", str, PLAIN),
        Option("deep_width", 512, None, "Units of each layer of the deep networks.", int, least=8),
        Option("deep_depth", 100, None, "Layers of the deep networks.", int),
        Option("draws", 5, 3, "Draws of each deep network; the median counts.", int),
    ),
    run=run,
)
