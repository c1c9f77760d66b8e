"""Rule label-range."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from steadygrad.record import Finding, Record, Where
from steadygrad.record.measured import Severity
from steadygrad.rules.graph import call_line, first_graph
from steadygrad.rules.heads import Head, heads, ranges, values_of

CLASS_LOSSES = frozenset({"cross_entropy", "nll_loss"})
BINARY = frozenset({"binary_cross_entropy", "binary_cross_entropy_with_logits"})
SLACK = 0.01
"""Targets of resized or smoothed pictures end a little outside 0..1."""
TINY_TARGET = 0.05
"""Labels of 1 that were divided by 255 are 0.004; soft labels reach higher."""
ENOUGH = 200
"""Labels seen before a class counts as absent."""
PER_CLASS = 20
"""Labels of each class that was seen: by then the others would have come, were there any."""
FAR_FEWER = 1 / 3
"""Classes seen by outputs of the head."""
OUT_OF_RANGE = re.compile(r"Target (-?\d+) is out of bounds|Assertion .*n_classes")
WRONG_KIND = re.compile(
    r"multi-target not supported|expected scalar type Long|"
    r"Expected floating point type for target|all elements of target should be between 0 and 1|"
    r"0D or 1D target tensor expected|expected target size"
)
LATE = 200
"""Updates after which every class has come, if the data is not sorted (no epoch is known)."""


@dataclass(frozen=True)
class Reason:
    """Why the labels don't fit."""

    severity: Severity
    saw: str
    fix: str
    where: Where


def label_range(record: Record) -> Iterator[Finding]:
    """Labels don't fit the head: out of range, scaled, counted from 1, or far fewer classes.

    Severity: error or warning

    What
        The script died in a class loss because of its labels; targets of a binary loss outside
        0..1; class probabilities that can't add up to 1; only one label in all the data (divided by
        255 and rounded, all are 0). A warning where label 0 never comes but the last one does, or
        where less than a third of the outputs has any example, over an epoch or 200 updates and
        20 labels for each class seen.
    Why
        Out of range is an error of the index; a target of 2 drives a sigmoid to infinity; outputs
        without examples are learned away first and hide that the labels mean something else.
    Fix
        `labels = labels - 1` where they count from 1; `nn.Linear(features, len(classes))`; leave
        labels out of the scaling of the pictures; `ignore_index=255` for a void class.
    Source
        torch.nn.CrossEntropyLoss: "class indices in the range [0, C)".
    """
    reason = _died(record)
    for head in heads(record) if reason is None else ():
        reason = reason or _impossible(record, head) or _absent(record, head)
    if reason is None:
        return
    yield Finding(
        rule="label-range",
        severity=reason.severity,
        step=record.loop.step if record.loop.exception else 0,
        saw=reason.saw,
        expected="Class numbers from 0 to C - 1 for C outputs, each with examples; 0 to 1 for "
        "binary losses.",
        fix=reason.fix,
        source="torch.nn.CrossEntropyLoss",
        where=reason.where,
        numbers={},
    )


def _died(record: Record) -> Reason | None:
    """The script's own exception came from labels."""
    exception = record.loop.exception
    text, name = str(exception.get("text", "")), str(exception.get("operation", ""))
    out = OUT_OF_RANGE.search(text)
    if not out and not (WRONG_KIND.search(text) and name in CLASS_LOSSES | BINARY):
        return None
    values, attributes = exception.get("values", {}), exception.get("attributes", {})
    classes = int(attributes.get("num_classes", 0))
    low, high = (values.get(key, math.nan) for key in ("target_min", "target_max"))
    seen = f" Labels of this batch: {low:g} to {high:g}." if math.isfinite(low) else ""
    outputs = f" The head has {classes} outputs." if classes else ""
    first = text.strip().splitlines()[0] if text.strip() else "an error"
    fix = "Count labels from 0 (labels - 1), and give the head as many outputs as classes."
    if high == 255:
        fix = "255 usually marks void pixels: CrossEntropyLoss(ignore_index=255)."
    elif not out:
        fix = "Class numbers are int64 of shape (N,); targets of binary losses float, like outputs."
    elif low == 1 or high == classes:
        fix = "Labels count from 1: use labels - 1."
    where = Where(file=exception.get("file"), line=exception.get("line"))
    saw = f"{name or 'The loss'} stopped the script: {first.rstrip('.')}.{outputs}{seen}"
    return Reason("error", saw, fix, where)


def _impossible(record: Record, head: Head) -> Reason | None:
    """Targets no output can mean."""
    loss = head.operation
    found = ranges(record, head)["target"]
    if found is None or not all(map(math.isfinite, found)):
        return None
    low, high = found
    where = replace(call_line(loss))
    if loss.name in BINARY and (low < -SLACK or high > 1 + SLACK):
        return Reason(
            "error",
            f"Targets of {loss.name} lie between {low:g} and {high:g}.",
            "Binary targets are 0 or 1: (labels == positive).float(). For several classes use a "
            "cross entropy with one output each.",
            where,
        )
    floating = str(loss.attributes.get("target_dtype", "")).startswith(("float", "bfloat"))
    classes = int(loss.attributes.get("num_classes", 0))
    outside = low < -SLACK or high > 1 + SLACK or high * classes < 1 - SLACK
    if loss.name == "cross_entropy" and floating and classes > 1 and outside:
        return Reason(
            "error",
            f"Class probabilities handed to {loss.name} lie between {low:.3g} and {high:.3g}; "
            f"{classes} of them can't add up to 1.",
            "Hand over class numbers (int64, shape (N,)), or rows that add up to 1; don't scale "
            "labels with the pictures.",
            where,
        )
    if (
        loss.name in BINARY
        and low >= 0
        and 0 < high < TINY_TARGET
        and _distinct(record, loss.layer) == 2
    ):
        return Reason(
            "error",
            f"Targets of {loss.name} are {low:g} and {high:.3g}: labels were scaled.",
            "Leave the labels out of the scaling of the pictures.",
            where,
        )
    return None


def _distinct(record: Record, layer: str) -> int:
    return int(max(values_of(record, layer, "target_distinct"), default=0.0))


def _absent(record: Record, head: Head) -> Reason | None:
    """Outputs no label names, over enough labels of all the data."""
    loss = head.operation
    classes = int(loss.attributes.get("num_classes", 0))
    counts = Counter(label for b in record.batches if b.kind == "train" for label in b.labels)
    counts.pop(int(loss.attributes.get("ignore_index", -100)), None)
    total = sum(counts.values())
    if loss.name not in CLASS_LOSSES or classes < 2 or len(head.shapes[0]) != 2:
        return None
    if total < ENOUGH or not _all_data_seen(record) or _reads_tokens(record):
        return None
    if len({h.operation.attributes.get("num_classes") for h in heads(record)}) > 1:
        return None  # several tasks: whose labels these are is not recorded
    where = replace(call_line(loss))
    if len(counts) == 1:
        (label,) = counts
        return Reason(
            "error",
            f"All {total} labels seen are {label}, for a head of {classes} outputs.",
            "Look where the labels are made: scaled with the pictures and rounded they are all 0.",
            where,
        )
    if total < PER_CLASS * len(counts):
        return None
    low, high = min(counts), max(counts)
    if low == 1 and high == classes - 1 and len(counts) == classes - 1 > 1:
        return Reason(
            "warning",
            f"{total} labels go from 1 to {high}, none is 0, and the head has {classes} outputs.",
            f"Labels count from 1: use labels - 1 and {classes - 1} outputs.",
            where,
        )
    if len(counts) <= FAR_FEWER * classes:
        return Reason(
            "warning",
            f"{total} labels name {len(counts)} classes ({low} to {high}); the head has {classes} "
            "outputs.",
            f"Give the last layer {high + 1} outputs, or look why the others have no examples.",
            where,
        )
    return None


def _all_data_seen(record: Record) -> bool:
    """Sorted data shows one class at first: wait for an epoch, or for long enough."""
    loop = record.loop
    examples = max((b.size for b in record.batches if b.kind == "train"), default=0)
    sizes = [loader.num_examples for loader in loop.loaders if loader.kind == "train"]
    if sizes and max(sizes) > 0:
        return loop.step * examples >= max(sizes)
    return loop.batch_period > 0 or loop.step >= LATE or (loop.finished and loop.step > 0)


def _reads_tokens(record: Record) -> bool:
    """A language model: most words of a vocabulary are rare, and word 0 is often padding."""
    graph = first_graph(record)
    embeds = graph is not None and any(o.name == "embedding" for o in graph.operations)
    return embeds or any(batch.dtype.startswith("int") for batch in record.batches)
