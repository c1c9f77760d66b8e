"""Axes and marks that the pictures of a search share: one scale for errors in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steadygrad.report.markup import Html, tag
from steadygrad.report.scales import Scale, log_ticks, ticks
from steadygrad.report.search_data import Searched, Trial

MANY_TIMES = 4.0
"""Largest error by smallest from which on the axis is logarithmic."""
FOOT = 2.2
"""Times below the smallest error at which errors of 0 stand on a logarithmic axis."""


@dataclass(frozen=True)
class Box:
    """A picture's size and the margins around its axes, in its own units."""

    width: float
    height: float
    left: float = 54.0
    right: float = 14.0
    top: float = 22.0
    bottom: float = 40.0

    @property
    def base(self) -> float:
        """The height of the x axis."""
        return self.height - self.bottom

    @property
    def end(self) -> float:
        """The right end of the x axis."""
        return self.width - self.right

    def svg(self, *parts: Html, label: str, **attributes: object) -> Html:
        """The picture with all its parts."""
        view = f"0 0 {self.width:g} {self.height:g}"
        return tag("svg", *parts, viewBox=view, role="img", aria_label=label, **attributes)


@dataclass(frozen=True)
class ErrorAxis:
    """Validation errors to heights; on a logarithmic axis 0 stands at the foot."""

    scale: Scale
    smallest: float
    """The smallest error above 0."""
    has_zero: bool

    def __call__(self, error: float) -> float:
        """The height of an error."""
        return self.scale(min(max(error, self.scale.low), self.scale.high))

    def ticks(self) -> list[tuple[float, str]]:
        """(height, text) of round errors."""
        low, high = self.scale.low, self.scale.high
        if not self.scale.log:
            return [(self.scale(v), f"{100 * v:.4g} %") for v in ticks(low, high)]
        values = [v for v in log_ticks(low, high) if not self.has_zero or v >= self.smallest / 1.3]
        found = [(self.scale(v), f"{100 * v:.4g} %") for v in values]
        return [(self.scale.start, "0 %"), *found] if self.has_zero else found


def error_axis(searched: Searched, start: float, end: float) -> ErrorAxis:
    """The axis for all errors of a search, from the height `start` up to `end`."""
    errors = [error for trial in searched.trials for _, error in trial.curve]
    positive = [error for error in errors if error > 0]
    smallest, largest = min(positive, default=0.5), max(positive, default=1.0)
    has_zero = len(positive) < len(errors)
    if largest >= MANY_TIMES * smallest:
        low = smallest / FOOT if has_zero else smallest / 1.15
        return ErrorAxis(Scale(low, largest * 1.1, start, end, True), smallest, has_zero)
    low = 0.0 if has_zero else smallest - 0.08 * (largest - smallest) - 0.01 * smallest
    high = largest + 0.08 * (largest - low)
    return ErrorAxis(Scale(low, high, start, end), smallest, False)


def frame(
    box: Box, across: Sequence[tuple[float, str]], up: Sequence[tuple[float, str]], name: str
) -> Html:
    """Grid, ticks as (place, text), and the name of the x axis."""
    parts: list[Html] = []
    for at, text in up:
        parts.append(tag("line", x1=box.left, x2=box.end, y1=at, y2=at, class_="grid"))
        parts.append(tag("text", text, x=box.left - 7, y=at + 4, class_="tick end"))
    for at, text in across:
        parts.append(tag("line", x1=at, x2=at, y1=box.base, y2=box.base + 4, class_="axis"))
        parts.append(tag("text", text, x=at, y=box.base + 17, class_="tick middle"))
    parts.append(tag("line", x1=box.left, x2=box.end, y1=box.base, y2=box.base, class_="axis"))
    middle = (box.left + box.end) / 2
    parts.append(tag("text", name, x=middle, y=box.height - 6, class_="name middle"))
    return tag("g", *parts)


def cross(x: float, y: float, size: float = 3.6) -> Html:
    """The sign of a trial that was ended."""
    a, b, c, d = x - size, x + size, y - size, y + size
    path = f"M{a:.1f} {c:.1f}L{b:.1f} {d:.1f}M{b:.1f} {c:.1f}L{a:.1f} {d:.1f}"
    return tag("path", d=path, class_="cross")


def of_trial(searched: Searched, trial: Trial, *parts: Html) -> Html:
    """What belongs to one trial: the page's script joins it with the rest of that trial."""
    ended = " gone" if trial.state == "ended" else ""
    look = f"trial {searched.look(trial)}{ended}"
    return tag("g", *parts, class_=look, data_trial=str(trial.number))


def line(points: Sequence[tuple[float, float]]) -> list[Html]:
    """A line through the points, and a broad one that is not seen, to be pointed at."""
    path = "".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points))
    return [tag("path", d=path, class_="catch"), tag("path", d=path, class_="way")]


def legend(*items: tuple[str, str]) -> Html:
    """(look, words) of what is drawn."""
    return tag(
        "span",
        *(tag("span", tag("i", class_=f"key {look}"), words) for look, words in items),
        class_="legend",
    )
