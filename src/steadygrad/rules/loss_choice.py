"""Rule loss-choice."""

from __future__ import annotations

import math
from collections.abc import Iterator

from steadygrad.record import Finding, Record, Where
from steadygrad.rules.heads import (
    LABELS,
    REGRESSION,
    Head,
    hand_written,
    head_names,
    heads,
    line_of,
    place,
    ranges,
    values_of,
)

BINARY = frozenset({"binary_cross_entropy", "binary_cross_entropy_with_logits"})
MIN_CLASSES = 3
"""Two classes as 0 and 1 may well be regressed (least-squares GANs, Adaline)."""
MAX_CLASSES = 1000
MIN_EXAMPLES = 16
"""In a batch: a truth table of four rows (XOR) is no data set of two classes, and is learned."""
COVERED = 0.6
"""Share of 0 … largest that must occur in one batch before whole numbers count as class numbers:
ages and prices leave gaps, ten classes in 64 examples don't."""
MIN_STEPS = 3
"""Watched steps whose targets must all be whole numbers."""
MARGIN = 1e-3
TARGET_OUT_OF_RANGE = "elements of target should be between 0 and 1"
SOURCE = "Bishop 2006, section 4.3"

Problem = tuple[str, str, str]
"""saw, expected, fix."""


def loss_choice(record: Record) -> Iterator[Finding]:
    """A regression loss is used for classes, or a loss for classes on other targets.

    Severity: warning

    What
        A squared or absolute error of probabilities against rows of zeros and a one, of a sigmoid
        against 0 and 1, or of one output against class numbers 0, 1, 2, …; a binary cross entropy
        against three or more classes, against numbers outside 0..1, or on a softmax; a cross
        entropy against real numbers that are no probabilities. Targets that are the inputs
        (autoencoders) are left alone.
    Why
        Behind a softmax the squared error's gradient vanishes where the network is surely wrong;
        class numbers as a scale make class 3 lie between 2 and 4; the cross entropies are unbounded
        below for targets outside 0..1.
    Fix
        Classes: `F.cross_entropy(logits, labels)` with one output per class. Numbers:
        `F.mse_loss(prediction, target)` on plain outputs.
    Source
        Bishop, Pattern Recognition and Machine Learning (2006), section 4.3.
    """
    places: set[tuple[str | None, int | None]] = set()
    for head in heads(record):
        problem = _problem(record, head)
        where = line_of(head.operation)
        if problem and (where.file, where.line) not in places:
            places.add((where.file, where.line))
            yield _finding(where, head.graph.step, *problem)
    yield from _hand_written(record)
    error = record.loop.exception
    if TARGET_OUT_OF_RANGE in str(error.get("text", "")):
        where = Where(error.get("file"), error.get("line"))
        yield _finding(
            where,
            record.loop.step,
            f"The script ended with: {error['text']}.",
            "A binary cross entropy gets targets between 0 and 1.",
            "For classes 0, 1, 2, … use `F.cross_entropy` with one output per class; for real "
            "numbers `F.mse_loss`.",
        )


def _problem(record: Record, head: Head) -> Problem | None:
    name = head.operation.name
    if name in REGRESSION:
        return _rows_of_labels(record, head) or _numbers_of_classes(record, head)
    if name in BINARY:
        return _binary(record, head)
    if name == "cross_entropy":
        return _real_targets(record, head)
    return None


def _rows_of_labels(record: Record, head: Head) -> Problem | None:
    """One-hot rows or 0 and 1 as the targets of a regression."""
    maker, target = head.made_by(head.prediction), head.made_by(1 - head.prediction)
    written = (target is not None and target.name in LABELS) or _has_labels(record, head)
    zero_one = _is_zero_one(record, head)
    shape = head.shapes[0]
    classes = shape[-1] if len(shape) == 2 else 0
    through = maker.name if maker is not None else ""
    probable = through == "softmax" and zero_one and classes > 1
    column = bool(shape) and math.prod(shape) == shape[0] >= MIN_EXAMPLES
    single = through == "sigmoid" and zero_one and column
    if not (written or probable or single):
        return None
    of = f"the {through}" if through in ("softmax", "sigmoid") else "the outputs"
    what = "labels 0 and 1" if single else "one-hot rows of class labels"
    fix = "`F.binary_cross_entropy_with_logits(logits, target)`, without the sigmoid"
    if not single:
        fix = "`F.cross_entropy(logits, labels)` on the plain outputs, without softmax or one-hot"
    return (
        f"{head.operation.name} compares {of} with {what}"
        + (f" ({classes} classes)." if classes > 1 else "."),
        "A cross entropy for classes: its gradient does not vanish where the network is sure and "
        "wrong.",
        f"Use {fix}.",
    )


def _has_labels(record: Record, head: Head) -> bool:
    """Whether the targets are one-hot rows made elsewhere: the monitor read class labels of them.

    Whole numbers in one column and the labels of a second loss are told apart by their shapes.
    """
    shape = head.shapes[1]
    if len(shape) != 2 or shape[1] < MIN_CLASSES or not _is_zero_one(record, head):
        return False
    return [each.operation.name for each in heads(record)] == [head.operation.name] and any(
        batch.kind == "train" and len(batch.labels) == shape[0] for batch in record.batches
    )


def _is_zero_one(record: Record, head: Head) -> bool:
    """Whether all targets are 0 or 1, and both occur within one batch."""
    layer, spread = head.operation.layer, ranges(record, head)["target"]
    integral = values_of(record, layer, "target_integral")
    distinct = values_of(record, layer, "target_distinct")
    return (
        head.prediction == 0
        and spread == (0.0, 1.0)
        and bool(integral)
        and min(integral) == 1
        and max(distinct, default=0) == 2
    )


def _numbers_of_classes(record: Record, head: Head) -> Problem | None:
    """One output per example against 0, 1, 2, …"""
    shape, layer = head.shapes[0], head.operation.layer
    spread = ranges(record, head)["target"]
    if head.prediction or not spread or not shape or math.prod(shape) != shape[0]:
        return None
    if head.origin >= 0 and "argmax" in head_names(head.graph, head.origin):
        return None  # no-gradient names it
    integral = values_of(record, layer, "target_integral")
    distinct = max(values_of(record, layer, "target_distinct"), default=0)
    classes = spread[1] + 1
    if len(integral) < MIN_STEPS or min(integral) < 1 or spread[0] != 0:
        return None
    if not MIN_CLASSES <= classes <= MAX_CLASSES or distinct < COVERED * classes:
        return None
    return (
        f"{head.operation.name} regresses one output per example on the whole numbers 0 to "
        f"{spread[1]:.0f}, {distinct:.0f} of them in one batch: class numbers.",
        "One output per class and a cross entropy, unless the numbers are amounts.",
        f"Give the last layer {classes:.0f} outputs and use `F.cross_entropy(logits, labels)`.",
    )


def _binary(record: Record, head: Head) -> Problem | None:
    """A binary cross entropy against what is not two classes."""
    name, layer = head.operation.name, head.operation.layer
    spread, maker = ranges(record, head)["target"], head.made_by(0)
    distinct = max(values_of(record, layer, "target_distinct"), default=0)
    integral = min(values_of(record, layer, "target_integral"), default=0) == 1
    if spread and spread[1] > 1 + MARGIN and integral and distinct >= MIN_CLASSES:
        classes = spread[1] + 1
        return (
            f"{name} gets labels from {spread[0]:.0f} to {spread[1]:.0f}: {classes:.0f} classes.",
            "Labels 0 and 1.",
            f"Give the last layer {classes:.0f} outputs and use `F.cross_entropy(logits, labels)`.",
        )
    if spread and not integral and (spread[1] > 1 + MARGIN or spread[0] < -MARGIN):
        return (
            f"{name} gets targets between {spread[0]:.3g} and {spread[1]:.3g}: no probabilities.",
            "Targets between 0 and 1.",
            "Use `F.mse_loss` for such targets, or scale them to 0..1.",
        )
    if maker is not None and maker.name == "softmax" and _classes(head) >= MIN_CLASSES:
        return (
            f"{name} judges each of the {_classes(head)} outputs of a softmax by itself, though "
            "they depend on each other.",
            "A cross entropy for one class of several; a sigmoid per output where several may be "
            "right.",
            "Use `F.cross_entropy(logits, labels)`, or a sigmoid in place of the softmax "
            "(`F.binary_cross_entropy_with_logits`) for several labels at once.",
        )
    return None


def _classes(head: Head) -> int:
    shape = head.shapes[0]
    return shape[1] if len(shape) > 1 else 0


def _real_targets(record: Record, head: Head) -> Problem | None:
    """A cross entropy against numbers that are no probabilities."""
    dtype = str(head.operation.attributes.get("target_dtype", ""))
    spread = ranges(record, head)["target"]
    if "float" not in dtype or not spread:
        return None
    outside = spread[0] < -MARGIN or spread[1] > 1 + MARGIN
    if not outside and _classes(head) != 1:
        return None
    return (
        f"cross_entropy gets real numbers between {spread[0]:.3g} and {spread[1]:.3g} as targets"
        + (", and one output, which is always right." if _classes(head) == 1 else "."),
        "Class numbers, or rows of probabilities.",
        "Use `F.mse_loss(prediction, target)` for amounts; for classes hand over whole numbers "
        "(`labels.long()`) and one output per class.",
    )


def _hand_written(record: Record) -> Iterator[Finding]:
    """((softmax(x) - one_hot) ** 2).mean() and its kin."""
    for graph, root in hand_written(record):
        for operation in graph.operations[: root + 1]:
            if operation.name != "sub" or len(operation.inputs) != 2:
                continue
            sides = [Head(graph, root, operation, 0).made_by(i) for i in (0, 1)]
            if {side.name for side in sides if side} >= {"softmax"} and any(
                side and side.name in LABELS for side in sides
            ):
                yield _finding(
                    place(operation.where, operation.called),
                    graph.step,
                    "The loss compares a softmax with one-hot rows of class labels by their "
                    "difference.",
                    "A cross entropy for classes.",
                    "Use `F.cross_entropy(logits, labels)` on the plain outputs.",
                )
                return


def _finding(where: Where, step: int, saw: str, expected: str, fix: str) -> Finding:
    return Finding(
        rule="loss-choice",
        severity="warning",
        step=step,
        saw=saw,
        expected=expected,
        fix=fix,
        source=SOURCE,
        where=where,
    )
