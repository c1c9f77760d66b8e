"""Where a paused or running trial would end: its own value, less the fall that longer ones had."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean, median, stdev

from scipy.stats import t as student

from steadygrad.search.tried import LOST, Tried, full_length

FEWEST_FALLS = 3
"""Finished trials that passed the same part, before anybody is judged by how they went on."""
SURE = 0.999
"""One-sided, at each of up to nine looks. With 0.99, four of 600 planted winners were paused on
noisy curves; with this none, and a hopeless run still loses four fifths of its length to it once
eight are finished. Student's t, so that three falls decide almost nothing."""
SMALLEST_ERROR = 1e-6
"""Stands for an error of 0 where ratios are formed."""


def full_length_estimates(tried: list[Tried], full: int) -> dict[int, float]:
    """Trial number → the validation error it has, or would have had, after the full length.

    A trial that stopped early is given the fall that others, which passed the same part, had from
    there to the full length (their median). One that diverged is as bad as the worst seen: never a
    NaN, and never so large that the model sees nothing else.
    """
    found: dict[int, float] = {}
    scored = [t for t in tried if t.curve and not t.diverged and t.state != LOST]
    for trial in scored:
        value = trial.curve[trial.parts]
        if trial.parts < full:
            value -= _fall_from(trial.parts, scored)
        found[trial.number] = value
    worst = max(found.values(), default=1.0)
    return found | {t.number: worst for t in tried if t.diverged}


def _fall_from(part: int, scored: list[Tried]) -> float:
    """How much the error of longer trials fell after this part."""
    falls = [
        trial.curve[part] - trial.curve[trial.parts]
        for trial in scored
        if trial.parts > part and part in trial.curve
    ]
    return max(0.0, median(falls)) if falls else 0.0


def best_case(part: int, value: float, finished: Sequence[Tried]) -> float | None:
    """The lowest error a trial that has `value` after `part` may still come to, nearly for certain.

    What the finished trials lost from that part on, in differences and in ratios, each with its
    prediction interval; the lower of the two counts. None: too few passed that part.
    """
    pairs = [(t.curve[part], t.curve[t.parts]) for t in finished if part in t.curve]
    if len(pairs) < FEWEST_FALLS:
        return None
    falls = [before - after for before, after in pairs]
    ratios = [
        math.log(max(before, SMALLEST_ERROR) / max(after, SMALLEST_ERROR))
        for before, after in pairs
    ]
    return min(value - _most(falls), value * math.exp(-_most(ratios)))


def _most(falls: list[float]) -> float:
    """The upper end of the prediction interval for one more fall, at least the largest seen."""
    number = len(falls)
    reach = float(student.ppf(SURE, number - 1)) * stdev(falls) * math.sqrt(1 + 1 / number)
    return max(0.0, *falls, mean(falls) + reach)


def ranked_out(part: int, value: float, tried: list[Tried], full: int, finalists: int = 0) -> str:
    """Why a run with `value` after `part` need not go on now; empty: it should.

    It is held against the last of the finished trials that would be finalists (the best, where
    nobody is repeated): whoever can't come among those can't win.
    """
    finished = [trial for trial in full_length(tried) if trial.value is not None]
    places = max(1, finalists)
    if part >= full or len(finished) < places:
        return ""
    bar = finished[places - 1].value
    at_best = best_case(part, value, finished)
    if bar is None or at_best is None or at_best <= bar:
        return ""
    return (
        f"ranked out after {part} of {full} parts: from an error of {value:.4g} it would come to "
        f"{at_best:.4g} at best, as {len(finished)} finished trials went on, and {bar:.4g} is known"
    )
