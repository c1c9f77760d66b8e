"""Slices: the validation error of every trial against each parameter, the edges marked."""

from __future__ import annotations

from steadygrad.report import reading
from steadygrad.report.markup import Html, tag
from steadygrad.report.search_axes import Box, ErrorAxis, cross, error_axis, frame, legend, of_trial
from steadygrad.report.search_data import OUTER, Parameter, Searched, Trial
from steadygrad.report.search_parallel import ordered
from steadygrad.report.words import number, percent, plural, shorten

BOX = Box(380.0, 250.0, left=52.0, right=10.0, top=26.0)
SMALL, LARGE = 2.2, 5.4
"""Radius of a dot that was hardly trained, and of a full run's."""
MANY_CHOICES = 5
"""With more of them their names are shortened."""


def draw(searched: Searched) -> Html:
    """A picture a parameter, what mattered most first."""
    shown = [trial for trial in searched.drawn if trial.curve or trial.state == "ended"]
    if not shown or not searched.parameters:
        return Html("")
    figures = [_slice(searched, parameter, shown) for parameter in reversed(ordered(searched))]
    note = (
        "A dot is one trial at the value it had: the larger, the longer it was trained. Small dots "
        "are higher as a rule, so compare dots of one size. The grey bands are the outer tenths of "
        "a range: where the best dots crowd there and the error still falls, the range is widened."
    )
    items = [("won", "winner"), ("wholedot", "full length"), ("shortdot", "less")]
    if any(trial.state == "ended" for trial in shown):
        items.append(("ended", "ended"))
    head = tag("div", tag("p", note, class_="note"), legend(*items), class_="slicehead")
    return tag("div", head, tag("div", *figures, class_="slices"))


def _slice(searched: Searched, parameter: Parameter, shown: list[Trial]) -> Html:
    errors = error_axis(searched, BOX.base, BOX.top)
    here = [trial for trial in shown if parameter.name in trial.values]
    limit = 12 if len(parameter.choices) <= MANY_CHOICES else 7
    across = [(_x(at), shorten(text, limit)) for at, text in parameter.ticks()]
    name = f"{parameter.name}{' (log scale)' if parameter.log else ''}"
    svg = BOX.svg(
        *_edges(searched, parameter),
        frame(BOX, across, errors.ticks(), name),
        *(_dot(searched, parameter, trial, errors) for trial in here),
        *_marks(searched, parameter),
        label=f"Validation error against {parameter.name}, {plural(len(here), 'trial')}",
    )
    words = _words(searched, parameter)
    note = tag("p", words, class_="note") if words else None
    head = tag("figcaption", tag("h3", tag("code", parameter.name)))
    return tag("figure", head, svg, note, class_="chart card slice")


def _x(at: float) -> float:
    return BOX.left + at * (BOX.end - BOX.left)


def _edges(searched: Searched, parameter: Parameter) -> list[Html]:
    """The outer tenths, and the side where trials fall off a cliff."""
    if parameter.choices:
        return []
    height = BOX.base - BOX.top
    wide = OUTER * (BOX.end - BOX.left)
    parts = [
        tag("rect", x=x, y=BOX.top, width=wide, height=height, class_="outer")
        for x in (BOX.left, BOX.end - wide)
    ]
    for side, at in cliffs(searched, parameter):
        left, right = (BOX.left, _x(at)) if side == "low" else (_x(at), BOX.end)
        box = {"x": left, "y": BOX.top, "width": max(right - left, 1.0), "height": height}
        parts.append(tag("rect", **box, class_="cliff"))
    return parts


def cliffs(searched: Searched, parameter: Parameter) -> list[tuple[str, float]]:
    """(side, position of the best value) where a stability cliff stands next to it."""
    found: list[tuple[str, float]] = []
    for edge in reading.rows(searched.found, "edges"):
        at = parameter.position(edge.get("at"))
        cliff = edge.get("kind") == "cliff" and edge.get("parameter") == parameter.name
        if cliff and at is not None:
            found.append((str(edge.get("side")), at))
    return found


def _dot(searched: Searched, parameter: Parameter, trial: Trial, errors: ErrorAxis) -> Html:
    at = parameter.spot(trial)
    if at is None:
        return Html("")
    x = _x(at)
    value = trial.value
    y = BOX.top - 12 if value is None else errors(value)
    share = min(searched.share(trial.parts), 1.0)
    # The area shows the length: twice as long looks twice as large.
    radius = (SMALL**2 + share * (LARGE**2 - SMALL**2)) ** 0.5
    mark = (
        cross(x, y)
        if trial.state == "ended"
        else tag("circle", cx=x, cy=y, r=radius, class_="spot")
    )
    return of_trial(searched, trial, mark)


def _marks(searched: Searched, parameter: Parameter) -> list[Html]:
    """Where the range ended before it was widened, and the names of what is marked."""
    parts: list[Html] = []
    for side, before, _ in parameter.widened:
        at = parameter.position(before)
        if at is None:
            continue
        x = _x(at)
        turn = "start" if side == "high" else "end"
        shift = 4 if side == "high" else -4
        parts.append(tag("line", x1=x, x2=x, y1=BOX.top - 8, y2=BOX.base, class_="before"))
        parts.append(tag("text", "widened", x=x + shift, y=BOX.top - 2, class_=f"event {turn}"))
    for side, at in cliffs(searched, parameter):
        x = _x(at)
        turn, shift = ("end", -5) if side == "low" else ("start", 5)
        parts.append(tag("line", x1=x, x2=x, y1=BOX.top - 8, y2=BOX.base, class_="cliffline"))
        parts.append(tag("text", "cliff", x=x + shift, y=BOX.top + 10, class_=f"cliffname {turn}"))
    return parts


def _words(searched: Searched, parameter: Parameter) -> str:
    """What has to be said of this picture alone."""
    words = [
        f"Widened at the {side} end: from {number(before)} to {number(now)}."
        for side, before, now in parameter.widened
    ]
    words += [
        f"Stability cliff: beside the best value, towards the {side} end, half of the trials or "
        "more diverged."
        for side, _ in cliffs(searched, parameter)
    ]
    words += [
        f"The error still falls towards the {edge.get('side')} end: the next search should begin "
        "further out."
        for edge in reading.rows(searched.found, "edges")
        if edge.get("kind") == "open" and edge.get("parameter") == parameter.name
    ]
    if not words and _is_outer(searched, parameter):
        words.append(
            "The winner lies in an outer tenth, but the error does not clearly fall towards that "
            "end."
        )
    if parameter.when is not None:
        field, choice = parameter.when
        used = sum(parameter.name in trial.values for trial in searched.trials)
        share = percent(used / len(searched.trials), 0)
        words.append(f"Counts only where {field} is {choice}: {share} of the trials.")
    return " ".join(words)


def _is_outer(searched: Searched, parameter: Parameter) -> bool:
    """Whether the winner lies in an outer tenth of a range."""
    value = searched.winner.values.get(parameter.name) if searched.winner else None
    at = None if value is None or parameter.choices else parameter.position(value)
    return at is not None and min(at, 1 - at) <= OUTER
