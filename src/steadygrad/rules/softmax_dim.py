"""Rule softmax-dim."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Finding, Record
from steadygrad.rules.graph import built_at, first_values, line_to_change, lines
from steadygrad.rules.softmaxes import Softmax, softmaxes

TOLERANCE = 0.01
"""Of a row's sum of probabilities; bfloat16 has two to three digits."""
CLASS_LOSSES = frozenset({"cross_entropy", "nll_loss"})


def softmax_dim(record: Record) -> Iterator[Finding]:
    """A softmax runs over the wrong dimension: over the batch instead of the classes.

    Severity: error

    What
        A softmax or log_softmax (also one written as exp / sum) in front of a loss whose dimension
        is not that of the loss's classes, or one inside the network over a first dimension that is
        the batch. Attention over positions is left out, and so is a square table of similarities.
    Why
        Probabilities then add up to 1 over the examples of the batch: each picture competes with
        its neighbours, and one alone always gets probability 1.
    Fix
        `log_softmax(x, dim=1)` for (N, C) and pictures (N, C, H, W); `dim=-1` where the classes
        come last. Without `dim` torch takes the first dimension of three.
    Source
        torch.nn.functional.softmax: "dim: a dimension along which softmax will be computed".
    """
    for softmax in softmaxes(record):
        reason = _wrong(record, softmax)
        if reason:
            yield _finding(softmax, reason)


def _wrong(record: Record, softmax: Softmax) -> str:
    """What is wrong with its dimension; "" if nothing is."""
    shape, dim = softmax.shape, softmax.dim
    for index in softmax.losses:
        loss = softmax.graph.operations[index]
        classes = int(loss.attributes.get("num_classes", 0))
        if loss.name not in CLASS_LOSSES or classes < 2 or len(shape) < 2:
            continue
        if softmax.size != classes:
            return f"{loss.name} sees {classes} classes, the softmax adds up over {softmax.size}"
        values = first_values(record, loss.layer)
        sums = values.get("input_exp_row_sum_deviation", 0.0)
        if dim == 0 and softmax.operation.name == "log_softmax" and sums > TOLERANCE:
            return f"probabilities of an example add up to 1 ± {sums:.2g} in {loss.name}"
        return ""
    batches = {batch.size for batch in record.batches if batch.kind == "train"}
    over_batch = dim == 0 and len(shape) in (2, 3) and shape[0] > 1 and shape[0] in batches
    if over_batch and shape[0] not in shape[1:] and shape[1] > 1:
        return f"its first dimension is the batch of {shape[0]} examples"
    return ""


def _finding(softmax: Softmax, reason: str) -> Finding:
    operation, shape = softmax.operation, softmax.shape
    given = "no dim, which means dim 0," if softmax.implicit else f"dim {softmax.dim}"
    name = operation.name if operation.name != "div" else "exp(x) / sum"
    classes = "dim=1" if len(shape) != 3 else "dim=-1"
    own_module = operation.layer == operation.where.module
    where = built_at(operation) if own_module else line_to_change(operation)
    called = lines(operation.where)
    return Finding(
        rule="softmax-dim",
        severity="error",
        step=softmax.graph.step,
        saw=f"{name} over {given} of a tensor of shape {tuple(shape)}"
        f"{f' in {called}' if called and called != lines(where) else ''}: {reason}.",
        expected="Probabilities that add up to 1 over the classes of each example.",
        fix=f"Name the dimension of the classes: {classes}.",
        source="torch.nn.functional.softmax",
        where=where,
        numbers={"dim": softmax.dim, "shape": list(shape)},
    )
