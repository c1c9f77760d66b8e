"""What goes into each loss of a training pass, and where it came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from steadygrad.record import OUTSIDE, Graph, Operation, Record, Where
from steadygrad.rules.graph import (
    LOSSES,
    SHAPE,
    graphs,
    is_weighted,
    learned,
    losses,
    signals,
    upstream,
)

DROPOUTS = frozenset({"dropout", "alpha_dropout", "feature_dropout"})
REGRESSION = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})
"""Losses of a difference: they take prediction and target either way round."""
SOFTMAXES = frozenset({"softmax", "log_softmax"})
LABELS = frozenset({"one_hot", "scatter"})
"""Operations that write class numbers as rows of zeros and a one."""
REDUCTIONS = frozenset({"mean", "sum"})


@dataclass(frozen=True)
class Head:
    """One loss function of a pass and its two arguments."""

    graph: Graph
    index: int
    operation: Operation
    prediction: int
    """Position of the argument that is the prediction; the other is the target."""

    @property
    def origin(self) -> int:
        """What made the prediction, seen through changes of shape and dropout."""
        return self.made(self.prediction)

    @property
    def target(self) -> int:
        """What made the target."""
        return self.made(1 - self.prediction)

    def made(self, argument: int) -> int:
        """What made one argument: a position, OUTSIDE or PARAMETER."""
        if argument >= len(self.operation.inputs):
            return OUTSIDE
        return upstream(self.graph, self.operation.inputs[argument], SHAPE | DROPOUTS)

    def made_by(self, argument: int) -> Operation | None:
        """The operation behind `made`, None where it is none of this pass."""
        index = self.made(argument)
        return self.graph.operations[index] if index >= 0 else None

    @property
    def shapes(self) -> tuple[list[int], list[int]]:
        """Shapes of prediction and target; empty where unknown."""
        known = [*self.operation.input_shapes, [], []]
        return known[self.prediction], known[1 - self.prediction]


def heads(record: Record) -> Iterator[Head]:
    """Each named loss of the training passes, once."""
    seen: set[tuple[str, int | None]] = set()
    for graph in graphs(record):
        for index in losses(graph):
            operation = graph.operations[index]
            key = (operation.layer, operation.where.line)
            if key not in seen:
                seen.add(key)
                yield Head(graph, index, operation, _prediction(graph, operation))


def _prediction(graph: Graph, operation: Operation) -> int:
    """0, or 1 where a symmetric loss was given (target, prediction)."""
    if operation.name not in REGRESSION or len(operation.inputs) < 2:
        return 0
    first, second = (upstream(graph, i, SHAPE | DROPOUTS) for i in operation.inputs[:2])
    return 1 if first < 0 <= second and has_weight(graph, second) else 0


def has_weight(graph: Graph, index: int) -> bool:
    """Whether some operation with a weight lies at or before `index`."""
    seen: set[int] = set()
    pending = [index]
    while pending:
        position = pending.pop()
        if position < 0 or position in seen:
            continue
        seen.add(position)
        if is_weighted(graph.operations[position]):
            return True
        pending += graph.operations[position].inputs
    return False


def head_names(graph: Graph, index: int) -> set[str]:
    """Names of the operations from `index` back to the last ones with a weight, these left out."""
    seen: set[int] = set()
    pending = [index]
    while pending:
        position = pending.pop()
        if position >= 0 and position not in seen and not is_weighted(graph.operations[position]):
            seen.add(position)
            pending += graph.operations[position].inputs
    return {graph.operations[position].name for position in seen}


def hand_written(record: Record) -> Iterator[tuple[Graph, int]]:
    """(pass, position) of each loss made of plain arithmetic: no loss function lies behind it."""
    seen: set[tuple[str, int | None]] = set()
    for graph in graphs(record):
        inside = learned(graph)
        if any(graph.operations[index].name in LOSSES for index in inside):
            continue
        for root in graph.roots:
            if 0 <= root < len(graph.operations):
                operation = graph.operations[root]
                key = (operation.layer, operation.where.line)
                if key not in seen:
                    seen.add(key)
                    yield graph, root


def extremes(record: Record, layer: str, what: str) -> tuple[float, float] | None:
    """Smallest and largest of `what` ("input", "target", "") over the watched steps."""
    prefix = f"{what}_" if what else ""
    lows = [line.values.get(f"{prefix}min") for line in signals(record, layer)]
    highs = [line.values.get(f"{prefix}max") for line in signals(record, layer)]
    low = [value for value in lows if value is not None and value == value]
    high = [value for value in highs if value is not None and value == value]
    return (min(low), max(high)) if low and high else None


def values_of(record: Record, layer: str, key: str) -> list[float]:
    """One value of an operation at each watched step where it was measured."""
    return [line.values[key] for line in signals(record, layer) if key in line.values]


def ranges(record: Record, head: Head) -> dict[str, tuple[float, float] | None]:
    """Extremes of "prediction" and "target" over the watched steps."""
    names = ("input", "target") if head.prediction == 0 else ("target", "input")
    layer = head.operation.layer
    return {
        "prediction": extremes(record, layer, names[0]),
        "target": extremes(record, layer, names[1]),
    }


def place(*candidates: Where | None) -> Where:
    """The first of these places that is a line of the user's; empty where none is."""
    return next((where for where in candidates if where is not None and where.file), Where())


def line_of(operation: Operation) -> Where:
    """The user's line an operation is best known by."""
    return place(operation.where, operation.built, operation.called)


def layer_line(graph: Graph, operation: Operation) -> Where:
    """The user's line of one layer: where it is built, if a container runs it among others."""
    shared = [
        row
        for row in graph.operations
        if is_weighted(row) and row.where.line == operation.where.line
    ]
    if len(shared) > 1 and "/" not in operation.layer:
        return place(operation.built, operation.where, operation.called)
    return line_of(operation)
