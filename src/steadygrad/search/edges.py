"""Ranges the best trials crowd against: widen there, unless the far side is a cliff."""

from __future__ import annotations

from dataclasses import dataclass

from steadygrad.search.effects import Fit, fit_effects, pull
from steadygrad.search.propose import full_length_estimates
from steadygrad.search.space import Parameter, Space
from steadygrad.search.tried import LOST, Tried

OUTER = 0.1
"""Share of the (log) range that counts as its edge."""
TOP = 3
CLIFF = 0.5
"""Share of diverged trials in the decade next to the edge that makes it a cliff."""
FEWEST_AT_CLIFF = 2
WEIGHTY = 0.1
"""Share a parameter has in what all explain, before its range is touched."""
SURE = 2.5
"""t value of the slope across the edge. A parameter that does not matter has its best trial in an
outer tenth one time in five: only where the error really falls towards the edge is it widened."""
CLIFF_ADVICE = "Some --warmup, --clip-norm 1 or a smaller initialisation may move the cliff."


@dataclass(frozen=True)
class Edge:
    """The best trials crowd an end of a range."""

    parameter: Parameter
    side: str
    """low or high."""
    is_cliff: bool
    text: str
    wider: Parameter | None
    """The range to go on with; None: a cliff."""


def find_edges(space: Space, tried: list[Tried], full: int) -> list[Edge]:
    """The ends of ranges the best trials crowd, each a cliff or to be widened."""
    estimates = full_length_estimates(tried, full)
    good = [
        t
        for t in tried
        if t.number in estimates
        and not t.diverged
        and t.state != LOST
        and t.repeats is None
        and space.contains(t.params)
    ]
    top = sorted(good, key=lambda trial: (estimates[trial.number], trial.number))[:TOP]
    fit = fit_effects(space, tried, full)
    if len(good) <= TOP or fit is None:
        return []
    found: list[Edge] = []
    for parameter in space.parameters:
        for side in () if parameter.choices else ("low", "high"):
            if _crowded(parameter, side, top):
                edge = _judge(parameter, side, tried, top, fit)
                found += [edge] if edge is not None else []
    return found


def _crowded(parameter: Parameter, side: str, top: list[Tried]) -> bool:
    """The best, or two of the best three, lie in the outer tenth."""
    near = [
        parameter.name in trial.params
        and _from_edge(parameter, side, trial.params[parameter.name]) <= OUTER
        for trial in top
    ]
    return bool(near) and (near[0] or sum(near) >= 2)


def _from_edge(parameter: Parameter, side: str, value: float | int | str) -> float:
    place = parameter.position(value)
    return place if side == "low" else 1.0 - place


def _judge(
    parameter: Parameter, side: str, tried: list[Tried], top: list[Tried], fit: Fit
) -> Edge | None:
    name = parameter.name
    end = parameter.low if side == "low" else parameter.high
    best = next(t.params[name] for t in top if name in t.params)
    diverged, beside = _beyond(parameter, side, tried)
    if beside >= FEWEST_AT_CLIFF and diverged >= CLIFF * beside:
        text = (
            f"{name}: the best value, {best:g}, lies just short of a stability cliff: {diverged} "
            f"of the {beside} trials next to {end:g} diverged. Not widened. {CLIFF_ADVICE}"
        )
        return Edge(parameter, side, True, text, None)
    share = fit.variances[name] / max(sum(fit.variances.values()), 1e-12)
    if share < WEIGHTY or pull(fit, name, side) < SURE:
        return None
    wider = parameter.widened(side)
    if wider is None:  # no dropout, no warm-up: an end by nature, nothing to say
        return None
    new = wider.low if side == "low" else wider.high
    text = (
        f"{name}: the best trials lie at the {side} end of the range ({best:g} of "
        f"{parameter.low:g} to {parameter.high:g}), and the error still falls there: widened to "
        f"{new:g}."
    )
    return Edge(parameter, side, False, text, wider)


def _beyond(parameter: Parameter, side: str, tried: list[Tried]) -> tuple[int, int]:
    """Diverged trials, and all trials, in the decade (the outer fifth, if linear) at that end."""
    beside = [
        trial
        for trial in tried
        if parameter.name in trial.params
        and trial.state != LOST
        and trial.repeats is None
        and (trial.curve or trial.diverged)
        and _in_last_decade(parameter, side, float(trial.params[parameter.name]))
    ]
    return sum(trial.diverged for trial in beside), len(beside)


def _in_last_decade(parameter: Parameter, side: str, value: float) -> bool:
    if not parameter.log:
        return _from_edge(parameter, side, value) <= 2 * OUTER
    return value <= 10 * parameter.low if side == "low" else value >= parameter.high / 10
