"""Heat maps as tables: a row a layer, a column a watched step, the latest number as text."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from steadygrad.report.inside import Grid
from steadygrad.report.markup import Html, data_script, tag
from steadygrad.report.scales import tick_text
from steadygrad.report.words import MISSING, plural, shorten

LEVELS = 9
LABELS = 6
"""Steps named above the columns."""
NAME = 20
"""Characters of a layer's name: its end tells layers apart, so it is cut in the middle."""
REACH = 1e4
"""Times the median, both ways: sizes further off share the end of the colours."""


@dataclass(frozen=True)
class Heat:
    """One heat map: what it shows and how numbers become colours and words."""

    title: str
    note: str
    """How to read it, and what healthy looks like."""
    grid: Grid
    part: Callable[[float], float]
    """Number → place on the colours: 0 to 1, or -1 to 1 where `signed`."""
    word: Callable[[float], str]
    ends: tuple[str, str]
    """What the palest (or most negative) and the strongest colour mean."""
    signed: bool = False


def draw(heat: Heat) -> Html:
    """The map as a figure; empty where nothing was measured."""
    grid = heat.grid
    if not grid.finite and not any(v is not None for row in grid.rows for v in row):
        return Html("")
    body = tag("tbody", *(_row(heat, index) for index in range(len(grid.names))))
    widths = tag(
        "colgroup", tag("col", class_="name"), tag("col", span=len(grid.steps)), tag("col")
    )
    label = f"{heat.title}: {plural(len(grid.names), 'layer')} at {len(grid.steps)} steps"
    left_out = f" {plural(grid.left_out, 'layer')} more not drawn." if grid.left_out else ""
    return tag(
        "figure",
        tag("figcaption", tag("h3", heat.title), _legend(heat)),
        tag("p", heat.note + left_out, class_="note"),
        tag(
            "div",
            tag("table", widths, _head(grid.steps), body, role="img", aria_label=label),
            class_="scroll",
        ),
        data_script(_numbers(heat), class_="numbers"),
        class_="heat card",
    )


def log_part(grid: Grid) -> tuple[Callable[[float], float], float, float]:
    """Place of a positive size on the colours, by its logarithm, and the sizes at both ends."""
    positive = sorted(value for value in grid.finite if value > 0) or [1.0]
    middle = positive[len(positive) // 2]
    low, high = max(positive[0], middle / REACH), min(positive[-1], middle * REACH)
    if high < 10 * low:
        # Less than a decade is no difference worth a colour.
        low, high = low / math.sqrt(10 * low / high), high * math.sqrt(10 * low / high)

    def part(value: float) -> float:
        return math.log(value / low) / math.log(high / low) if value > 0 else 0.0

    return part, low, high


def _row(heat: Heat, index: int) -> Html:
    name, row = heat.grid.names[index], heat.grid.rows[index]
    cells = [tag("td", class_=_level(heat, value)) for value in row]
    last = next((value for value in reversed(row) if value is not None), None)
    words = MISSING if last is None else _word(heat, last)
    head = tag("th", tag("code", shorten(name, NAME)), scope="row", title=name)
    return tag("tr", head, *cells, tag("td", words, class_="number"))


def _level(heat: Heat, value: float | None) -> str | None:
    if value is None:
        return None
    if not math.isfinite(value):
        return "bad"
    part = heat.part(value)
    level = round(min(abs(part), 1.0) * LEVELS)
    return f"{'m' if heat.signed and part < 0 else 'l'}{level}"


def _word(heat: Heat, value: float) -> str:
    return heat.word(value) if math.isfinite(value) else str(value)


def _head(steps: list[int]) -> Html:
    every = math.ceil(len(steps) / LABELS)
    heads = [tag("th", "layer \\ step", scope="col")]
    starts = list(range(0, len(steps), every))
    if len(starts) > 1 and len(steps) - starts[-1] < 0.7 * every:
        # The last label would have no room of its own.
        starts.pop()
    for at, end in zip(starts, [*starts[1:], len(steps)]):
        span = end - at
        heads.append(tag("th", tick_text(steps[at]), scope="col", colspan=span, class_="step"))
    heads.append(tag("th", "last", scope="col", class_="number"))
    return tag("thead", tag("tr", *heads))


def _legend(heat: Heat) -> Html:
    looks = [f"l{level}" for level in range(LEVELS + 1)]
    if heat.signed:
        looks = [f"m{level}" for level in range(LEVELS, 0, -2)] + looks[::2]
    ramp = tag("span", *(tag("i", class_=look) for look in looks), class_="ramp")
    broken = any(v is not None and not math.isfinite(v) for row in heat.grid.rows for v in row)
    bad = tag("span", tag("i", class_="ramp bad"), " NaN or infinite") if broken else None
    return tag("span", tag("span", heat.ends[0], ramp, heat.ends[1]), bad, class_="legend")


def _numbers(heat: Heat) -> dict[str, object]:
    rows = [
        ["not measured" if value is None else _word(heat, value) for value in row]
        for row in heat.grid.rows
    ]
    return {"names": heat.grid.names, "steps": heat.grid.steps, "rows": rows}
