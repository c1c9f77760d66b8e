"""The softmaxes of training passes, also those written by hand as exp(x) / exp(x).sum()."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from steadygrad.record import Graph, Operation, Record
from steadygrad.rules.graph import LOSSES, graphs, learned, seen_through, source, takers

NAMES = frozenset({"softmax", "log_softmax"})
IMPLICIT_FIRST = (0, 1, 3)
"""Dimensions of a tensor for which torch takes the first one where no `dim` is given."""


@dataclass(frozen=True)
class Softmax:
    """One softmax a backward went through."""

    graph: Graph
    index: int
    operation: Operation
    dim: int
    """Counted from the front."""
    losses: tuple[int, ...]
    """Loss functions that take its result as it is."""

    @property
    def shape(self) -> list[int]:
        """Of its result."""
        return self.operation.shape

    @property
    def size(self) -> int:
        """How many numbers share the probability 1."""
        return self.shape[self.dim]

    @property
    def implicit(self) -> bool:
        """No `dim` was given."""
        return self.operation.name in NAMES and self.operation.attributes.get("dim") is None


def softmaxes(record: Record) -> Iterator[Softmax]:
    """Each softmax of the training passes, once."""
    seen: set[str] = set()
    for graph in graphs(record):
        inside, behind = learned(graph), takers(graph)
        for index in sorted(inside):
            operation = graph.operations[index]
            dim = _dim(graph, index)
            if dim is None or operation.layer in seen:
                continue
            seen.add(operation.layer)
            after = seen_through(behind, graph, index)
            losses = (i for i in after if graph.operations[i].name in LOSSES and i in inside)
            yield Softmax(graph, index, operation, dim, tuple(losses))


def _dim(graph: Graph, index: int) -> int | None:
    """The dimension an operation is a softmax over; None: it is none."""
    operation = graph.operations[index]
    count = len(operation.shape)
    dim = operation.attributes.get("dim")
    if operation.name in NAMES:
        if dim is None:
            dim = 0 if count in IMPLICIT_FIRST else 1
    elif operation.name == "div" and len(operation.inputs) > 1:
        dim = _sum_dim(graph, operation)
    else:
        return None
    if not isinstance(dim, int) or not -count <= dim < count:
        return None
    return dim % count


def _sum_dim(graph: Graph, division: Operation) -> object:
    """The dimension of the sum in exp(x) / exp(x).sum(dim); None where it is something else."""
    above, below = (source(graph, division, argument) for argument in (0, 1))
    if above < 0 or below < 0 or graph.operations[above].name != "exp":
        return None
    total = graph.operations[below]
    if total.name != "sum" or source(graph, total) != above:
        return None
    return total.attributes.get("dim")
