"""The signal of any network, layer by layer: one forward and one backward pass, watched."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from steadygrad.errors import SteadygradError
from steadygrad.initializing.trend import Trend, fit, starts_small
from steadygrad.monitor import Monitor
from steadygrad.nn.activations import ACTIVATIONS, gain, mean_square
from steadygrad.nn.initialize import Sample
from steadygrad.nn.initialize.passes import as_in_training, call
from steadygrad.record import Graph, Operation, Record
from steadygrad.rules.graph import ACTIVATIONS as NONLINEAR
from steadygrad.rules.graph import NORMS, SHAPE, first_graph, is_weighted, takers

COMPOUND = frozenset({"lstm", "gru", "rnn", "attention"})
"""One operation with several weights inside: it has signals but no one fan."""
PASSED = SHAPE | NORMS | {"add", "sub", "dropout", "feature_dropout", "max_pool", "avg_pool"}
"""What may stand between a layer and its activation."""
SAME_GAIN = {"relu6": "relu", "threshold": "relu", "leaky_relu": "leaky-relu", "maximum": "maxout"}
SIZES = ("mean", "std", "rms", "grad_rms")
MAXIMA = frozenset({"max", "abs", "exp", "sin", "cos", "sqrt", "pow", "square", "clamp"})
"""Nonlinear, but with no gain that is anybody's custom: shown by name, with gain 1."""


@dataclass(frozen=True)
class LayerSignal:
    """One layer: what it is, and the size of its output and of the gradient there."""

    name: str
    """Dotted name of its module or weight, "#2" where it is called again."""
    kind: str
    """"linear", "conv2d", "matmul", "embedding", "lstm", …"""
    fan_in: int | None
    fan_out: int | None
    activation: str
    """What its output goes through next, "linear" where nothing nonlinear follows."""
    gain: float
    """What the weights' size should be multiplied by for it."""
    std: float
    """Of the output, over examples, units and positions."""
    gradient: float
    """RMS of the gradient of the loss by the output."""
    gradient_norm: float
    """Its L2 norm, of one example (RMS over examples): pooling does not change it as it does the
    RMS, which spreads over positions."""
    spread: float
    """Share of the output that differs between examples: its std over examples by its RMS."""
    on_path: bool
    """On the path that passes most layers: what the trend is fitted to."""


@dataclass(frozen=True)
class Signals:
    """All layers in the order they run, and the trends through depth."""

    layers: list[LayerSignal]
    signal: Trend | None
    """Of `std`, from the input up; None with fewer than three layers that have one."""
    gradient: Trend | None
    """Of `gradient_norm`, from the loss down."""
    norms_per_layer: float
    finite: bool
    """False where a NaN or an infinity turned up."""
    small_head: str = ""
    """The last layer where its output is so much smaller than the others' that it is meant to be:
    both trends leave it out. Its weights scale the gradient of all layers alike."""


def measure(model: nn.Module, sample: Sample, targets: Tensor | None = None) -> Signals:
    """Run `model` once on `sample`, forward and backward, and say what became of the signal.

    Norms use the batch's statistics as in training, dropout is off; weights, buffers, gradients and
    modes are afterwards what they were. The loss is cross entropy where `targets` are class labels
    that fit the output, else a random linear function of the output.

    >>> network = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> found = measure(network, torch.randn(4, 8))
    >>> [(row.name, row.fan_in, row.activation) for row in found.layers]
    [('0', 8, 'relu'), ('2', 8, 'linear')]
    """
    record = Record()
    with as_in_training(model), _gradients_kept(model), torch.enable_grad():
        monitor = Monitor(record.add)
        monitor.install()
        try:
            _loss(call(model, sample), targets).backward()
        finally:
            monitor.finish()
    graph = first_graph(record)
    if graph is None or monitor.failures:
        reason = monitor.failures[0] if monitor.failures else "no operation of it was seen"
        raise SteadygradError(f"The network's signal can't be followed: {reason}.")
    return _read(graph, {line.layer: line.values for line in reversed(record.signals)})


@contextmanager
def _gradients_kept(model: nn.Module) -> Iterator[None]:
    before = {parameter: parameter.grad for parameter in model.parameters()}
    for parameter in before:
        parameter.grad = None
    try:
        yield
    finally:
        for parameter, gradient in before.items():
            parameter.grad = gradient


def _loss(output: Any, targets: Tensor | None) -> Tensor:
    tensors = list(_floats(output))
    if not tensors:
        raise SteadygradError(
            "The model's output holds no tensor that depends on its weights; expected one, or a "
            "tuple, list or dict of them."
        )
    first = tensors[0]
    scores = targets is not None and first.dim() == 2 and len(first) == len(targets)
    if scores and targets is not None and int(targets.max()) < first.shape[1]:
        return functional.cross_entropy(first.float(), targets.to(first.device))
    generator = torch.Generator().manual_seed(0)
    probes = [torch.randn(t.shape, generator=generator).to(t) for t in tensors]
    total = first.new_zeros(())
    for tensor, probe in zip(tensors, probes, strict=True):
        total = total + (tensor * probe).sum()
    return total


def _floats(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if value.is_floating_point() and value.requires_grad:
            yield value
    elif isinstance(value, Mapping):
        yield from _floats(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _floats(item)


def _read(graph: Graph, values: Mapping[str, Mapping[str, float]]) -> Signals:
    behind = takers(graph)
    path = set(_deepest(graph))
    rows: list[LayerSignal] = []
    for index, operation in enumerate(graph.operations):
        if not _is_layer(operation):
            continue
        activation = _following(graph, behind, index)
        found = values.get(operation.layer, {})
        gradient = found.get("grad_rms", math.nan)
        rows.append(
            LayerSignal(
                _name(operation),
                operation.name,
                *_fans(operation),
                activation,
                _gain(activation),
                found.get("std", math.nan),
                gradient,
                gradient * math.sqrt(math.prod(operation.shape[1:])),
                found.get("batch_spread", math.nan),
                index in path,
            )
        )
    sizes = [row for row in rows if row.on_path]
    head = sizes.pop().name if starts_small([row.std for row in sizes]) else ""
    norms = sum(operation.name in NORMS for operation in graph.operations)
    return Signals(
        rows,
        fit([row.std for row in sizes]),
        fit([row.gradient_norm for row in reversed(sizes)]),
        norms / max(1, len(rows)),
        not any(_broken(values.get(o.layer, {})) for o in graph.operations),
        head,
    )


def _is_layer(operation: Operation) -> bool:
    compound = operation.name in COMPOUND and operation.where.parameter is not None
    return is_weighted(operation) or compound


def _name(operation: Operation) -> str:
    again = operation.layer.rpartition("#")[2] if "#" in operation.layer else ""
    if operation.layer.partition("#")[0] == operation.where.module:
        return operation.layer
    name = operation.where.parameter or operation.where.module or operation.layer
    return f"{name}#{again}" if again else name


def _broken(values: Mapping[str, float]) -> bool:
    # Not every statistic: e to the power of large but finite scores overflows.
    bad = values.get("non_finite_fraction", 0.0) or values.get("grad_non_finite", 0.0)
    return bool(bad) or not all(math.isfinite(values.get(key, 0.0)) for key in SIZES)


def _fans(operation: Operation) -> tuple[int | None, int | None]:
    """Inputs a unit sums over, and units an input goes to, read from the shapes of the call."""
    shape = operation.attributes.get("weight_shape") or []
    name = operation.name
    if name == "matmul" and len(operation.input_shapes) >= 2:
        data, weight = operation.input_shapes[0], operation.input_shapes[-1]
        weight_first = operation.inputs[0] < 0 <= operation.inputs[-1]
        used = data if weight_first else weight
        if len(used) != 2:
            return None, None
        return (used[1], used[0]) if weight_first else (used[0], used[1])
    if name.startswith("conv") and len(shape) > 2:
        kernel, groups = math.prod(shape[2:]), int(operation.attributes.get("groups", 1))
        if name.startswith("conv_transpose"):
            stride = operation.attributes.get("stride", 1)
            parts = math.prod(stride) if isinstance(stride, list) else stride ** len(shape[2:])
            return max(1, round(shape[0] // groups * kernel / parts)), shape[1] * kernel
        return shape[1] * kernel, shape[0] // groups * kernel
    if name == "linear" and len(shape) == 2:
        return shape[1], shape[0]
    return None, None


def _following(graph: Graph, behind: list[list[int]], index: int) -> str:
    """The first nonlinearity on the way of a layer's output, in the order of execution."""
    pending, seen = list(behind[index]), set[int]()
    while pending:
        position = min(pending)
        pending.remove(position)
        if position in seen:
            continue
        seen.add(position)
        name = graph.operations[position].name
        if name in NONLINEAR:
            return SAME_GAIN.get(name, name)
        if name in PASSED:
            pending += behind[position]
    return "linear"


@cache
def _gain(activation: str) -> float:
    """The gain of any elementwise nonlinearity of torch; 1 where there is no telling."""
    if activation in ACTIVATIONS or activation == "linear":
        return gain(activation)
    function = getattr(functional, activation, None) or getattr(torch, activation, None)
    if function is None or activation in MAXIMA or activation == "glu":
        return 1.0
    return 1.0 / math.sqrt(mean_square(function))


def _deepest(graph: Graph) -> list[int]:
    """The layers along the path that passes most of them, up to where backward begins."""
    best: list[list[int]] = []
    for index, operation in enumerate(graph.operations):
        ways = (best[i] for i in operation.inputs if i >= 0)
        before = max(ways, key=len, default=list[int]())
        best.append([*before, index] if _is_layer(operation) else before)
    return max((best[root] for root in graph.roots), key=len, default=list[int]())
