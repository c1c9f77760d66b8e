"""Rule loss-broadcast."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from steadygrad.record import Finding, Graph, Operation, Record
from steadygrad.rules.graph import SHAPE, learned
from steadygrad.rules.heads import REGRESSION, has_weight, heads, line_of

NAMED = REGRESSION | {"kl_div", "poisson_nll_loss", "soft_margin_loss", "gaussian_nll_loss"}
ARITHMETIC = frozenset({"sub", "add", "mul", "div"})


def loss_broadcast(record: Record) -> Iterator[Finding]:
    """Prediction and target are broadcast to a table of all pairs.

    Severity: error

    What
        The two shapes a loss gets expand each other, as (64, 1) and (64,) do to (64, 64); for a
        hand-written loss, the same where outputs of the model meet a tensor that is none. Tables of
        pairs made on purpose, with as many dimensions on both sides, are left alone.
    Why
        Every prediction is compared with every target. The minimum is then the mean of the targets
        for every example: the loss falls a little and stays.
    Fix
        `loss = F.mse_loss(prediction.squeeze(1), target)`, or `target.unsqueeze(1)`.
    Source
        PyTorch warns of it in mse_loss only ("Using a target size that is different to the input
        size").
    """
    places: set[tuple[str | None, int | None]] = set()
    for operation, step, shapes in _pairs(record):
        where = line_of(operation)
        if (where.file, where.line) in places:
            continue
        places.add((where.file, where.line))
        first, second = (tuple(shape) for shape in shapes)
        table = broadcast(*shapes)
        yield Finding(
            rule="loss-broadcast",
            severity="error",
            step=step,
            saw=f"{operation.name} gets shapes {first} and {second}, which expand to "
            f"{tuple(table or [])}: {math.prod(table or [])} pairs where "
            f"{max(math.prod(first), math.prod(second))} were meant.",
            expected="Prediction and target of one shape.",
            fix="Bring them to one shape: `prediction.squeeze(1)`, or `target.unsqueeze(1)` "
            "(`target.view_as(prediction)`).",
            source="PyTorch documentation, broadcasting semantics",
            where=where,
            numbers={"shapes": [list(first), list(second)], "broadcast": table},
        )


def _pairs(record: Record) -> Iterator[tuple[Operation, int, tuple[list[int], list[int]]]]:
    for head in heads(record):
        if head.operation.name in NAMED and expands(*head.shapes):
            yield head.operation, head.graph.step, head.shapes
    for graph in record.graphs:
        if graph.kind != "train":
            continue
        inside = learned(graph)
        for index in sorted(inside):
            operation = graph.operations[index]
            shapes = operation.input_shapes
            if operation.name not in ARITHMETIC or len(shapes) != 2 or len(operation.inputs) != 2:
                continue
            if _by_mistake(graph, operation, index):
                yield operation, graph.step, (shapes[0], shapes[1])


def _by_mistake(graph: Graph, operation: Operation, index: int) -> bool:
    """(N, 1) from the model meets (N,) from outside, or the reverse, on the way to the loss."""
    first, second = operation.input_shapes
    sizes = {math.prod(first), math.prod(second)}
    if len(first) == len(second) or len(sizes) != 1 or not expands(first, second):
        return False
    known = [made >= 0 and has_weight(graph, made) for made in operation.inputs]
    return sum(known) == 1 and _is_reduced(graph, index)


def _is_reduced(graph: Graph, index: int) -> bool:
    """Whether only arithmetic lies between an operation and the mean or sum of the loss."""
    passing = SHAPE | ARITHMETIC | {"pow", "square", "abs", "neg", "log", "exp", "sqrt"}
    pending, seen = [index], set[int]()
    while pending:
        position = pending.pop()
        if position in graph.roots:
            return True
        seen.add(position)
        for later in range(position + 1, len(graph.operations)):
            row = graph.operations[later]
            if position not in row.inputs or later in seen:
                continue
            if row.name in ("mean", "sum"):
                return True
            if row.name in passing:
                pending.append(later)
    return False


def broadcast(first: Sequence[int], second: Sequence[int]) -> list[int] | None:
    """The shape two shapes expand to; None where they don't fit.

    >>> broadcast([64, 1], [64])
    [64, 64]
    """
    size = max(len(first), len(second))
    left, right = ([1] * (size - len(shape)) + list(shape) for shape in (first, second))
    table: list[int] = []
    for a, b in zip(left, right, strict=True):
        if a != b and 1 not in (a, b):
            return None
        table.append(max(a, b) if a and b else 0)
    return table


def expands(first: Sequence[int], second: Sequence[int]) -> bool:
    """Whether both shapes have to grow to fit each other.

    >>> expands([64, 1], [64]), expands([64, 10], [10]), expands([1, 1], [1])
    (True, False, False)
    """
    table = broadcast(first, second)
    return table is not None and math.prod(table) > max(math.prod(first), math.prod(second))
