"""Convolutions: few weights, used everywhere; what moves in the picture moves in the maps."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from steadygrad.errors import InputError
from steadygrad.lab.convolution_facts import (
    as_matrix,
    count_layers,
    head_differences,
    matrix_facts,
    one_by_one_difference,
    shift_errors,
    stride_errors,
)
from steadygrad.lab.drawing import SIGNED, bars, figure, label, picture
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

ROUNDING = 1e-5
"""Relative. Sums of up to a thousand float32 products in another order differ by about 1e-6."""
REORDERED = "float32 sums in another order"
UNRELATED = "nothing in common would be √2 = 1.41"


def draw_matrix(matrix: Tensor, kernel: int, counts: list[dict[str, Any]]) -> Figure:
    """The convolution as a matrix, and parameters and connections on a log axis."""
    drawn, axes = figure(
        1,
        2,
        height=3.8,
        caption="Left: a convolution written as the matrix of a dense layer; nearly all of it is "
        "zero and the same few numbers return in every row. Right: how many parameters and "
        "connections the two kinds of layer have.",
    )
    left, right = axes[0]
    limit = float(matrix.abs().max())
    shown = left.imshow(
        matrix.numpy(), cmap=SIGNED, vmin=-limit, vmax=limit, interpolation="nearest"
    )
    left.grid(False)
    drawn.colorbar(shown, ax=left, label="weight", shrink=0.8)
    label(left, "input pixel", "output pixel", f"One channel to one map, {kernel}×{kernel}")
    numbers = {key: [row[key] for row in counts] for key in ("parameters", "connections")}
    bars(right, [row["layer"].replace(" ", "\n") for row in counts], numbers, "{:,}".format)
    right.set_xscale("log")
    right.set_xlim(1, 1000 * max(map(max, numbers.values())))
    label(right, "how many (log scale)", "", "The same input and output", legend=True)
    return drawn


@torch.no_grad()
def draw_shift(inputs: Tensor, shift: tuple[int, int], seed: int) -> Figure:
    """A picture and one map, before and after the shift, and what a dense layer makes of it."""
    torch.manual_seed(seed)
    channels, size = inputs.shape[1], inputs.shape[2]
    further = 2 if size > 16 else 0  # one pixel of 28 is hardly seen
    moved = (shift[0] + further, shift[1] + further)
    convolution = nn.Conv2d(channels, 1, 3, padding=1, padding_mode="circular")
    dense = nn.Linear(channels * size**2, size**2)
    drawn, axes = figure(
        2,
        3,
        height=5.2,
        caption="Top: a picture, the map a convolution makes of it and what a dense layer makes of "
        "it. Bottom: the same for the shifted picture. The map has moved along; the dense layer's "
        "output is another one. What leaves on one side comes back on the other.",
    )
    rows = ((inputs[:1], "picture"), (inputs[:1].roll(moved, (2, 3)), "shifted picture"))
    for row, (image, name) in zip(axes, rows):
        picture(row[0], image[0].permute(1, 2, 0).numpy(), name)
        picture(row[1], convolution(image)[0, 0].numpy(), "convolution")
        picture(row[2], dense(image.flatten(1)).reshape(size, size).numpy(), "fully connected")
    return drawn


def run(values: dict[str, Any]) -> Result:
    """Count, shift and resize."""
    seed, size, kernel = int(values["seed"]), int(values["size"]), int(values["kernel"])
    shift = (int(values["shift"]), int(values["shift"]))
    if kernel % 2 == 0:
        raise InputError(f"--kernel is {kernel}; expected an odd number, so that sizes stay.")
    found = load_pictures("fashion-mnist", num_train=32, num_test=1, seed=seed)
    inputs = found.pixels()[0].float() / 255 - 0.5
    counts = count_layers(3, size, int(values["filters"]), kernel)
    small = inputs if inputs.shape[2] <= 14 else F.avg_pool2d(inputs, 2)
    torch.manual_seed(seed)
    layer = nn.Conv2d(1, 4, kernel, padding=kernel // 2)
    matrix = as_matrix(layer, 1, small.shape[2])
    facts = matrix_facts(matrix, layer, small)
    expected = count_layers(1, small.shape[2], 4, kernel)[0]["connections"]
    errors, strides = shift_errors(inputs, 8, shift, seed), stride_errors(inputs, seed)
    heads, pixelwise = head_differences(inputs, seed), one_by_one_difference(inputs, seed)
    rows: list[dict[str, Any]] = [*counts]
    rows += [{"layer": name, "error after a shift": error} for name, error in errors.items()]
    rows += [
        {"layer": f"stride 2, shift by {shift}", "error after a shift": error}
        for shift, error in strides.items()
    ]
    rows += heads
    verdicts = [
        *_count_verdicts(counts, facts, expected, (3, int(values["filters"]), kernel)),
        *_shift_verdicts(errors),
        *_stride_verdicts(strides),
        *_head_verdicts(heads, pixelwise),
    ]
    ratio = counts[1]["parameters"] / counts[0]["parameters"]
    text = (
        f"Between the same tensors the convolution has {counts[0]['parameters']:,} parameters, the "
        f"fully connected layer {counts[1]['parameters']:,}: {ratio:,.0f} times as many. A shifted "
        f"picture ({found.name}) changes the dense layer's output by "
        f"{errors['fully connected']:.0%}, the convolution's only moves along."
    )
    figures = {
        "matrix": draw_matrix(matrix[: small.shape[2] ** 2], kernel, counts),
        "shift": draw_shift(inputs, shift, seed),
    }
    return Result(rows, figures, verdicts, text)


def _count_verdicts(
    counts: list[dict[str, Any]],
    facts: dict[str, float],
    connections: int,
    shape: tuple[int, int, int],
) -> list[Verdict]:
    channels, filters, kernel = shape
    return [
        near(
            "A convolution has filters · (channels · kernel² + 1) parameters, whatever the picture",
            counts[0]["parameters"],
            filters * (channels * kernel**2 + 1),
            why="counted, so exact",
        ),
        near(
            "A dense layer has outputs · (inputs + 1)",
            counts[1]["parameters"],
            counts[1]["outputs"] * (counts[1]["inputs"] + 1),
            why="counted, so exact",
        ),
        near(
            "Sparse interactions: entries of the convolution's matrix that are not zero",
            facts["connections"],
            connections,
            why="counted, so exact",
        ),
        near(
            "Parameter sharing: different numbers among those entries",
            facts["different weights"],
            4 * kernel**2,
            why="4 filters of one channel; counted, so exact",
        ),
        at_most(
            "The matrix and the convolution give the same maps (relative difference)",
            facts["difference"],
            ROUNDING,
            why=REORDERED,
        ),
    ]


def _shift_verdicts(errors: dict[str, float]) -> list[Verdict]:
    return [
        at_most(
            "Equivariance: convolving the shifted picture is shifting the maps (circular border)",
            errors["convolution, circular border"],
            ROUNDING,
            why=REORDERED,
        ),
        at_most(
            "Equivariance with a zero border, inside the maps",
            errors["convolution, zero border, inside"],
            ROUNDING,
            why=REORDERED,
        ),
        at_least(
            "Equivariance with a zero border is lost at the border",
            errors["convolution, zero border"],
            100 * ROUNDING,
            why="far over rounding",
        ),
        at_least(
            "A fully connected layer is not equivariant",
            errors["fully connected"],
            0.3,
            why=UNRELATED,
        ),
        at_most(
            "Global average pooling over the maps does not see the shift at all",
            errors["circular, then global average"],
            ROUNDING,
            why=REORDERED,
        ),
    ]


def _stride_verdicts(strides: dict[int, float]) -> list[Verdict]:
    return [
        at_most(
            "Stride 2 follows shifts by an even number of pixels",
            max(strides[2], strides[4]),
            ROUNDING,
            why=REORDERED,
        ),
        at_least(
            "Stride 2 does not follow shifts by an odd number of pixels",
            min(strides[1], strides[3]),
            0.1,
            why=UNRELATED,
        ),
    ]


def _head_verdicts(heads: list[dict[str, Any]], pixelwise: float) -> list[Verdict]:
    return [
        at_most(
            "Mean of the 1×1 head's score map = global pooling, then the linear head, at "
            f"{len(heads)} picture sizes (largest relative difference)",
            max(row["difference"] for row in heads),
            ROUNDING,
            why="both are linear, so their order does not matter; float32",
        ),
        at_most(
            "Sizes other than its own that a network which flattens its maps takes",
            sum(
                row["a flattening head takes it"]
                for row in heads[1:]
                if row["picture"] != heads[0]["picture"]
            ),
            0,
            why="its weight has one shape",
        ),
        at_most(
            "A 1×1 convolution is the same linear layer at every pixel",
            pixelwise,
            ROUNDING,
            why=REORDERED,
        ),
    ]


EXPERIMENT = Experiment(
    name="convolutions",
    title="Convolutions",
    claim="A convolution is a dense layer with nearly all weights zero and the rest shared; so it "
    "is small, it follows a shifted picture, and it takes pictures of any size.",
    explanation="A pixel has to do with its neighbours, and an edge is an edge wherever it is. A "
    "convolution builds both in: each output looks at a small window (sparse interactions), and "
    "all windows use the same weights (parameter sharing). Written out as a matrix it is a dense "
    "layer that repeats a few numbers along its diagonals. From the sharing follows equivariance: "
    "move the picture and the maps move along. Average the maps over all places and even that is "
    "gone: the answer does not change. And as no weight belongs to a place, the same network runs "
    "on pictures of any size, if its head does too: global average pooling, or a 1×1 convolution "
    "that gives a score at every place.",
    source="Goodfellow, Bengio, Courville 2016, Deep Learning, chapter 9; Lin et al. 2013, Network "
    "in Network; Long et al. 2015, Fully Convolutional Networks",
    options=(
        Option("size", 32, None, "Side of the picture whose layers are counted, in pixels.", int),
        Option("filters", 16, None, "Output channels of the layers counted.", int),
        Option("kernel", 3, None, "Side of the kernel, in pixels; odd.", int),
        Option("shift", 1, None, "Pixels the picture is moved by, down and right.", int),
    ),
    run=run,
)
