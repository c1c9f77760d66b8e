"""What the page draws, computed from what was measured. Lists in, lists out; no drawing here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from steadygrad.record import Epoch, Recipe, Step
from steadygrad.report.words import number_or_none

MAX_POINTS = 800
"""Points per curve; more can't be told apart on a page and make it heavy."""

Points = tuple[list[float], list[float | None]]


def smooth(
    xs: Sequence[float], ys: Sequence[float | None], window: int, limit: int = MAX_POINTS
) -> Points:
    """Centred moving mean over `window` values (fewer at the ends), at most `limit` points of it.

    NaN and None are skipped. Every mean is summed afresh: a running sum that met 1e30 once would
    have lost all that is small.

    >>> smooth([1, 2, 3, 4], [1.0, 2.0, 6.0, None], 3)
    ([1, 2, 3, 4], [1.5, 3.0, 4.0, 6.0])
    """
    half, means = window // 2, list[float | None]()
    chosen = evenly(len(xs), limit)
    for index in chosen:
        near = map(number_or_none, ys[max(0, index - half) : index + half + 1])
        finite = [value for value in near if value is not None]
        means.append(math.fsum(finite) / len(finite) if finite else None)
    return [xs[index] for index in chosen], means


def evenly(length: int, limit: int) -> list[int]:
    """At most `limit` indices below `length`, evenly spread, the first and the last among them.

    >>> evenly(9, 3)
    [0, 4, 8]
    """
    if length <= limit:
        return list(range(length))
    return [round(i * (length - 1) / (limit - 1)) for i in range(limit)]


def thin(xs: Sequence[float], ys: Sequence[float | None], limit: int = MAX_POINTS) -> Points:
    """At most `limit` points, evenly chosen, the first and the last among them."""
    chosen = evenly(len(xs), limit)
    return [xs[i] for i in chosen], [ys[i] for i in chosen]


def envelope(xs: Sequence[float], ys: Sequence[float | None], limit: int = MAX_POINTS) -> Points:
    """At most `limit` points that keep every bucket's lowest and highest value: no spike is lost.

    >>> envelope([1, 2, 3, 4], [5.0, 9.0, 1.0, 2.0], 2)
    ([2, 3], [9.0, 1.0])
    """
    if len(xs) <= limit:
        return list(xs), list(ys)
    buckets, chosen = max(1, limit // 2), list[int]()
    for bucket in range(buckets):
        low, high = bucket * len(xs) // buckets, (bucket + 1) * len(xs) // buckets
        finite = [i for i in range(low, high) if number_or_none(ys[i]) is not None]
        if not finite:
            chosen.append(low)
            continue
        least = min(finite, key=lambda i: ys[i] or 0.0)
        most = max(finite, key=lambda i: ys[i] or 0.0)
        chosen += sorted({least, most})
    return [xs[i] for i in chosen], [ys[i] for i in chosen]


def train_loss(steps: Sequence[Step]) -> tuple[Points, Points, int]:
    """Raw loss, its moving mean, and the number of steps in that mean."""
    xs = [float(step.step) for step in steps]
    ys: list[float | None] = [number_or_none(step.loss) for step in steps]
    window = max(len(steps) // 40, 5 if len(steps) > 20 else 1) | 1
    return envelope(xs, ys), smooth(xs, ys, window), window


def first_not_finite(steps: Sequence[Step]) -> int | None:
    """The first step whose loss is NaN or infinite."""
    return next((step.step for step in steps if not math.isfinite(step.loss)), None)


def speed(steps: Sequence[Step], limit: int = 120) -> Points:
    """Images per second over time: each point is the mean over its own run of steps."""
    timed = [step for step in steps if step.data_seconds + step.compute_seconds > 0]
    xs, ys = list[float](), list[float | None]()
    buckets = min(limit, len(timed))
    for bucket in range(buckets):
        part = timed[bucket * len(timed) // buckets : (bucket + 1) * len(timed) // buckets]
        seconds = sum(step.data_seconds + step.compute_seconds for step in part)
        xs.append(float(part[-1].step))
        ys.append(sum(step.num_images for step in part) / seconds)
    return xs, ys


def best_epoch(epochs: Sequence[Epoch]) -> Epoch | None:
    """The epoch of the highest validation accuracy, the first one on a tie."""
    scored = [epoch for epoch in epochs if number_or_none(epoch.val_accuracy) is not None]
    return max(scored, key=lambda epoch: epoch.val_accuracy or 0.0, default=None)


@dataclass(frozen=True)
class Pair:
    """How often class `true` was called `predicted`: indices, pictures, share of its class."""

    true: int
    predicted: int
    count: int
    fraction: float


def confused_pairs(confusion: Sequence[Sequence[int]], limit: int) -> list[Pair]:
    """The cells off the diagonal that hold the most pictures, largest first.

    >>> confused_pairs([[5, 1], [3, 1]], 1)
    [Pair(true=1, predicted=0, count=3, fraction=0.75)]
    """
    pairs = [
        Pair(true, predicted, int(value), value / sum(row))
        for true, row in enumerate(confusion)
        for predicted, value in enumerate(row)
        if value > 0 and true != predicted
    ]
    return sorted(pairs, key=lambda pair: (-pair.count, -pair.fraction, pair.true, pair.predicted))[
        :limit
    ]


def majority_fraction(confusion: Sequence[Sequence[int]]) -> float | None:
    """Accuracy of always answering the most common class: what any network has to beat."""
    totals = [sum(row) for row in confusion]
    return max(totals) / sum(totals) if sum(totals) else None


TIME_PARTS = {
    "decoding": "Reading and decoding pictures",
    "waiting": "Waiting for data",
    "computing": "Computing updates",
    "evaluation": "Evaluation",
    "export": "Export and its proof",
}


def time_parts(timings: dict[str, float], steps: Sequence[Step]) -> list[tuple[str, str, float]]:
    """(key, label, seconds) of each part of the run; waiting and computing come from the steps
    where nobody gave them, and what "total" leaves over is the rest.
    """
    given = {key.split("-")[0].split("_")[0].lower(): key for key in timings}
    seconds: dict[str, float] = {}
    for key in TIME_PARTS:
        value = number_or_none(timings.get(given.get(key, "")))
        if value is None and steps and key in ("waiting", "computing"):
            waiting = key == "waiting"
            value = sum(s.data_seconds if waiting else s.compute_seconds for s in steps)
        if value is not None:
            seconds[key] = value
    parts = [(key, TIME_PARTS[key], value) for key, value in seconds.items()]
    used = {given[key] for key in TIME_PARTS if key in given} | {"total"}
    for key, value in timings.items():
        if key not in used and number_or_none(value) is not None:
            label = key.replace("_", " ").replace("-", " ").capitalize()
            parts.append(("other", label, float(value)))
    rest = (number_or_none(timings.get("total")) or 0.0) - sum(part[2] for part in parts)
    if rest > 0.005:
        parts.append(("other", "Everything else", rest))
    return parts


class RecipeRow(NamedTuple):
    """One number of the recipe: where it came from is "given", "chosen" or "default"."""

    name: str
    group: str
    value: Any
    origin: str
    asked: Any
    help: str


def recipe_rows(asked: dict[str, Any], resolved: dict[str, Any]) -> list[RecipeRow]:
    """Every number of the recipe with its origin; fields the Recipe doesn't know come last."""
    fields = Recipe.__dataclass_fields__
    defaults = Recipe().to_dict()
    names = [name for name in fields if name in resolved]
    names += sorted(set(resolved) - set(fields))
    rows: list[RecipeRow] = []
    for name in names:
        value, default = resolved[name], defaults.get(name)
        wanted = asked.get(name, default)
        if wanted != default and wanted == value:
            origin = "given"
        else:
            origin = "default" if value == default else "chosen"
        about: Mapping[str, Any] = fields[name].metadata if name in fields else {}
        group = str(about.get("group", "other"))
        rows.append(RecipeRow(name, group, value, origin, wanted, str(about.get("help", ""))))
    return rows
