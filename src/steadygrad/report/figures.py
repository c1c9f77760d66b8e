"""Charts as SVG: readable without script, and with the numbers beside them for the tooltips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from steadygrad.report.markup import Html, data_script, escape, tag
from steadygrad.report.words import MISSING, number_or_none, short_count

WIDTH, HEIGHT = 520.0, 270.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 12.0, 40.0
SPIKE = 30.0
"""Times the 90th percentile; what lies above is cut off at the top of a chart, and said so."""


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


@dataclass(frozen=True)
class Scale:
    """Data coordinates to pixels along one axis."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; outside the limits it leaves the plot (and is clipped)."""
        if self.log:
            floor = self.low * 1e-3
            part = math.log(max(value, floor) / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        # A spike to 1e30 is cut here: browsers draw nothing at all from such a coordinate.
        return self.start + min(max(part, -5.0), 5.0) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values inside the limits, five or so."""
        return log_ticks(self.low, self.high) if self.log else ticks(self.low, self.high)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between `low` and `high`.

    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [float(f"{index * step:.10g}") for index in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten between `low` and `high`; their double and fivefold where there are few.

    >>> log_ticks(0.01, 10)
    [0.01, 0.1, 1.0, 10.0]
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    multiples = (1, 2, 5) if len(powers) <= 3 else (1,)
    values = [float(f"{m * 10.0**power:.3g}") for power in powers for m in multiples]
    values = [value for value in values if low * 0.999 <= value <= high * 1.001]
    return values[:: max(1, math.ceil(len(values) / 6))]


def scale_of(
    values: Sequence[float], limits: tuple[float | None, float | None]
) -> tuple[float, float, bool]:
    """Low, high and whether logarithmic (all positive, over two decades, no limit given)."""
    values = without_spikes(values)
    low, high = min(values), max(values)
    if limits == (None, None) and low > 0 and high / low > 100:
        return low / 1.15, high * 1.15, True
    margin = 0.05 * (high - low) or abs(high) * 0.1 or 0.5
    low = limits[0] if limits[0] is not None else max(low - margin, 0.0 if low >= 0 else -math.inf)
    high = limits[1] if limits[1] is not None else high + margin
    return (low, high, False) if high > low else (low, low + 1.0, False)


def without_spikes(values: Sequence[float]) -> list[float]:
    """The values that set an axis: a loss that jumps to 1e30 must not flatten all the others.

    >>> without_spikes([1.0] * 20 + [1e30]) == [1.0] * 20
    True
    """
    cap = SPIKE * sorted(map(abs, values))[int(0.9 * (len(values) - 1))]
    return [value for value in values if abs(value) <= cap] if cap else list(values)


def draw(chart: Chart) -> Html:
    """The chart as a figure with legend, or a sentence where there is nothing to draw."""
    kept = [s for s in chart.series if any(number_or_none(y) is not None for y in s.ys)]
    if not kept:
        empty = tag("p", "Nothing to draw: no finite value was measured.", class_="empty")
        return tag("figure", _caption(chart, []), empty, class_="chart card")
    # Raw, spiky lines don't set the limits: the smoothed ones have to stay readable.
    ruling = [s for s in kept if s.look != "faint"] or kept
    finite = [value for s in ruling for y in s.ys if (value := number_or_none(y)) is not None]
    low, high, log = scale_of(finite, chart.y_range)
    y = Scale(low, high, HEIGHT - BOTTOM, TOP, log)
    xs = [x for s in kept for x in s.xs] + [mark.x for mark in chart.marks]
    x_low, x_high = chart.x_range or (min(xs), max(xs))
    if x_low == x_high:
        x_low, x_high = x_low - 0.5, x_high + 0.5
    x = Scale(x_low, x_high, LEFT, WIDTH - RIGHT)
    body = [
        _clip(chart.key),
        _axes(chart, x, y),
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
        at = x(value)
        parts.append(tag("line", x1=at, x2=at, y1=base, y2=base + 4, class_="axis"))
        parts.append(tag("text", tick_text(value), x=at, y=base + 17, class_="tick middle"))
    parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=base, y2=base, class_="axis"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(tag("text", chart.x_label, x=middle, y=HEIGHT - 6, class_="name middle"))
    if chart.y_label:
        parts.append(tag("text", chart.y_label, x=LEFT, y=TOP - 1, class_="name start"))
    return tag("g", *parts)


def tick_text(value: float) -> str:
    """A tick's value, short: 20000 is 20 k."""
    if 10_000 <= abs(value) < 1e15:
        return short_count(value).replace(".00", "").replace(".0", "")
    return f"{value:.4g}"


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


def bar(fraction: float | None, tone: str = "blue") -> Html:
    """A thin horizontal bar for a table cell, 0 to 1."""
    value = min(max(fraction or 0.0, 0.0), 1.0)
    return tag(
        "svg",
        tag("rect", x=0, y=0, width=100, height=6, rx=3, class_="track"),
        tag("rect", x=0, y=0, width=100 * value, height=6, rx=3, class_=f"fill tone-{tone}"),
        viewBox="0 0 100 6",
        class_="cellbar",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def table(heads: Sequence[object], rows: Sequence[Sequence[object]], **attributes: object) -> Html:
    """A table with column heads; the first cell of a row heads the row."""
    head = tag("thead", tag("tr", *(_head(cell) for cell in heads)))
    body = tag("tbody", *(tag("tr", *_cells(row)) for row in rows))
    classes = attributes.pop("class_", None)
    return tag("div", tag("table", head, body, **attributes, class_=classes), class_="scroll")


def _head(cell: object) -> Html:
    return cell if isinstance(cell, Html) else tag("th", str(cell), scope="col")


def _cells(row: Sequence[object]) -> list[Html]:
    cells: list[Html] = []
    for index, cell in enumerate(row):
        inner = cell if isinstance(cell, Html) else Html(escape(cell))
        if inner.startswith(("<td", "<th")):
            cells.append(inner)
        else:
            cells.append(tag("td", inner) if index else tag("th", inner, scope="row"))
    return cells


def numeric(text: object, value: float | None = None, *more: Html) -> Html:
    """A right-aligned cell, with the value it sorts by."""
    sortable = None if number_or_none(value) is None else f"{value:.6g}"
    return tag("td", str(text), *more, class_="number", data_value=sortable)


def numeric_head(text: str) -> Html:
    """The heading of a column of numbers."""
    return tag("th", text, scope="col", class_="number")
