"""Parallel coordinates: an axis a parameter, a line a trial, the error at the right."""

from __future__ import annotations

from steadygrad.report import reading
from steadygrad.report.markup import Html, tag
from steadygrad.report.search_axes import Box, ErrorAxis, cross, error_axis, legend, line, of_trial
from steadygrad.report.search_data import Parameter, Searched, Trial
from steadygrad.report.words import number_or_none, plural, shorten

BOX = Box(1100.0, 400.0, left=70.0, right=64.0, top=64.0, bottom=52.0)
UNUSED = 30.0
"""How far below its axis a line passes that has no value there, and above it one without score."""
CROWDED = 115.0
"""Between axes closer than this the names alternate in height."""
LONGEST = 18
CROWD = 80
"""More lines than these are drawn fainter."""


def draw(searched: Searched) -> Html:
    """The figure; empty where there is nothing to compare."""
    shown = [trial for trial in searched.trials if trial.values and _counts(trial)]
    if not searched.parameters or len(shown) < 2:
        return Html("")
    axes = ordered(searched)
    places = [_across(place, len(axes)) for place in range(len(axes) + 1)]
    errors = error_axis(searched, BOX.base, BOX.top)
    lines = [
        _trial(searched, trial, axes, places, errors) for trial in searched.drawn if trial in shown
    ]
    partial = any(parameter.name not in trial.values for trial in shown for parameter in axes)
    svg = BOX.svg(
        *lines,
        *(_axis(axis, places, index, partial) for index, axis in enumerate(axes)),
        _errors(errors, places[-1], any(not trial.curve for trial in shown)),
        label=f"{plural(len(axes), 'parameter')} and the validation error of each trial",
    )
    items = [("won", "winner"), ("whole", "full length"), ("short", "stopped before")]
    if any(trial.state == "ended" for trial in shown):
        items.append(("ended", "ended"))
    head = tag("figcaption", tag("h3", "Parallel coordinates"), legend(*items))
    scroll = tag("div", svg, class_="scroll wide", tabindex="0")
    note = tag("p", _words(searched, partial), class_="note")
    crowd = " crowd" if len(shown) > CROWD else ""
    return tag("figure", head, scroll, note, class_=f"chart card parallel{crowd}")


def ordered(searched: Searched) -> list[Parameter]:
    """What mattered most stands next to the error; as they were given where that is not known."""
    shares = reading.mapping(searched.found, "importance")
    return sorted(searched.parameters, key=lambda p: number_or_none(shares.get(p.name)) or 0.0)


def _counts(trial: Trial) -> bool:
    return bool(trial.curve) or trial.state == "ended"


def _across(place: int, axes: int) -> float:
    return BOX.left + (BOX.end - BOX.left) * place / axes


def _trial(
    searched: Searched,
    trial: Trial,
    axes: list[Parameter],
    places: list[float],
    errors: ErrorAxis,
) -> Html:
    points: list[tuple[float, float]] = []
    for parameter, x in zip(axes, places):
        at = parameter.spot(trial)
        y = BOX.base + UNUSED if at is None else BOX.base - at * (BOX.base - BOX.top)
        points.append((x, y))
    value = trial.value
    points.append((places[-1], BOX.top - UNUSED / 2 if value is None else errors(value)))
    end = [cross(*points[-1])] if trial.state == "ended" else []
    return of_trial(searched, trial, *line(points), *end)


def _axis(parameter: Parameter, places: list[float], index: int, partial: bool) -> Html:
    x = places[index]
    height = BOX.base - BOX.top
    parts = [tag("line", x1=x, x2=x, y1=BOX.top, y2=BOX.base, class_="axis")]
    for at, text in parameter.ticks():
        y = BOX.base - at * height
        parts.append(tag("line", x1=x - 4, x2=x, y1=y, y2=y, class_="axis"))
        parts.append(tag("text", shorten(text, 12), x=x - 7, y=y + 4, class_="tick end halo"))
    for _, before, _ in parameter.widened:
        y = BOX.base - (parameter.position(before) or 0.0) * height
        parts.append(tag("line", x1=x - 9, x2=x + 9, y1=y, y2=y, class_="before"))
    close = places[1] - places[0] < CROWDED
    name = tag(
        "text",
        tag("title", parameter.name),
        shorten(parameter.name, LONGEST),
        x=x,
        y=BOX.top - (44 if close and index % 2 else 26),
        class_="axisname middle halo",
    )
    if partial and (parameter.when is not None or not index):
        foot = BOX.base + UNUSED
        parts.append(tag("line", x1=x - 5, x2=x + 5, y1=foot, y2=foot, class_="axis"))
        if not index:
            parts.append(tag("text", "not used", x=x - 9, y=foot + 4, class_="tick end halo"))
    return tag("g", *parts, name)


def _errors(errors: ErrorAxis, x: float, unscored: bool) -> Html:
    parts = [tag("line", x1=x, x2=x, y1=BOX.top, y2=BOX.base, class_="axis strong")]
    for y, text in errors.ticks():
        parts.append(tag("line", x1=x, x2=x + 4, y1=y, y2=y, class_="axis"))
        parts.append(tag("text", text, x=x + 8, y=y + 4, class_="tick start halo"))
    if unscored:
        y = BOX.top - UNUSED / 2
        parts.append(tag("text", "no score", x=x + 8, y=y + 4, class_="tick start halo"))
    name = tag("text", "error", x=x, y=BOX.top - 26, class_="axisname middle halo")
    return tag("g", *parts, name)


def _words(searched: Searched, partial: bool) -> str:
    words = "Follow a line from left to right: the values of one trial, and at the right its last "
    words += (
        "validation error (low is good). Faint lines were trained for less and are higher as a "
    )
    words += "rule. Where the good lines come together, the value matters."
    if reading.mapping(searched.found, "importance"):
        words += " The further right an axis stands, the more it mattered."
    if any(parameter.log for parameter in searched.parameters):
        logs = ", ".join(parameter.name for parameter in searched.parameters if parameter.log)
        words += f" Logarithmic: {logs}."
    if any(parameter.widened for parameter in searched.parameters):
        words += " A short bar on an axis is where its range ended before it was widened."
    if partial:
        words += " “Not used”: the parameter counts under another choice only."
    return words
