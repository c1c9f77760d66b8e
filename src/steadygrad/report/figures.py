"""Charts as SVG: readable without script, and with the numbers beside them for the tooltips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from steadygrad.report.markup import Html, data_script, tag
from steadygrad.report.scales import Scale, log_limits, scale_of, tick_text
from steadygrad.report.words import MISSING, number_or_none

WIDTH, HEIGHT = 520.0, 270.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 12.0, 40.0
LEGEND = 6
"""Lines named in a legend; of more the first and the last."""


@dataclass(frozen=True)
class Series:
    """One line of a chart; None among `ys` leaves a gap."""

    label: str
    xs: Sequence[float]
    ys: Sequence[float | None]
    tone: str = "blue"
    look: str = "line"
    """line, faint (no legend, no tooltip), dots (a line with its points), or dashed."""


@dataclass(frozen=True)
class Mark:
    """An event on the x axis."""

    x: float
    label: str
    text: str


@dataclass(frozen=True)
class Level:
    """A height worth knowing: a line across the chart, or a shaded band where `high` is given."""

    low: float
    label: str
    high: float | None = None
    look: str = "reference"
    """reference or limit."""


@dataclass(frozen=True)
class Chart:
    """A line chart: what is drawn, and between which limits (None: from the data)."""

    key: str
    """Unique in the page."""
    title: str
    series: list[Series]
    x_label: str
    y_label: str = ""
    percent: bool = False
    y_range: tuple[float | None, float | None] = (None, None)
    x_range: tuple[float, float] | None = None
    marks: list[Mark] = field(default_factory=list[Mark])
    note: str = ""
    log: bool = False
    """The y axis is logarithmic, whatever the data; what is not positive leaves a gap."""
    log_x: bool = False
    """The x axis is logarithmic from 0 on: what happens first has room."""
    levels: list[Level] = field(default_factory=list[Level])
    x_names: list[str] = field(default_factory=list[str])
    """Of x = 1, 2, …, for the tooltips."""


def draw(chart: Chart) -> Html:
    """The chart as a figure with legend, or a sentence where there is nothing to draw."""
    series = [_positive(s) for s in chart.series] if chart.log else chart.series
    kept = [s for s in series if any(number_or_none(y) is not None for y in s.ys)]
    if not kept:
        empty = tag("p", "Nothing to draw: no finite value was measured.", class_="empty")
        return tag("figure", _caption(chart, []), empty, class_="chart card")
    # Raw, spiky lines don't set the limits: the smoothed ones have to stay readable.
    ruling = [s for s in kept if s.look != "faint"] or kept
    finite = [value for s in ruling for y in s.ys if (value := number_or_none(y)) is not None]
    limits = log_limits(finite, chart.y_range) if chart.log else scale_of(finite, chart.y_range)
    y = Scale(limits[0], limits[1], HEIGHT - BOTTOM, TOP, limits[2])
    xs = [x for s in kept for x in s.xs] + [mark.x for mark in chart.marks]
    x_low, x_high = chart.x_range or (min(xs), max(xs))
    if x_low == x_high:
        x_low, x_high = x_low - 0.5, x_high + 0.5
    offset = 1.0 if chart.log_x else 0.0
    x = Scale(x_low, x_high, LEFT, WIDTH - RIGHT, chart.log_x, offset)
    body = [
        _clip(chart.key),
        *(_band(level, y) for level in chart.levels if level.high is not None),
        _axes(chart, x, y),
        *(_level(level, y) for level in chart.levels if level.high is None),
        *(_mark(mark, x) for mark in chart.marks),
        tag("g", *(_series(s, x, y) for s in kept), clip_path=f"url(#clip-{chart.key})"),
    ]
    summary = "; ".join(f"{s.label} ends at {_last(s, chart.percent)}" for s in ruling)
    svg = tag(
        "svg",
        *body,
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        role="img",
        tabindex="0",
        aria_label=f"{chart.title}. {summary}.",
    )
    numbers = data_script(_numbers(chart, kept, x, y), class_="numbers")
    cut = f"The axis leaves out values up to {max(finite):.3g}." if max(finite) > y.high else None
    words = [word for word in (chart.note, cut) if word]
    note = tag("p", " ".join(words), class_="note") if words else None
    return tag("figure", _caption(chart, ruling), svg, note, numbers, class_="chart card")


def _numbers(chart: Chart, kept: list[Series], x: Scale, y: Scale) -> dict[str, object]:
    return {
        "x": [x.low, x.high, x.start, x.end],
        "y": [y.low, y.high, y.start, y.end],
        "log": y.log,
        "x_offset": x.offset,
        "x_names": chart.x_names,
        "percent": chart.percent,
        "name": chart.x_label,
        "series": [
            {"label": s.label, "tone": s.tone, "xs": list(s.xs), "ys": list(s.ys)}
            for s in kept
            if s.look != "faint"
        ],
        "marks": [{"x": mark.x, "text": mark.text} for mark in chart.marks],
    }


def _last(series: Series, percent: bool) -> str:
    values = [value for y in series.ys if (value := number_or_none(y)) is not None]
    if not values:
        return MISSING
    return f"{100 * values[-1]:.1f} %" if percent else f"{values[-1]:.3g}"


def _caption(chart: Chart, series: list[Series]) -> Html:
    items = [
        tag("span", tag("i", class_=f"swatch {s.look} tone-{s.tone}"), s.label) for s in series
    ]
    if len(items) > LEGEND:
        # So many lines are coloured from the first to the last: both ends tell the rest.
        items = [items[0], tag("span", "…"), items[-1]]
    legend = tag("span", *items, class_="legend") if len(items) > 1 else None
    return tag("figcaption", tag("h3", chart.title), legend)


def _clip(key: str) -> Html:
    area = tag(
        "rect", x=LEFT, y=TOP - 4, width=WIDTH - LEFT - RIGHT + 6, height=HEIGHT - TOP - BOTTOM + 8
    )
    return tag("defs", tag("clipPath", area, id=f"clip-{key}"))


def _axes(chart: Chart, x: Scale, y: Scale) -> Html:
    parts: list[Html] = []
    for value in y.ticks():
        at = y(value)
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="grid"))
        text = f"{100 * value:g} %" if chart.percent else tick_text(value)
        parts.append(tag("text", text, x=LEFT - 7, y=at + 4, class_="tick end"))
    base = HEIGHT - BOTTOM
    for value in x.ticks():
        if chart.x_names and value != round(value):
            continue
        at = x(value)
        parts.append(tag("line", x1=at, x2=at, y1=base, y2=base + 4, class_="axis"))
        parts.append(tag("text", tick_text(value), x=at, y=base + 17, class_="tick middle"))
    parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=base, y2=base, class_="axis"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(tag("text", chart.x_label, x=middle, y=HEIGHT - 6, class_="name middle"))
    if chart.y_label:
        parts.append(tag("text", chart.y_label, x=LEFT, y=TOP - 1, class_="name start"))
    return tag("g", *parts)


def _positive(series: Series) -> Series:
    ys = [y if (number_or_none(y) or 0.0) > 0 else None for y in series.ys]
    return replace(series, ys=ys)


def _band(level: Level, y: Scale) -> Html:
    top, base = max(y(level.high or 0.0), TOP), min(y(level.low), HEIGHT - BOTTOM)
    box = {"x": LEFT, "width": WIDTH - LEFT - RIGHT, "y": top, "height": max(base - top, 0.0)}
    words = tag("text", level.label, x=WIDTH - RIGHT - 6, y=top + 15, class_="standard end")
    return tag("g", tag("rect", **box, class_="band"), words)


def _level(level: Level, y: Scale) -> Html:
    at = y(level.low)
    line = tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_=level.look)
    return tag("g", line, tag("text", level.label, x=LEFT + 6, y=at - 4, class_="standard start"))


def _mark(mark: Mark, x: Scale) -> Html:
    at, base = x(mark.x), HEIGHT - BOTTOM
    late = at > WIDTH - RIGHT - 40
    side = "end" if late else "start"
    corners = f"{at - 5:.1f},{base + 8:.1f} {at + 5:.1f},{base + 8:.1f} {at:.1f},{base:.1f}"
    return tag(
        "g",
        tag("title", mark.text),
        tag("line", x1=at, x2=at, y1=TOP, y2=base, class_="event"),
        tag("polygon", points=corners, class_="event"),
        tag("text", mark.label, x=at + (-4 if late else 4), y=TOP + 8, class_=f"event {side}"),
    )


def _series(series: Series, x: Scale, y: Scale) -> Html:
    path = _path(series, x, y)
    parts = [tag("path", d=path, class_=f"curve {series.look} tone-{series.tone}")]
    pairs = zip(series.xs, map(number_or_none, series.ys))
    finite = [(a, b) for a, b in pairs if b is not None]
    if (series.look == "dots" and len(finite) <= 60) or len(finite) == 1:
        parts += [
            tag("circle", cx=x(a), cy=y(b), r=3, class_=f"dot tone-{series.tone}")
            for a, b in finite
        ]
    return tag("g", *parts)


def _path(series: Series, x: Scale, y: Scale) -> str:
    words: list[str] = []
    gap = True
    for a, b in zip(series.xs, series.ys):
        value = number_or_none(b)
        if value is None:
            gap = True
            continue
        words.append(f"{'M' if gap else 'L'}{x(a):.1f} {y(value):.1f}")
        gap = False
    return "".join(words)
