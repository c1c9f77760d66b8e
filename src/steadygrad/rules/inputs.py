"""What models were given in training: the batches, and the layers that take them as they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import median

from steadygrad.record import OUTSIDE, PARAMETER, Batch, Graph, Operation, Record, Where
from steadygrad.rules.graph import (
    NORMS,
    SHAPE,
    graphs,
    is_weighted,
    learned,
    seen_through,
    takers,
    upstream,
)

RECURRENT = frozenset({"lstm", "gru", "rnn"})
KEEPING = SHAPE | {"dropout", "feature_dropout", "alpha_dropout"}


@dataclass(frozen=True)
class Inputs:
    """The batches one model was trained with, of the first watched steps."""

    batches: list[Batch]

    @property
    def first(self) -> Batch:
        """Where it was called first."""
        return self.batches[0]

    def value(self, key: str) -> float:
        """The median of a statistic over the batches; NaN where it was never measured."""
        found = [b.inputs[key] for b in self.batches if key in b.inputs]
        return median(found) if found else math.nan

    @property
    def where(self) -> Where:
        """The line that calls the model: what is wrong with the numbers is wrong there for sure."""
        return replace(self.first.where)

    @property
    def origin(self) -> Where:
        """The line that made the numbers, as far as they could be followed; else the call's."""
        origin = next((b.origin for b in self.batches if b.origin and b.origin.file), None)
        return replace(origin) if origin is not None else self.where


def trained_with(record: Record) -> list[Inputs]:
    """The floating inputs of each model in training passes, model by model."""
    found: dict[str, list[Batch]] = {}
    for batch in record.batches:
        if batch.kind == "train" and "std" in batch.inputs and not batch.dtype.startswith("int"):
            found.setdefault(batch.model, []).append(batch)
    return [Inputs(batches) for batches in found.values()]


def entries(record: Record, batch: Batch) -> list[Operation]:
    """Layers that take a batch as it is, with no norm before or directly behind them.

    What comes through any other operation (a division by 255 in the model) is not the batch's.
    """
    found: dict[str, Operation] = {}
    for graph in graphs(record):
        inside, behind = learned(graph), takers(graph)
        for index in sorted(inside):
            operation = graph.operations[index]
            if _takes(graph, operation, batch) and not _cured(graph, behind, index):
                found.setdefault(operation.layer, operation)
    return list(found.values())


def _takes(graph: Graph, operation: Operation, batch: Batch) -> bool:
    layer = is_weighted(operation) and operation.name != "embedding"
    if not layer and operation.name not in RECURRENT:
        return False
    for made, shape in zip(operation.inputs, operation.input_shapes):
        if made == PARAMETER or upstream(graph, made, KEEPING) != OUTSIDE:
            continue
        return math.prod(shape) == math.prod(batch.shape)
    return False


def _cured(graph: Graph, behind: list[list[int]], index: int) -> bool:
    """A norm directly behind sets the scale anew, gradients included."""
    after = [graph.operations[i] for i in seen_through(behind, graph, index)]
    return bool(after) and all(_sets_scale(each) for each in after)


def _sets_scale(operation: Operation) -> bool:
    own = operation.name != "batch_norm" or operation.attributes.get("training", True)
    return operation.name in NORMS and bool(own)
