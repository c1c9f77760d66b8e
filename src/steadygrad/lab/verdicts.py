"""Verdicts: a claim held against what was measured, and how a number is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

LARGEST_WHOLE = 1e9
"""Whole numbers below it are shown digit by digit."""


@dataclass(frozen=True)
class Verdict:
    """One claim held against what was measured; `tolerance` says how far off, and why so far."""

    text: str
    holds: bool
    measured: float | None
    expected: str
    tolerance: str = ""


def near(
    text: str,
    measured: float,
    expected: float,
    *,
    relative: float = 0.0,
    absolute: float = 0.0,
    why: str,
) -> Verdict:
    """Holds where `measured` is within the larger of the two tolerances of `expected`.

    >>> near("a half", 0.51, 0.5, absolute=0.02, why="2 standard errors").holds
    True
    """
    allowed = max(absolute, relative * abs(expected))
    size = f"±{show(absolute)}"
    if relative > 0 and relative * abs(expected) >= absolute:
        size = f"±{show(100 * relative)} %" if relative >= 1e-5 else f"±{relative:g} of it"
    holds = math.isfinite(measured) and abs(measured - expected) <= allowed
    return Verdict(text, holds, float(measured), show(expected), f"{size}: {why}")


def at_least(text: str, measured: float, bound: float, *, why: str = "") -> Verdict:
    """Holds where `measured` is `bound` or more; a NaN never holds.

    >>> at_least("learned", float("nan"), 0.9).holds
    False
    """
    return Verdict(text, bool(measured >= bound), float(measured), f"≥ {show(bound)}", why)


def at_most(text: str, measured: float, bound: float, *, why: str = "") -> Verdict:
    """Holds where `measured` is `bound` or less; a NaN never holds.

    >>> at_most("small", 0.1, 0.2).expected
    '≤ 0.2'
    """
    return Verdict(text, bool(measured <= bound), float(measured), f"≤ {show(bound)}", why)


def between(text: str, measured: float, low: float, high: float, *, why: str = "") -> Verdict:
    """Holds where `measured` lies from `low` to `high`; a NaN never holds.

    >>> between("of order 1", 0.4, 0.1, 10).holds
    True
    """
    holds = bool(low <= measured <= high)
    return Verdict(text, holds, float(measured), f"{show(low)} to {show(high)}", why)


def show(value: object) -> str:
    """A number as a table shows it: four significant digits; a whole number in full.

    >>> show(0.123456), show(1797), show(1.5e-7), show(True), show(float("nan")), show(None)
    ('0.1235', '1797', '1.5e-07', 'yes', 'NaN', '')
    >>> show(50348032.0), show(1.5**100)
    ('50348032', '4.066e+17')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
        whole = value.is_integer() and abs(value) < LARGEST_WHOLE
        return f"{value:.0f}" if whole or 9999.5 <= abs(value) < 1e7 else f"{value:.4g}"
    return str(value)


def tables_of(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The rows cut into tables: a new one where a row shares too few of the columns before it.

    >>> tables_of([{"layer": 1, "std": 0.5}, {"layer": 2}, {"rate": 0.1, "loss": 2.0}])
    [[{'layer': 1, 'std': 0.5}, {'layer': 2}], [{'rate': 0.1, 'loss': 2.0}]]
    """
    tables: list[list[dict[str, Any]]] = []
    for row in rows:
        known = columns_of(tables[-1]) if tables else []
        shared = sum(name in known for name in row)
        if tables and 2 * shared > min(len(row), len(known)):
            tables[-1].append(row)
        else:
            tables.append([row])
    return tables


def columns_of(rows: list[dict[str, Any]]) -> list[str]:
    """The columns of a table in the order they first appear."""
    return list(dict.fromkeys(name for row in rows for name in row))
