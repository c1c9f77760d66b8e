"""Numbers several rules read from a Record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from steadygrad.record import Record


def num_classes(record: Record) -> int:
    """How many classes the network tells apart; 0 where unknown."""
    return len(record.facts.classes) or int(record.facts.initial.get("num_classes", 0))


def train_counts(record: Record) -> list[int]:
    """Training pictures per class; empty where unknown."""
    counts = record.facts.class_counts.get("train")
    if counts is not None:
        return list(counts)
    return list(record.facts.audit.get("class_counts", {}).get("train", {}).values())


def guess_loss(record: Record) -> float | None:
    """The cross entropy of the best constant guess, in nats: the entropy of the class shares.

    ln C for balanced classes. None where neither counts nor at least two classes are known.
    """
    counts = [count for count in train_counts(record) if count > 0]
    if len(counts) > 1:
        total = sum(counts)
        return -sum(count / total * math.log(count / total) for count in counts)
    return uniform_loss(record)


def uniform_loss(record: Record) -> float | None:
    """The cross entropy of equal probabilities: ln C; None where C is unknown."""
    return math.log(num_classes(record)) if num_classes(record) > 1 else None


def majority_share(record: Record) -> float:
    """The accuracy of always guessing the largest class; 1/C, or 0, where counts are unknown."""
    counts = train_counts(record)
    if sum(counts):
        return max(counts) / sum(counts)
    return 1 / num_classes(record) if num_classes(record) else 0.0


def smooth(values: Sequence[float], width: int = 3) -> list[float]:
    """Mean of each value with up to width - 1 before it: one odd epoch proves nothing.

    >>> smooth([3.0, 1.0, 2.0])
    [3.0, 2.0, 2.0]
    """
    return [fmean(values[max(0, i + 1 - width) : i + 1]) for i in range(len(values))]


def listed(names: Sequence[str], limit: int = 3) -> str:
    """A few names in a sentence.

    >>> listed(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
