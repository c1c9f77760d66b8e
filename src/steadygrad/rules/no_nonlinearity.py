"""Rule no-nonlinearity."""

from __future__ import annotations

import math
from collections.abc import Iterator

from steadygrad.record import OUTSIDE, PARAMETER, Finding, Graph, Operation, Record
from steadygrad.rules.graph import (
    ACTIVATIONS,
    LOSSES,
    SHAPE,
    first_graph,
    is_weighted,
    layer_names,
    learned,
    line_to_change,
    lines,
    takers,
)
from steadygrad.rules.reading import listed

LINEAR = SHAPE | {
    *("dropout", "feature_dropout", "alpha_dropout", "avg_pool", "interpolate", "neg"),
    *("batch_norm", "pixel_shuffle", "add", "sub", "mul", "div", "mean", "sum"),
}
"""Operations two linear layers still make one linear layer with (a sum or product of two results
of the network is none of them: see `_passes`)."""
BEND = frozenset({"max_pool", "lp_pool", "layer_norm", "group_norm", "instance_norm", "rms_norm"})
"""Not linear, but no substitute for an activation: they count only where the net has one too."""
NOT_BEFORE = frozenset({"embedding"})
"""A table of words in front of a projection is no layer without activation."""


def no_nonlinearity(record: Record) -> Iterator[Finding]:
    """Linear or convolution layers follow each other with nothing in between.

    Severity: error or warning

    What
        In the first training pass the result of one weighted layer reaches the next through
        reshapes, dropout, batch norm or average pooling only. An error where the whole network has
        no activation, else a warning. Bottlenecks (the middle narrower than both sides: code
        layers, low rank, MobileNetV2), separable and grouped convolutions, embeddings, results that
        a later sum takes too (the stem of residual blocks) and results of one model handed to
        another are left out.
    Why
        Two linear maps in a row are one linear map: the depth costs time and buys nothing.
    Fix
        `x = F.relu(self.fc1(x))`, or `nn.ReLU()` behind each layer but the last.
    Source
        Goodfellow, Bengio, Courville, Deep Learning (2016), section 6.1: why a linear network fails
        at XOR.
    """
    graph = first_graph(record)
    if graph is None:
        return
    inside = learned(graph)
    bent = any(graph.operations[i].name in ACTIVATIONS for i in _inner(graph, inside))
    pairs = list(_pairs(graph, inside, LINEAR if bent else LINEAR | BEND))
    if not pairs:
        return
    first, second = (graph.operations[index] for index in pairs[0])
    names = layer_names([graph.operations[index] for pair in pairs for index in pair])
    yield Finding(
        rule="no-nonlinearity",
        severity="warning" if bent else "error",
        step=graph.step,
        saw=f"{len(pairs)} pairs of layers have no activation in between: {listed(names)}. "
        f"{_called(first)} is followed by {_called(second)}"
        f"{'.' if bent else '; the whole network has none, so it is one linear map.'}",
        expected="A nonlinearity behind every weighted layer but the last.",
        fix="Put torch.relu around the call, or nn.ReLU() behind the layer.",
        source="Goodfellow et al. 2016, section 6.1",
        where=line_to_change(first),
        numbers={"pairs": len(pairs), "layers": names},
    )


def _called(operation: Operation) -> str:
    place = lines(operation.where)
    (name,) = layer_names([operation])
    return f"{name} ({place})" if place else name


def _inner(graph: Graph, inside: set[int]) -> set[int]:
    """What lies between weighted operations: not the loss and what leads to it."""
    behind = takers(graph)
    followed: set[int] = set()
    for index in sorted(inside, reverse=True):
        next_ones = behind[index]
        if any(i in followed or is_weighted(graph.operations[i]) for i in next_ones):
            followed.add(index)
    return followed


def _pairs(graph: Graph, inside: set[int], through: frozenset[str]) -> Iterator[tuple[int, int]]:
    behind = takers(graph)
    for index in sorted(inside):
        operation = graph.operations[index]
        if not is_weighted(operation) or operation.name in NOT_BEFORE:
            continue
        for later in sorted(_reached(graph, behind, index, through)):
            if later in inside and _fault(operation, graph.operations[later]):
                yield index, later
                break


def _reached(
    graph: Graph, behind: list[list[int]], start: int, through: frozenset[str]
) -> set[int]:
    """Weighted operations the result of `start` comes to through linear operations alone.

    None where it goes round them into a sum as well: it is the stream of residual blocks, and one
    linear map can't stand for it and a branch.
    """
    outputs = set(graph.outputs)
    found: set[int] = set()
    pending = [start]
    seen: set[int] = set()
    while pending:
        index = pending.pop()
        if index in outputs:
            continue  # what one model hands to another is no hidden layer
        for position in behind[index]:
            operation = graph.operations[position]
            if position in seen:
                continue
            seen.add(position)
            if is_weighted(operation):
                if operation.inputs and operation.inputs[0] == index:
                    found.add(position)
            elif operation.name in through and _passes(operation):
                pending.append(position)
            elif operation.name in ("add", "sub") and not _passes(operation):
                return set()
    return found


def _passes(operation: Operation) -> bool:
    """Linear in one result of the network: the rest is constants and weights."""
    if operation.name in LOSSES:
        return False
    made = {index for index in operation.inputs if index not in (OUTSIDE, PARAMETER)}
    shifts = operation.name in SHAPE or operation.name not in ("add", "sub", "mul", "div")
    return len(made) == 1 and (shifts or len(operation.inputs) < 3)


def _fault(first: Operation, second: Operation) -> bool:
    if any(int(each.attributes.get("groups", 1) or 1) > 1 for each in (first, second)):
        return False
    kernels = [list[int](each.attributes.get("kernel") or []) for each in (first, second)]
    if all(kernel != kernel[::-1] for kernel in kernels):
        return False  # 1×k behind k×1: one kernel in two steps
    return not _bottleneck(first, second)


def _bottleneck(first: Operation, second: Operation) -> bool:
    """The middle is narrower than both sides: a matrix of low rank, a code."""
    width_in, middle, width_out = _width_in(first), _width(first), _width(second)
    if 0 < middle < min(width_in, width_out):
        return True
    size_in, size = _numbers(first.input_shapes[:1]), _numbers([first.shape])
    grows = second.name.startswith("conv_transpose") or second.name == "linear"
    return grows and 0 < size < min(size_in, _numbers([second.shape]))


def _width(operation: Operation) -> int:
    if operation.name.startswith("conv"):
        return operation.shape[1] if len(operation.shape) > 2 else 0
    return operation.shape[-1] if operation.shape else 0


def _width_in(operation: Operation) -> int:
    shape = operation.input_shapes[0] if operation.input_shapes else []
    if operation.name.startswith("conv"):
        return shape[1] if len(shape) > 2 else 0
    return shape[-1] if shape else 0


def _numbers(shapes: list[list[int]]) -> int:
    """Numbers per example."""
    return math.prod(shapes[0][1:]) if shapes and shapes[0] else 0
