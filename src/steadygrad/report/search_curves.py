"""Every trial's learning curve, and the best error against time."""

from __future__ import annotations

from collections.abc import Sequence

from steadygrad.report import reading
from steadygrad.report.markup import Html, tag
from steadygrad.report.scales import Scale, ticks
from steadygrad.report.search_axes import (
    Box,
    ErrorAxis,
    cross,
    error_axis,
    frame,
    legend,
    line,
    of_trial,
)
from steadygrad.report.search_data import Searched, Trial
from steadygrad.report.words import duration, number_or_none, percent, plural

BOX = Box(520.0, 340.0)
UNITS = ((7200.0, 3600.0, "hours"), (180.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))
"""From so many seconds on, seconds in one, and what it is called."""


def draw(searched: Searched) -> Html:
    """Both pictures beside each other; empty where nothing was scored."""
    if not any(trial.curve for trial in searched.trials):
        return Html("")
    return tag("div", _curves(searched), _over_time(searched), class_="grid")


def _curves(searched: Searched) -> Html:
    first = min(trial.curve[0][0] for trial in searched.trials if trial.curve)
    low, high = searched.share(first), 1.0
    long = max(searched.share(trial.parts) for trial in searched.trials)
    high = max(high, long)
    x = Scale(low, high, BOX.left + 6, BOX.end - 4, True) if low < high else _point(high)
    y = error_axis(searched, BOX.base, BOX.top)
    shares = [
        searched.share(part) for part in searched.rungs if low <= searched.share(part) <= high
    ]
    across = [(x(share), percent(share, 0)) for share in shares or [low, high]]
    rungs = [tag("line", x1=at, x2=at, y1=BOX.top, y2=BOX.base, class_="rung") for at, _ in across]
    drawn = [_curve(searched, trial, x, y) for trial in searched.drawn if trial.curve]
    unscored = [trial for trial in searched.trials if not trial.curve and trial.state == "ended"]
    svg = BOX.svg(
        *rungs,
        frame(BOX, across, y.ticks(), "share of a full run trained (log scale)"),
        *drawn,
        label=f"Validation error of {plural(len(drawn), 'trial')} against the length trained",
    )
    items = [("won", "winner"), ("whole", "full length"), ("short", "stopped before")]
    if any(searched.look(trial) == "again" for trial in searched.trials):
        items.insert(1, ("again", "winner, other seeds"))
    if any(trial.state == "ended" for trial in searched.trials):
        items.append(("ended", "ended, with its reason"))
    words = (
        "A line is one trial: the share of validation pictures it gets wrong, each time it was "
        "scored. Lines that stop short were ranked out: at a dashed line, where only the best "
        "third goes on, or where finished runs show that it can't win any more. Point at one for "
        "its reason."
    )
    folds = number_or_none(reading.mapping(searched.found, "plan").get("folds")) or 1
    if folds > 1:
        words += f" A full run here is one over all {folds:g} folds."
    if unscored:
        words += (
            f" {plural(len(unscored), 'trial')} ended before being scored once and "
            f"{'is' if len(unscored) == 1 else 'are'} in the table only."
        )
    head = tag("figcaption", tag("h3", "Learning curves of all trials"), legend(*items))
    return tag("figure", head, svg, tag("p", words, class_="note"), class_="chart card")


def _point(at: float) -> Scale:
    return Scale(at / 2, at * 2, BOX.left, BOX.end, True)


def _curve(searched: Searched, trial: Trial, x: Scale, y: ErrorAxis) -> Html:
    points = [(x(searched.share(part)), y(error)) for part, error in trial.curve]
    parts = line(points)
    look = searched.look(trial)
    if trial.state == "ended":
        parts.append(cross(*points[-1]))
    elif len(points) == 1 or look == "won":
        parts += [tag("circle", cx=a, cy=b, r=3.2 if look == "won" else 2, class_="dot")
                  for a, b in points]  # fmt: skip
    return of_trial(searched, trial, *parts)


Moment = tuple[float, float, Trial, float]
"""Seconds since the search began, validation error, whose, and after how many parts."""


def moments(searched: Searched) -> list[Moment]:
    """Every time a trial was scored, in order."""
    found = [
        (trial.times[int(part)], error, trial, part)
        for trial in searched.trials
        for part, error in trial.curve
        if int(part) in trial.times
    ]
    return sorted(found, key=lambda moment: (moment[0], moment[2].number))


def best_so_far(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The steps down of (seconds, error) pairs that are in order.

    >>> best_so_far([(1, 0.5), (2, 0.6), (3, 0.4)])
    [(1, 0.5), (3, 0.4)]
    """
    steps: list[tuple[float, float]] = []
    for seconds, error in points:
        if not steps or error < steps[-1][1]:
            steps.append((seconds, error))
    return steps


def _over_time(searched: Searched) -> Html | None:
    found = moments(searched)
    if not found or found[-1][0] <= 0:
        return None
    end = found[-1][0]
    _, unit, name = next(one for one in UNITS if end >= one[0])
    x = Scale(0.0, end / unit * 1.03, BOX.left, BOX.end)
    y = error_axis(searched, BOX.base, BOX.top)
    dots = [
        of_trial(searched, trial, tag("circle", cx=x(at / unit), cy=y(error), r=2.2, class_="look"))
        for at, error, trial, _ in found
    ]
    whole = [(at, error) for at, error, _, part in found if part >= searched.full]
    lines = [
        _steps(best_so_far([(at, error) for at, error, _, _ in found]), "any", x, y, unit, end),
        _steps(best_so_far(whole), "best", x, y, unit, end),
    ]
    svg = BOX.svg(
        frame(
            BOX, [(x(v), f"{v:g}") for v in ticks(0.0, x.high)], y.ticks(), f"{name} of searching"
        ),
        *_stages(searched, found, x, unit),
        *dots,
        *lines,
        label=f"Best validation error over {duration(end)} of searching",
    )
    items = (
        ("best", "best of full length"),
        ("any", "best of any length"),
        ("look", "a trial scored"),
    )
    words = "Each dot is a trial being scored, at whatever length it had then."
    if whole:
        done, error = best_so_far(whole)[-1]
        words += f" The best full run came after {duration(done)}: {percent(error, 2)}."
    else:
        words += " No trial was trained to the full length."
    head = tag("figcaption", tag("h3", "Best validation error against time"), legend(*items))
    return tag("figure", head, svg, tag("p", words, class_="note"), class_="chart card")


def _steps(
    steps: list[tuple[float, float]], look: str, x: Scale, y: ErrorAxis, unit: float, end: float
) -> Html:
    words: list[str] = []
    for seconds, error in steps:
        words.append(f"H{x(seconds / unit):.1f}V{y(error):.1f}" if words else
                     f"M{x(seconds / unit):.1f} {y(error):.1f}")  # fmt: skip
    if words:
        words.append(f"H{x(end / unit):.1f}")
    return tag("path", d="".join(words), class_=f"steps {look}")


def _stages(searched: Searched, found: list[Moment], x: Scale, unit: float) -> list[Html]:
    """Where each stage begins, as a line with its name."""
    begins: dict[str, float] = {}
    for at, _, trial, part in found:
        stage = trial.stage
        if stage in ("coarse", "halving"):
            stage = "coarse" if not searched.rungs or part <= searched.rungs[0] else "halving"
        begins.setdefault(stage, at)
    parts: list[Html] = []
    last = -1e9
    for stage, at in list(begins.items())[1:]:
        place = x(at / unit)
        parts.append(tag("line", x1=place, x2=place, y1=BOX.top - 6, y2=BOX.base, class_="event"))
        if place - last > 44:  # a name has room
            side = "end" if place > BOX.end - 50 else "start"
            shift = -4 if side == "end" else 4
            parts.append(tag("text", stage, x=place + shift, y=BOX.top + 2, class_=f"event {side}"))
            last = place
    return parts
