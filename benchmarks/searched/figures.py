"""What came out: final errors, who was lower, and how soon ours stood where the others ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean, median
from typing import Any

TITLES = {
    "random": "random",
    "tpe-hyperband": "Optuna TPE + Hyperband",
    "ray-asha": "Ray Tune ASHA",
    "ours": "ours",
}
Rows = Sequence[dict[str, Any]]
"""One row per search: `worker.run`'s result."""
GRID = 400
"""Moments at which curves are averaged over seeds."""
NOTHING = 1.0
"""Error of what hands over nothing yet."""


def at(row: dict[str, Any], seconds: float, which: str) -> float:
    """Error of what this search would have handed over at that moment.

    >>> row = {"curve": [{"seconds": 2.0, "val": 0.3}, {"seconds": 5.0, "val": 0.2}]}
    >>> at(row, 1.0, "val"), at(row, 2.0, "val"), at(row, 9.0, "val")
    (1.0, 0.3, 0.2)
    """
    known = [point[which] for point in row["curve"] if point["seconds"] <= seconds]
    return known[-1] if known else NOTHING


def final(row: dict[str, Any], which: str) -> float:
    """Error when the time was up."""
    return row["curve"][-1][which] if row["curve"] else NOTHING


def share_to_reach(row: dict[str, Any], target: float, which: str) -> float:
    """Share of the budget after which this search first stood at `target`; inf: never."""
    for point in row["curve"]:
        if point[which] <= target:
            return point["seconds"] / row["seconds"]
    return math.inf


def mean_share(ours: Rows, others: Rows, which: str) -> float:
    """The same for the curves averaged over seeds: single moments' luck matters less."""
    target = mean(final(row, which) for row in others)
    for step in range(GRID + 1):
        share = step / GRID
        if mean(at(row, share * row["seconds"], which) for row in ours) <= target:
            return share
    return math.inf


def tables(rows: Rows, methods: Sequence[str], sets: Sequence[str]) -> str:
    """Markdown: a table of final errors and one of ours against each other method."""
    found = {(row["set"], row["method"], row["seed"]): row for row in rows}
    lines = [
        "| set | method | seeds | held-out error: median (mean) | validation error: median | "
        "trials | full-length | trained, in full runs |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name in sets:
        for method in methods:
            mine = [row for key, row in found.items() if key[:2] == (name, method)]
            if mine:
                lines.append(_final_line(name, method, mine))
    lines += [
        "",
        "| set | ours against | lower held-out / equal / higher | reaches their end after this "
        "share of the budget: median of seeds | mean curves | the same by validation error |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for name in sets:
        for method in methods:
            pairs = [
                (found[name, "ours", key[2]], row)
                for key, row in found.items()
                if key[:2] == (name, method) and (name, "ours", key[2]) in found
            ]
            if method != "ours" and pairs:
                lines.append(_against_line(name, method, pairs))
    return "\n".join(lines)


def _final_line(name: str, method: str, rows: Rows) -> str:
    held_out = [final(row, "held_out") for row in rows]
    val = median(final(row, "val") for row in rows)
    trained = median(row["parts"] / row["full"] for row in rows)
    return (
        f"| {name} | {TITLES[method]} | {len(rows)} | {median(held_out):.4f} "
        f"({mean(held_out):.4f}) | {val:.4f} | {median(row['trials'] for row in rows):g} | "
        f"{median(row['full_runs'] for row in rows):g} | {trained:.1f} |"
    )


def _against_line(
    name: str, method: str, pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]
) -> str:
    ends = [(final(ours, "held_out"), final(other, "held_out")) for ours, other in pairs]
    lower = sum(ours < other for ours, other in ends)
    equal = sum(ours == other for ours, other in ends)
    ours, others = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    shares = {
        which: (
            median(share_to_reach(a, final(b, which), which) for a, b in pairs),
            mean_share(ours, others, which),
        )
        for which in ("held_out", "val")
    }
    seeds, curves = shares["held_out"]
    val_seeds, val_curves = shares["val"]
    return (
        f"| {name} | {TITLES[method]} | {lower} / {equal} / {len(ends) - lower - equal} | "
        f"{_share(seeds)} | {_share(curves)} | {_share(val_seeds)}, {_share(val_curves)} |"
    )


def _share(value: float) -> str:
    return "not reached" if math.isinf(value) else f"{value:.2f}"
