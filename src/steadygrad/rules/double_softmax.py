"""Rule double-softmax."""

from __future__ import annotations

import math
from collections.abc import Iterator

from steadygrad.record import Finding, Operation, Record
from steadygrad.rules.graph import line_to_change, lines, signals
from steadygrad.rules.heads import Head, heads
from steadygrad.rules.softmaxes import Softmax, softmaxes

TOLERANCE = 1e-3
"""Of a row's sum of probabilities in float32."""
TOLERANCE_HALF = 0.02
"""The same in bfloat16 and float16."""
MIN_STEPS = 2
"""Batches whose every row adds up to 1, where no softmax was seen."""
APPLIES_AGAIN = {
    "cross_entropy": frozenset({"softmax"}),
    "binary_cross_entropy_with_logits": frozenset({"sigmoid", "softmax", "hardsigmoid"}),
}
"""Loss → what must not be in front of it, because it does it itself."""


def double_softmax(record: Record) -> Iterator[Finding]:
    """Probabilities go into a loss that turns its input into probabilities again.

    Severity: error

    What
        The tensor handed to the cross entropy comes out of a softmax, or each of its rows is
        positive and adds up to 1; or that handed to BCE-with-logits comes out of a sigmoid or
        softmax. A log_softmax in front of the cross entropy changes nothing and is left out.
    Why
        The second softmax sees numbers between 0 and 1 only: with C classes no probability can get
        over e / (e + C - 1), the loss stays over ln(e + C - 1) - 1, and the gradient gets small.
    Fix
        Remove the softmax or sigmoid from the model; apply it where probabilities are shown.
    Source
        torch.nn.CrossEntropyLoss: "The input is expected to contain the unnormalized logits".
    """
    told: set[tuple[str | None, int | None]] = set()
    for finding in (*_before_losses(record), *_one_behind_another(record)):
        place = (finding.where.file, finding.where.line)
        if place not in told:
            told.add(place)
            yield finding


def _before_losses(record: Record) -> Iterator[Finding]:
    for head in heads(record):
        maker = head.made_by(head.prediction)
        if maker is not None and maker.name in APPLIES_AGAIN.get(head.operation.name, ()):
            yield _finding(head, maker, f"comes out of {maker.name}")
        elif _sums_to_one(record, head):
            deviation = max(_deviations(record, head))
            how = f"is never negative and each row adds up to 1 ± {deviation:.1g}"
            yield _finding(head, maker or head.operation, how)


def _deviations(record: Record, head: Head) -> list[float]:
    key = "input_row_sum_deviation"
    rows = signals(record, head.operation.layer)
    return [line.values[key] for line in rows if key in line.values]


def _sums_to_one(record: Record, head: Head) -> bool:
    if head.operation.name != "cross_entropy":
        return False
    found = _deviations(record, head)
    least = [line.values.get("input_min", -1.0) for line in signals(record, head.operation.layer)]
    half = head.operation.dtype in ("bfloat16", "float16")
    limit = TOLERANCE_HALF if half else TOLERANCE
    enough = len(found) >= MIN_STEPS and len(least) == len(found)
    return enough and max(found) < limit and min(least) >= 0


def _one_behind_another(record: Record) -> Iterator[Finding]:
    """A hand-written cross entropy: log_softmax of a softmax."""
    rows = list(softmaxes(record))
    for second in rows:
        for first in rows:
            if first.graph is second.graph and _feeds(first, second):
                yield _finding(
                    Head(second.graph, second.index, second.operation, 0),
                    first.operation,
                    f"comes out of {first.operation.name}",
                )


def _feeds(first: Softmax, second: Softmax) -> bool:
    if first.operation.name == "log_softmax" or first.size != second.size:
        return False
    return Head(second.graph, second.index, second.operation, 0).origin == first.index


def _finding(head: Head, maker: Operation, how: str) -> Finding:
    loss = head.operation
    classes = int(loss.attributes.get("num_classes", 0))
    where = line_to_change(maker)
    floor = math.log(math.e + classes - 1) - 1 if classes > 1 else 0.0
    bound = f" With {classes} classes the loss can't get under {floor:.3g}." if floor else ""
    return Finding(
        rule="double-softmax",
        severity="error",
        step=head.graph.step,
        saw=f"The input of {loss.name} ({lines(loss.where) or 'the loss'}) {how}; the loss applies "
        f"it again.{bound if loss.name == 'cross_entropy' else ''}",
        expected="Plain outputs of the last layer (logits), of any size and sign.",
        fix=f"Remove the {maker.name if maker is not loss else 'softmax'} in front of the loss; "
        "use it only to show probabilities.",
        source="torch.nn.CrossEntropyLoss",
        where=where,
        numbers={"maker": maker.name, "loss": loss.name, "loss_floor": floor},
    )
