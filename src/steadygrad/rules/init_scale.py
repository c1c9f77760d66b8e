"""Rule init-scale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from steadygrad.record import OUTSIDE, PARAMETER, Finding, Graph, Operation, Record
from steadygrad.rules.graph import (
    NORMS,
    SHAPE,
    first_graph,
    first_values,
    is_weighted,
    learned,
    lines,
    seen_through,
    takers,
    upstream,
    weight_line,
)

GROWTH = 10.0
"""Times the input a healthy net's signal never reaches at the start: gains of 1 hold it."""
GROWTH_ERROR = 1000.0
LARGE_GAIN = 2.0
"""RMS of a layer's output by its input's. He 1.41, Xavier 1, with tanh's gain 1.67, torch's own
0.58; weights of variance 1 give the root of the number of inputs."""
SHRINKAGE = 1e-3
"""What is left of the signal behind the last hidden layer; plain nets of torch's own
initialisation keep more than that over ten layers of ReLU."""
SHRINKAGE_ERROR = 1e-6
SMALL_GAIN = 0.4
"""Torch's own initialisation is at 0.58; N(0, 0.01) at 0.16 for 256 inputs."""
MIN_INPUT = 0.05
"""RMS of inputs under which the biases make the first layer's gain look large."""
NORMS_PER_LAYER = 1 / 3
"""With a norm for every third layer the scale is set anew often enough."""
NOT_MEASURED = frozenset({"dropout", "feature_dropout", "alpha_dropout", "max_pool", "avg_pool"})
"""They keep the size of the signal, roughly, and have no signals of their own."""


@dataclass(frozen=True)
class Layer:
    """One layer of the deepest path."""

    operation: Operation
    gain: float
    """RMS of its output by RMS of its input."""
    rms: float
    spread: float
    """RMS of what differs between examples: biases keep `rms` up where the signal is long gone."""


def init_scale(record: Record) -> Iterator[Finding]:
    """The signal grows or shrinks from layer to layer: weights of the wrong size.

    Severity: error or warning

    What
        In the first training pass, along the deepest path without norms: the RMS of each layer's
        output by that of its input. A warning where the median of these gains is over 2 and the
        signal gets over 10 times the input (error: 1000), or the gains are under 0.4 and less than
        1/1000 of the differences between examples arrives (error: a millionth).
    Why
        A gain of 2 in each of ten layers is a factor of 1000, forward as well as backward: logits
        of thousands and exploding gradients, or outputs that hardly depend on the input.
    Fix
        `torch.nn.init.kaiming_normal_(weight, nonlinearity="relu")` in front of ReLU,
        `xavier_uniform_` in front of tanh; for raw tensors `torch.randn(n, m) * (2 / n) ** 0.5`.
    Source
        Glorot and Bengio 2010; He et al. 2015, arXiv 1502.01852.
    """
    graph = first_graph(record)
    if graph is None or graph.step > 0 or not _normless(graph):
        return
    size = _input_size(record)
    layers = _layers(record, graph, size)
    if len(layers) < 2:
        return
    gain = median(layer.gain for layer in layers)
    begin = size or layers[0].rms / layers[0].gain
    growth = max(layer.rms for layer in layers) / begin
    if gain > LARGE_GAIN and growth > GROWTH:
        severe = growth > GROWTH_ERROR
        yield _finding(record, layers, gain, f"reaches {growth:.2g} times the input", severe)
        return
    counted = _hidden(layers)
    shrunk = counted[-1].spread / begin if counted else 1.0
    small = counted and median(layer.gain for layer in counted) < SMALL_GAIN
    if small and 0 < shrunk < SHRINKAGE:
        severe = shrunk < SHRINKAGE_ERROR
        yield _finding(record, layers, gain, f"falls to {shrunk:.2g} of the input", severe)


def _hidden(layers: list[Layer]) -> list[Layer]:
    """Layers that must keep the signal: a last one smaller than the rest is meant to be so."""
    middle = median(layer.gain for layer in layers[:-1])
    return layers if layers[-1].gain > middle / 3 else layers[:-1]


def _normless(graph: Graph) -> bool:
    inside = [graph.operations[index] for index in learned(graph)]
    norms = sum(operation.name in NORMS for operation in inside)
    return norms < NORMS_PER_LAYER * sum(map(is_weighted, inside))


def _input_size(record: Record) -> float:
    """RMS of what the first model gets; 0 where unknown or too small to divide by."""
    for batch in record.batches:
        if batch.kind == "train" and {"mean", "std"} <= set(batch.inputs):
            size = math.hypot(batch.inputs["mean"], batch.inputs["std"])
            return size if math.isfinite(size) and size > MIN_INPUT else 0.0
    return 0.0


def _deepest(graph: Graph) -> list[int]:
    """The weighted operations along the path that passes most of them, a backward's way only."""
    inside = learned(graph)
    best: dict[int, list[int]] = {}
    for index, operation in enumerate(graph.operations):
        before = max(
            (best.get(i, []) for i in operation.inputs if i >= 0), key=len, default=list[int]()
        )
        counts = index in inside and is_weighted(operation) and operation.name != "embedding"
        best[index] = [*before, index] if counts else before
    return max((best[root] for root in graph.roots if root in best), key=len, default=list[int]())


def _layers(record: Record, graph: Graph, size: float) -> list[Layer]:
    behind = takers(graph)
    found: list[Layer] = []
    last = size
    for index in _deepest(graph):
        operation = graph.operations[index]
        values = first_values(record, operation.layer)
        rms = values.get("rms", 0.0)
        normed = any(graph.operations[i].name in NORMS for i in seen_through(behind, graph, index))
        entry = _entry_size(record, graph, operation, size) or last
        if rms > 0 and math.isfinite(rms) and entry > 0 and not normed:
            spread = rms * values.get("batch_spread", 1.0)
            found.append(Layer(operation, rms / entry, rms, spread))
        last = rms
    return found


def _entry_size(record: Record, graph: Graph, operation: Operation, size: float) -> float:
    """RMS of what a layer gets, from the operation that made it; 0 where that was not measured."""
    data = next((i for i in operation.inputs if i != PARAMETER), OUTSIDE)
    made = upstream(graph, data, SHAPE | NOT_MEASURED)
    if made == OUTSIDE:
        return size
    return first_values(record, graph.operations[made].layer).get("rms", 0.0) if made >= 0 else 0.0


def _healthy(layer: Layer) -> bool:
    return SMALL_GAIN <= layer.gain <= LARGE_GAIN


def _finding(record: Record, layers: list[Layer], gain: float, how: str, severe: bool) -> Finding:
    odd = [o for o in layers if (o.gain > LARGE_GAIN) == (gain > 1) and not _healthy(o)]
    first = (odd or layers)[0]
    grads = [first_values(record, layer.operation.layer).get("grad_rms") for layer in layers]
    backward = ""
    if grads[0] and grads[-1]:
        ratio = grads[0] / grads[-1]
        backward = f" The gradient changes by {ratio:.2g} on its way down."
    called = lines(first.operation.where)
    return Finding(
        rule="init-scale",
        severity="error" if severe else "warning",
        step=0,
        saw=f"Before the first update each of {len(layers)} layers multiplies the size of the "
        f"signal by {gain:.2g} (median), and it {how}"
        f"{f' (first layer called in {called})' if called else ''}.{backward}",
        expected="Gains of 0.5 to 1.5, so that the signal keeps its size through depth.",
        fix='torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu"); for raw tensors '
        "torch.randn(n, m) * (2 / n) ** 0.5.",
        source="Glorot and Bengio 2010; He et al. 2015",
        where=weight_line(record, first.operation),
        numbers={
            "median_gain": gain,
            "gains": [round(layer.gain, 6) for layer in layers],
        },
    )
