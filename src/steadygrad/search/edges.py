"""Ranges the best trials crowd against: widen there, unless the far side is a cliff."""

from __future__ import annotations

import math
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
SURE = 3.5
"""t value of the slope across the edge. A parameter that does not matter has its best trial in an
outer tenth one time in five: only where the error really falls towards the edge is it widened. The
question is asked anew before every new point, so 2.5 was passed by chance in a real search."""
CLIFF_ADVICE = "Some --warmup, --clip-norm 1 or a smaller initialisation may move the cliff."


@dataclass(frozen=True)
class Edge:
    """The best trials crowd an end of a range."""

    parameter: Parameter
    side: str
    """low or high."""
    is_cliff: bool
    text: str
    why: str
    """The same without what was done about it."""
    at: float
    """The best value."""
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
            edge = _cliff(parameter, side, space, tried, top[0])
            if edge is None and _crowded(parameter, side, top):
                edge = _judge(parameter, side, top, fit)
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


def _judge(parameter: Parameter, side: str, top: list[Tried], fit: Fit) -> Edge | None:
    name = parameter.name
    best = next(t.params[name] for t in top if name in t.params)
    share = fit.variances[name] / max(sum(fit.variances.values()), 1e-12)
    if share < WEIGHTY or pull(fit, name, side) < SURE:
        return None
    wider = parameter.widened(side)
    if wider is None:  # no dropout, no warm-up: an end by nature, nothing to say
        return None
    new = wider.low if side == "low" else wider.high
    why = (
        f"{name}: the best trials lie at the {side} end of the range ({best:.4g} of "
        f"{parameter.low:g} to {parameter.high:g}), and the error still falls there"
    )
    return Edge(parameter, side, False, f"{why}: widened to {new:g}.", why, float(best), wider)


def _cliff(
    parameter: Parameter, side: str, space: Space, tried: list[Tried], best: Tried
) -> Edge | None:
    """The best trial stands at a stability cliff: half of the next decade diverged.

    That is the decade beyond the best, or the last one of the range where the best lies in it. Not
    so where as many diverge elsewhere, or where another range divides those that diverged from the
    rest better: then that one is to blame.
    """
    name = parameter.name
    if name not in best.params:
        return None
    known = [
        t
        for t in tried
        if name in t.params
        and t.state != LOST
        and t.repeats is None
        and t.number != best.number
        and (t.curve or t.diverged)
    ]
    beside = [t for t in known if _is_beside(parameter, side, t.params[name], best.params[name])]
    elsewhere = [t for t in known if t not in beside]
    diverged = sum(t.diverged for t in beside)
    if diverged < FEWEST_AT_CLIFF or diverged < CLIFF * len(beside):
        return None
    if sum(t.diverged for t in elsewhere) >= CLIFF * diverged / len(beside) * len(elsewhere):
        return None
    others = [p for p in space.parameters if p.name != name and not p.choices]
    own = _divides(parameter, side, known)
    if any(_divides(other, end, known) > own for other in others for end in ("low", "high")):
        return None
    at = float(best.params[name])
    why = (
        f"{name}: the best value, {at:.3g}, stands at a stability cliff: {diverged} "
        f"of the {len(beside)} trials next to it on the {side} side diverged"
    )
    return Edge(parameter, side, True, f"{why}. Not widened. {CLIFF_ADVICE}", why, at, None)


def _divides(parameter: Parameter, side: str, known: list[Tried]) -> float:
    """Of all pairs of a diverged trial and another, the share where it lies further out."""
    name = parameter.name
    away = [(_from_edge(parameter, side, t.params[name]), t.diverged)
            for t in known if name in t.params]  # fmt: skip
    bad = [place for place, diverged in away if diverged]
    fine = [place for place, diverged in away if not diverged]
    further = [1.0 if b < f else 0.5 if b == f else 0.0 for b in bad for f in fine]
    return sum(further) / len(further) if further else 0.0


def _is_beside(
    parameter: Parameter, side: str, value: float | int | str, best: float | int | str
) -> bool:
    """Whether a value lies within the decade (a fifth of a linear range) next to the best."""
    reach = 2 * OUTER
    if parameter.log:
        reach = 1.0 / (math.log10(parameter.high) - math.log10(parameter.low))
    place, top = parameter.position(value), parameter.position(best)
    if side == "low":
        place, top = 1.0 - place, 1.0 - top
    return place >= min(top, 1.0 - reach) and place <= top + reach
