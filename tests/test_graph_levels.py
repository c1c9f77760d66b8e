"""Colours of a drawn network: no breakage on healthy nets, and on each broken one where it is."""

import math

import pytest
import torch
from torch import nn

import graph_nets
from steadygrad.graph import trace, trace_target
from steadygrad.initializing.shape import Shape
from steadygrad.models import MODELS
from steadygrad.report.graph_tree import tree


def operations_of(traced):
    def flat(box):
        return [box, *(inner for child in box.children for inner in flat(child))]

    root = tree(traced.graph, traced.signals, traced.parameters, traced.model)
    return [box for box in flat(root) if box.kind == "operation"]


def drawn(model, shape):
    return operations_of(trace(model, [Shape.parse(shape)]))


def worst(boxes):
    return max((abs(box.level) for box in boxes), default=0)


def kaiming(weight):
    nn.init.kaiming_normal_(weight, nonlinearity="relu")


def fan_out(model):
    """Torchvision's way of drawing convolutions."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return model


HEALTHY = {
    "ResNet-50 of torch's weights": (graph_nets.ResNet50, "8x3x32x32"),
    "ResNet-50 of torchvision's weights": (lambda: fan_out(graph_nets.ResNet50()), "4x3x64x64"),
    "layer scales of 1e-6": (lambda: graph_nets.Residual(1e-6, nn.LayerNorm), "16x32"),
    "branches that start at zero": (lambda: graph_nets.Residual(0, nn.LayerNorm), "16x32"),
    "pre-norm residual": (lambda: graph_nets.Residual(1, nn.LayerNorm), "16x32"),
    "convolutions with norms": (lambda: graph_nets.convolutions(20, nn.BatchNorm2d), "8x3x8x8"),
    "convolutions, torch's weights": (lambda: graph_nets.convolutions(6, nn.Identity), "8x3x8x8"),
    "eight ReLU layers, torch's weights": (lambda: graph_nets.plain(8), "16x64"),
    "thirty ReLU layers, He's weights": (lambda: graph_nets.plain(30, kaiming), "16x64"),
    "ten tanh layers, Xavier's weights": (
        lambda: graph_nets.plain(10, nn.init.xavier_normal_, nn.Tanh),
        "16x64",
    ),
    "language model of std 0.02": (graph_nets.SmallWords, "4x12:50"),
    "LSTM": (graph_nets.Gated, "4x12:50"),
    "LeNet": (graph_nets.LeNet, "8x1x28x28"),
}


@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_healthy_net_is_not_painted_as_broken(name, seed):
    make, shape = HEALTHY[name]
    torch.manual_seed(seed)
    boxes = drawn(make(), shape)
    assert worst(boxes) < 2, [(b.path, b.operation, b.level) for b in boxes if abs(b.level) > 1]


@pytest.mark.parametrize("name", MODELS)
def test_our_own_networks_have_no_colour_of_breakage(name):
    assert worst(operations_of(trace_target(name, ["8x3x32x32"]))) < 2


def draws(std):
    return lambda weight: nn.init.normal_(weight, std=std)


BROKEN = {
    "sigmoid": (lambda: graph_nets.plain(20, None, nn.Sigmoid), "gradient_level", -2),
    "std 0.01": (lambda: graph_nets.plain(8, draws(0.01)), "signal_level", -2),
    "std 0.01, gradient": (lambda: graph_nets.plain(8, draws(0.01)), "gradient_level", -2),
    "Xavier behind 40 ReLUs": (
        lambda: graph_nets.plain(40, nn.init.xavier_normal_),
        "gradient_level",
        -2,
    ),
    "torch's weights, 30 layers": (lambda: graph_nets.plain(30), "gradient_level", -2),
    "std 1": (lambda: graph_nets.plain(6, draws(1.0)), "signal_level", 2),
    "std 1, gradient": (lambda: graph_nets.plain(6, draws(1.0)), "gradient_level", 2),
    "saturated tanh": (lambda: graph_nets.plain(8, draws(1.0), nn.Tanh), "gradient_level", 2),
    "1.5 times He": (
        lambda: graph_nets.plain(20, draws(1.5 * math.sqrt(2 / 64))),
        "signal_level",
        2,
    ),
    "residual without norms": (
        lambda: graph_nets.Residual(1, lambda _: nn.Identity(), depth=16),
        "gradient_level",
        2,
    ),
    "100 norms without shortcuts": (
        lambda: nn.Sequential(
            *[m for _ in range(100) for m in (nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU())],
            nn.Linear(64, 10),
        ),
        "gradient_level",
        2,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_broken_net_is_painted_where_it_is(name, seed):
    make, what, level = BROKEN[name]
    torch.manual_seed(seed)
    width = make()[0].in_features if name != "residual without norms" else 32
    levels = [getattr(box, what) for box in drawn(make(), f"16x{width}")]
    assert level in levels
    assert -level not in levels
    # Signals go wrong towards the output, gradients towards the input.
    counted = [n for n, found in enumerate(levels) if found == level]
    middle = sum(counted) / len(counted)
    assert (middle > len(levels) / 2) == (what == "signal_level")


def test_what_a_shortcut_passes_by_is_small_and_not_lost():
    torch.manual_seed(0)
    boxes = drawn(graph_nets.Residual(1e-6, nn.LayerNorm), "16x32")
    inside = [box for box in boxes if box.path.startswith("branches.")]
    assert {box.gradient_level for box in inside} == {-1}
    assert {box.level for box in boxes if box.path in ("stem", "head")} == {0}


def test_a_norm_sets_the_size_anew():
    torch.manual_seed(0)
    small, large = nn.Linear(32, 32), nn.Linear(32, 32)
    nn.init.normal_(small.weight, std=1e-3)
    nn.init.normal_(large.weight, std=1e2)
    norms = (nn.BatchNorm1d(32), nn.BatchNorm1d(32))
    head = nn.Linear(32, 10)
    nn.init.normal_(head.weight, std=1e-4)  # small logits are a good start
    model = nn.Sequential(nn.Linear(32, 32), small, norms[0], nn.ReLU(), large, norms[1], head)
    assert {box.signal_level for box in drawn(model, "64x32")} == {0}


def test_a_bias_made_from_nothing_is_no_lost_signal():
    boxes = operations_of(trace_target("fast"))
    zero = [box for box in boxes if box.values.get("rms") == 0]
    assert zero
    assert {box.level for box in zero} == {0}
