"""The best runs compared: means over seeds, how much is noise, and ties called ties."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import mean

from steadygrad.report.words import percent
from steadygrad.search.stages import Plan
from steadygrad.search.tried import DONE, Tried, best_of, full_length

BAND = 2.0
"""Standard errors two means must differ by to be called different."""
NAMED = 3
"""Ties named one by one; of more their number."""


@dataclass(frozen=True)
class Finalist:
    """One configuration and what its seeds gave."""

    trial: Tried
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean validation error over the seeds."""
        return mean(self.values)


@dataclass(frozen=True)
class Verdict:
    """Which trial wins, and how sure that is."""

    winner: Tried | None
    finalists: tuple[Finalist, ...]
    """Those repeated with other seeds, the best mean first."""
    seed_spread: float | None
    """Standard deviation between seeds of one configuration; None: nothing was repeated."""
    ties: tuple[int, ...]
    """Trials the winner can't be told from."""
    text: str
    band: float | None = None
    """Half width of the noise around the winner's validation error: two standard errors."""
    band_from: str = ""
    """What the band was measured from: seeds, or pictures (how many there are to score on)."""


def decide(tried: list[Tried], plan: Plan, pictures: int = 0) -> Verdict:
    """Choose among the finalists by the mean over their seeds.

    `pictures`: how many each error was scored on. Where nothing was repeated they alone say how far
    two errors must be apart.
    """
    best = best_of(tried)
    if best is None:
        return Verdict(None, (), None, (), "No trial came far enough to be scored.")
    finalists = [_finalist(trial, tried) for trial in full_length(tried)]
    repeated = [finalist for finalist in finalists if len(finalist.values) > 1]
    if plan.finalists < 2 or len(repeated) < 2:
        return _by_pictures(best, full_length(tried), plan, pictures)
    repeated.sort(key=lambda finalist: (finalist.mean, finalist.trial.number))
    freedom = sum(len(finalist.values) - 1 for finalist in repeated)
    squares = sum((v - f.mean) ** 2 for f in repeated for v in f.values)
    spread = math.sqrt(squares / freedom)
    first = repeated[0]
    ties = [
        other for other in repeated[1:] if other.mean - first.mean <= _band(first, other, spread)
    ]
    text = (
        f"Trial {first.trial.number} is the best: {percent(first.mean, 2)} on average over "
        f"{len(first.values)} seeds; a seed alone changes it by {percent(spread, 2)} (standard "
        "deviation)."
    )
    text += f" Without the run it was chosen by: {percent(mean(first.values[1:]), 2)}."
    if ties:
        names = [f"{tie.trial.number} ({percent(tie.mean, 2)})" for tie in ties]
        text += f" It is a tie with {_listed(names)}: the difference is within the noise."
    numbers = tuple(tie.trial.number for tie in ties)
    band = BAND * spread / math.sqrt(len(first.values))
    return Verdict(first.trial, tuple(repeated), spread, numbers, text, band, "seeds")


def _by_pictures(best: Tried, finished: list[Tried], plan: Plan, pictures: int) -> Verdict:
    """Nothing was repeated: what the number of validation pictures leaves open."""
    value = best.value or 0.0
    text = f"Trial {best.number} is the best with a validation error of {percent(value, 2)}"
    if best.state != DONE:
        share = percent(best.parts / plan.full, 0)
        text += f" after {share} of a full run: none reached the full length"
    text += ". No finalist was repeated with other seeds, so part of its lead may be luck."
    if not pictures:
        return Verdict(best, (), None, (), text)
    noise = _variance(value, pictures)
    ties = sorted(
        other.number
        for other in finished
        if other.number != best.number
        and (other.value or 0.0) - value
        <= BAND * math.sqrt(noise + _variance(other.value or 0.0, pictures))
    )
    if ties:
        others = f"{len(ties)} others" if len(ties) > NAMED else _listed(list(map(str, ties)))
        text += f" It is a tie with {others}: {pictures:,} validation pictures can't tell."
    return Verdict(best, (), None, tuple(ties), text, BAND * math.sqrt(noise), "pictures")


def _listed(names: list[str]) -> str:
    """Trials in words.

    >>> _listed(["3"]), _listed(["3", "5", "8"])
    ('trial 3', 'trials 3, 5 and 8')
    """
    if len(names) == 1:
        return f"trial {names[0]}"
    return f"trials {', '.join(names[:-1])} and {names[-1]}"


def _variance(error: float, pictures: int) -> float:
    """Of an error counted on so many pictures; two are added, or no error at all would be sure.

    Source: Agresti and Coull, "Approximate is better than exact", 1998.
    """
    share = (error * pictures + 1) / (pictures + 2)
    return share * (1 - share) / pictures


def _finalist(trial: Tried, tried: list[Tried]) -> Finalist:
    again = [t for t in tried if t.repeats == trial.number and t.state == DONE]
    values = [t.value for t in (trial, *again)]
    return Finalist(trial, tuple(value for value in values if value is not None))


def _band(first: Finalist, other: Finalist, spread: float) -> float:
    return BAND * spread * math.sqrt(1 / len(first.values) + 1 / len(other.values))
