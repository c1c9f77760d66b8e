"""The same values again: finalists over seeds, the winner over folds, each as a row of dots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean
from typing import NamedTuple

from steadygrad.report import reading
from steadygrad.report.markup import Html, tag
from steadygrad.report.scales import Scale, ticks
from steadygrad.report.search_data import Searched
from steadygrad.report.words import number_or_none, percent

WIDTH, ROW, LEFT, RIGHT = 520.0, 34.0, 74.0, 20.0
TALL = 34.0
"""Room for the axis below the rows."""


class Row(NamedTuple):
    """One row of dots."""

    label: str
    values: list[float]
    band: float
    """Two standard errors of the mean; 0: nothing is drawn."""
    tone: str


def finalists(searched: Searched) -> Html | None:
    """Each finalist's errors over its seeds, with mean and band."""
    spread = number_or_none(searched.found.get("seed_spread")) or 0.0
    won = searched.winner.number if searched.winner else None
    rows: list[Row] = []
    for one in reading.rows(searched.found, "finalists"):
        values = [v for v in reading.numbers(one, "values") if v is not None]
        tone = "tone-orange" if one.get("number") == won else "tone-blue"
        if values:
            band = 2 * spread / math.sqrt(len(values))
            rows.append(Row(f"trial {one.get('number')}", values, band, tone))
    ties = sorted(int(n) for n in reading.numbers(searched.found, "ties") if n is not None)
    tied = f" Tied with the winner: {', '.join(map(str, ties))}." if ties else ""
    note = (
        "A dot is one seed's validation error, the upright line the mean, the bar two standard "
        f"errors around it: where bars overlap much, seeds may have decided.{tied}"
    )
    return _figure(rows, "Finalists, repeated with other seeds", note)


def folds(searched: Searched) -> Html | None:
    """The winner's error in each fold."""
    found = reading.mapping(searched.found, "folds")
    values = [v for v in reading.numbers(found, "errors") if v is not None]
    if not values:
        return None
    spread = number_or_none(found.get("spread"))
    apart = "" if spread is None else f"; from fold to fold it changes by {percent(spread, 2)}"
    note = (
        f"Of {number_or_none(found.get('number')) or len(values):g} folds {len(values)} were "
        "trained: each holds out another part of the pictures. A dot is the error on one part, the "
        f"upright line their mean, {percent(mean(values), 2)}{apart} (standard deviation)."
    )
    return _figure([Row("folds", values, 0.0, "tone-orange")], "The winner over the folds", note)


def _figure(rows: Sequence[Row], title: str, note: str) -> Html | None:
    if not rows:
        return None
    ends = [value for row in rows for value in row.values]
    ends += [mean(row.values) + sign * row.band for row in rows for sign in (-1, 1)]
    low, high = max(0.0, min(ends)), max(ends)
    margin = 0.06 * (high - low) or 0.01
    x = Scale(max(0.0, low - margin), high + margin, LEFT, WIDTH - RIGHT)
    base = ROW * len(rows) + 6
    parts: list[Html] = []
    for value in ticks(x.low, x.high, 4):
        at = x(value)
        parts.append(tag("line", x1=at, x2=at, y1=4, y2=base, class_="grid"))
        text = f"{100 * value:.4g} %"
        parts.append(tag("text", text, x=at, y=base + 16, class_="tick middle"))
    parts += [_row(row, x, ROW * (place + 0.5) + 4) for place, row in enumerate(rows)]
    view = f"0 0 {WIDTH:g} {ROW * len(rows) + TALL:g}"
    svg = tag("svg", *parts, viewBox=view, role="img", aria_label=title)
    head = tag("figcaption", tag("h3", title))
    return tag("figure", head, svg, tag("p", note, class_="note"), class_="chart card")


def _row(row: Row, x: Scale, y: float) -> Html:
    middle = mean(row.values)
    left, right = x(middle - row.band), x(middle + row.band)
    box = {"x": left, "y": y - 7, "width": max(right - left, 1.0), "height": 14}
    words = ", ".join(percent(value, 2) for value in row.values)
    return tag(
        "g",
        tag("text", row.label, x=LEFT - 10, y=y + 4, class_="tick end"),
        tag("rect", **box, class_=f"band {row.tone}") if row.band else None,
        tag("line", x1=x(middle), x2=x(middle), y1=y - 11, y2=y + 11, class_=f"mean {row.tone}"),
        *(
            tag("circle", cx=x(value), cy=y, r=3.5, class_=f"dot {row.tone}")
            for value in row.values
        ),
        data_tip=f"{row.label}: mean {percent(middle, 2)} of {words}",
    )
