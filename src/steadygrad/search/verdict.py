"""The finalists compared: means over seeds, how much a seed alone changes, and ties called ties."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import mean

from steadygrad.search.stages import Plan
from steadygrad.search.tried import DONE, Tried, best_of, full_length

BAND = 2.0
"""Standard errors two means must differ by to be called different."""


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
    """The best mean first."""
    seed_spread: float | None
    """Standard deviation between seeds of one configuration; None: nothing was repeated."""
    ties: tuple[int, ...]
    """Trials the winner can't be told from."""
    text: str


def decide(tried: list[Tried], plan: Plan) -> Verdict:
    """Choose among the finalists by the mean over their seeds."""
    best = best_of(tried)
    if best is None:
        return Verdict(None, (), None, (), "No trial came far enough to be scored.")
    finalists = [_finalist(trial, tried) for trial in full_length(tried)]
    repeated = [finalist for finalist in finalists if len(finalist.values) > 1]
    if plan.finalists < 2 or len(repeated) < 2:
        text = (
            f"Trial {best.number} is the best with a validation error of {best.value:.4g}. No "
            "finalist was repeated with other seeds, so part of its lead may be luck."
        )
        return Verdict(best, (), None, (), text)
    repeated.sort(key=lambda finalist: (finalist.mean, finalist.trial.number))
    freedom = sum(len(finalist.values) - 1 for finalist in repeated)
    squares = sum((v - f.mean) ** 2 for f in repeated for v in f.values)
    spread = math.sqrt(squares / freedom)
    first = repeated[0]
    ties = [
        other for other in repeated[1:] if other.mean - first.mean <= _band(first, other, spread)
    ]
    text = (
        f"Trial {first.trial.number} is the best: {first.mean:.4g} on average over "
        f"{len(first.values)} seeds; a seed alone changes the error by {spread:.2g} (standard "
        "deviation)."
    )
    if ties:
        names = " and ".join(f"{tie.trial.number} ({tie.mean:.4g})" for tie in ties)
        text += f" It is a tie with trial {names}: the difference is within the noise."
    numbers = tuple(tie.trial.number for tie in ties)
    return Verdict(first.trial, tuple(repeated), spread, numbers, text)


def _finalist(trial: Tried, tried: list[Tried]) -> Finalist:
    again = [t for t in tried if t.repeats == trial.number and t.state == DONE]
    values = [t.value for t in (trial, *again)]
    return Finalist(trial, tuple(value for value in values if value is not None))


def _band(first: Finalist, other: Finalist, spread: float) -> float:
    return BAND * spread * math.sqrt(1 / len(first.values) + 1 / len(other.values))
