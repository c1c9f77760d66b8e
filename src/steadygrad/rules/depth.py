"""The gradient on its way from the last weight down to the first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from steadygrad.record import Graph, Operation, Parameter, Record
from steadygrad.rules.graph import LOSSES, first_graph, learned, source
from steadygrad.rules.series import by_step, one_goal, weights_in_order

FIRST_STEP, LAST_STEP = 5, 60
"""Zero-initialised heads pass no gradient at first; and what is lost later was mostly killed by
something else (decay, a ruinous rate)."""
MIN_WATCHED = 3
MIN_LAYERS = 3
RECURRENT = frozenset({"lstm", "gru", "rnn"})
SQUASHING = frozenset({"sigmoid", "tanh", "softsign", "hardsigmoid", "hardtanh"})


@dataclass
class Depth:
    """How the gradient changes through depth, in the median over watched updates."""

    first: Parameter
    last: Parameter
    layers: int
    """Weights from the first to the last."""
    ratio: float
    """RMS of the first weight's gradient by the last one's."""
    signal_ratio: float | None
    """The same of the gradients at these layers' outputs; None where not measured."""
    steady_fall: bool
    """It falls in most layers on the way, rather than in one odd place."""
    activation: str
    """The commonest squashing activation between them; empty where there is none."""
    step: int
    """Last watched update looked at."""
    narrowest: Operation | None
    """Behind which the gradient shrinks most on its way down, squashing activations first."""


def through_depth(record: Record) -> Depth | None:
    """The gradient's change through depth; None where it can't be told.

    It takes three weights, three watched updates after the fifth, one optimizer and one loss, and
    gradients that are there at all.
    """
    order = weights_in_order(record)
    graph = first_graph(record)
    if graph is None or not one_goal(record):
        return None
    order = [parameter for parameter in order if _on_the_way(graph, parameter)]
    if len(order) < MIN_LAYERS:
        return None
    rows: list[list[float]] = []
    step = 0
    for watched, lines in by_step(record).items():
        sizes = [
            lines[p.name].values.get("grad_rms", 0.0) if p.name in lines else 0.0 for p in order
        ]
        if FIRST_STEP <= watched <= LAST_STEP and sizes[-1] > 0:
            rows.append(sizes)
            step = watched
    if len(rows) < MIN_WATCHED:
        return None
    middle = [median(row[i] for row in rows) for i in range(len(order))]
    if not any(middle[:-1]):
        return None  # nothing comes through at all: dead units, or a detached graph
    return Depth(
        first=order[0],
        last=order[-1],
        layers=len(order),
        ratio=median(row[0] / row[-1] for row in rows),
        signal_ratio=_signal_ratio(record, order[0], order[-1]),
        steady_fall=_falls(middle),
        activation=_activation(graph),
        step=step,
        narrowest=_narrowest(record, graph, order[-1].used_by),
    )


def _narrowest(record: Record, graph: Graph, head: str) -> Operation | None:
    sizes: dict[str, list[float]] = {}
    for line in record.signals:
        if FIRST_STEP <= line.step <= LAST_STEP and line.kind == "train":
            sizes.setdefault(line.layer, []).append(line.values.get("grad_rms", 0.0))
    size = {layer: median(values) for layer, values in sizes.items()}
    found: list[tuple[bool, float, int]] = []
    for index in sorted(learned(graph)):
        operation = graph.operations[index]
        below = source(graph, operation)
        above = size.get(operation.layer, 0.0)
        if operation.layer == head or operation.name in LOSSES:
            continue
        if below >= 0 and above > 0:
            lost = size.get(graph.operations[below].layer)
            if lost is not None and lost < above:
                squashes = operation.name in SQUASHING | {"softmax"}
                found.append((not squashes, lost / above, index))
    return graph.operations[min(found)[2]] if found else None


def _on_the_way(graph: Graph, parameter: Parameter) -> bool:
    inside = learned(graph)
    return any(graph.operations[index].layer == parameter.used_by for index in inside)


def _falls(sizes: list[float]) -> bool:
    """From the last to the first, most layers lose; what is 0 at the first was tiny before it."""
    lost = [a < b or a == b == 0 for a, b in pairwise(sizes)]
    if sizes[0] == 0 and min(size for size in sizes if size > 0) > 1e-3 * sizes[-1]:
        return False
    return sum(lost) >= 0.6 * len(lost)


def _signal_ratio(record: Record, first: Parameter, last: Parameter) -> float | None:
    if any(name in first.used_by for name in RECURRENT):
        return None  # the gradient inside a recurrent layer is not that at its output
    sizes: dict[int, dict[str, float]] = {}
    for line in record.signals:
        inside = FIRST_STEP <= line.step <= LAST_STEP and line.kind == "train"
        if inside and line.layer in (first.used_by, last.used_by) and "grad_rms" in line.values:
            sizes.setdefault(line.step, {})[line.layer] = line.values["grad_rms"]
    ratios = [
        row[first.used_by] / row[last.used_by]
        for row in sizes.values()
        if len(row) == 2 and row[last.used_by] > 0
    ]
    return median(ratios) if ratios else None


def _activation(graph: Graph) -> str:
    found = Counter(o.name for o in graph.operations if o.name in SQUASHING)
    return found.most_common(1)[0][0] if found else ""
