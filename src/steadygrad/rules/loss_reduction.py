"""Rule loss-reduction."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from steadygrad.record import Finding, Graph, Operation, Record
from steadygrad.rules.graph import LOSSES, SHAPE, graphs, learned
from steadygrad.rules.heads import line_of
from steadygrad.rules.series import update_ratios

PROPORTIONAL = frozenset({"SGD", "ASGD"})
"""Optimizers whose step grows with the gradient. Adam and its kin divide by its size, LBFGS
searches along it: a summed loss is all the same to them."""
RATIO = 0.05
"""Median update-to-weight ratio over the weights. Healthy layers of small nets are at 0.026 at
most in their first hundred steps."""
BIRTH = 10
"""Watched updates judged: a net that was ruined early looks normal afterwards."""
MIN_UPDATES = 3
BLOWN_UP = 1.5
"""Times the first loss, in the first ten steps."""


def loss_reduction(record: Record) -> Iterator[Finding]:
    """The loss is summed over the batch, with a learning rate meant for a mean.

    Severity: warning

    What
        A loss with reduction='sum' (or a hand-written sum) that nothing divides afterwards, under
        plain SGD, and steps that are too large: the median weight changes by over 5 % per update in
        the first ten, or the loss leaves its start upwards. A sum with Adam, or with a rate that
        fits, is left alone.
    Why
        The gradient is as many times larger as the batch has examples. The step then depends on the
        batch size, and on that of the last, smaller batch.
    Fix
        `reduction="mean"` (the default), or `loss / len(images)`.
    Source
        Bottou, Curtis, Nocedal 2018, Optimization Methods for Large-Scale Machine Learning.
    """
    names = {optimizer.name for optimizer in record.loop.optimizers if optimizer.steps}
    if not names or names - PROPORTIONAL:
        return
    ratio, growth = _median_ratio(record), _growth(record)
    if ratio < RATIO and growth < BLOWN_UP:
        return
    for graph in graphs(record):
        found = _sum(graph)
        if found is None:
            continue
        size = found.input_shapes[0][0] if found.input_shapes and found.input_shapes[0] else 0
        rate = max((line.lr for line in record.steps), default=0.0)
        over = f" over {size} examples" if size else ""
        evidence = f"a median weight changes by {ratio:.2g} of its size per update"
        if ratio < RATIO:
            evidence = f"the loss grew {growth:.3g}-fold in its first steps"
        yield Finding(
            rule="loss-reduction",
            severity="warning",
            step=record.loop.step,
            saw=f"{found.name} is a sum{over}, under a learning rate of {rate:.3g}: {evidence}.",
            expected="The mean over the batch; updates of 0.001 to 0.03 of the weights.",
            fix="Leave `reduction` at 'mean', or divide the loss by the number of examples.",
            source="Bottou et al. 2018",
            where=line_of(found),
            numbers={"update_ratio": ratio, "growth": growth, "examples": size, "lr": rate},
        )
        return


def _sum(graph: Graph) -> Operation | None:
    """The summed loss that goes into backward undivided."""
    for root in graph.roots:
        for index in _undivided(graph, root):
            operation = graph.operations[index]
            if operation.name in LOSSES and operation.attributes.get("reduction") == "sum":
                return operation
            if operation.name == "sum" and operation.shape == [] and _has_examples(operation):
                return operation
    return None


def _has_examples(operation: Operation) -> bool:
    """Whether a sum runs over a batch: over more than one number."""
    return bool(operation.input_shapes) and math.prod(operation.input_shapes[0]) > 1


def _undivided(graph: Graph, root: int) -> list[int]:
    """Operations behind `root` that nothing but sums and factors lie between."""
    inside = learned(graph)
    found: list[int] = []
    pending = [root]
    while pending:
        index = pending.pop()
        if index in inside and index not in found:
            found.append(index)
            if graph.operations[index].name in SHAPE | {"add", "mul", "neg"}:
                pending += graph.operations[index].inputs
    return found


def _median_ratio(record: Record) -> float:
    """Median over the first updates of the median update-to-weight ratio; 0 for too few."""
    birth = [middle for _, middle, _ in update_ratios(record)[:BIRTH]]
    return median(birth) if len(birth) >= MIN_UPDATES else 0.0


def _growth(record: Record) -> float:
    """Largest of the first losses by the very first; infinite where one was no number."""
    losses = [line.loss for line in record.steps[:BIRTH]]
    if len(losses) < MIN_UPDATES or not math.isfinite(losses[0]) or losses[0] <= 0:
        return 0.0
    return max(loss / losses[0] if math.isfinite(loss) else math.inf for loss in losses)
