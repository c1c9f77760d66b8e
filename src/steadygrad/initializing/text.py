"""The examination as text: one table for before and after, what else to know, the verdict."""

from __future__ import annotations

import math
from collections import Counter

from steadygrad.initializing.examine import Examination
from steadygrad.initializing.signals import LayerSignal
from steadygrad.initializing.trend import Trend

HEADER = (
    "layer", "kind", "fan in", "fan out", "next", "gain",
    "std before", "after", "gradient before", "after",
)  # fmt: skip
LEFT_COLUMNS = (0, 1, 4)
MOST_NAMES = 4


def examination_text(found: Examination, title: str) -> str:
    """All of it for a terminal."""
    rows = [HEADER]
    after = {row.name: row for row in found.after.layers}
    rows += [_cells(row, after.get(row.name)) for row in found.before.layers]
    parts = [title, _table(rows), _trends(found)]
    parts += [f"{name}: {note}" for name, note in _merged(found.notes).items()]
    parts += [f"{name}: {why}" for name, why in _merged(found.left_alone).items()]
    return "\n".join([*parts[:1], "", *parts[1:], "", found.verdict])


def _cells(before: LayerSignal, after: LayerSignal | None) -> tuple[str, ...]:
    return (
        before.name,
        before.kind,
        "" if before.fan_in is None else str(before.fan_in),
        "" if before.fan_out is None else str(before.fan_out),
        before.activation,
        f"{before.gain:.3f}",
        _size(before.std),
        _size(after.std) if after else "–",
        _size(before.gradient),
        _size(after.gradient) if after else "–",
    )


def _size(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [
        "  ".join(
            cell.ljust(width) if column in LEFT_COLUMNS else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, ""])


def _trends(found: Examination) -> str:
    lines: list[str] = []
    for what, way in (("std", "from layer to layer"), ("gradient norm", "on its way down")):
        words = [
            f"{when} {_trend(signals.signal if what == 'std' else signals.gradient)}"
            for when, signals in (("before", found.before), ("after", found.after))
        ]
        lines.append(f"{what} {way}: {', '.join(words)}")
    return "\n".join(lines)


def _trend(trend: Trend | None) -> str:
    if trend is None:
        return "no trend"
    return f"×{trend.factor:.3g} a layer (R² {trend.r_squared:.2f}, ×{trend.total:.2g} in all)"


def _merged(notes: dict[str, str]) -> dict[str, str]:
    """One line for all layers about which the same is to be said."""
    lines: dict[str, str] = {}
    for note in Counter(notes.values()):
        names = [name for name, text in notes.items() if text == note]
        rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        lines[", ".join(names[:MOST_NAMES]) + rest] = note
    return lines
