"""Coarse to fine: which trial goes on next, and how far. Pure functions of the trials so far.

1. coarse: points of a scrambled Sobol sequence, all for a little while.
2. halving: of each rung the best third goes on (from its checkpoint) three times as long, to the
   full length. Nothing is trained twice.
3. fine: a model of all that was seen proposes full-length runs (`propose`).
4. finalists: the best few again with other seeds (`finalists`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.stats import qmc

from steadygrad.search.forecast import full_length_estimates
from steadygrad.search.space import Space, Value
from steadygrad.search.tried import DONE, LOST, RUNNING, WAITING, Tried, full_length

ETA = 3
STARTS = 27
"""Three halvings by thirds end with one full-length trial (and the pilot's figures are of 27)."""
STARTS_PER_RUN = 9
"""Under three full runs of budget, so many starts per run: halving then costs about all of it."""
FINALIST_SHARE = 0.25
"""At most this share of the budget goes to repeating finalists."""
FINALISTS = 3
SEEDS = 3
"""Runs per finalist that time is kept back for, the first one included."""
MOST_SEEDS = 8


@dataclass(frozen=True)
class Plan:
    """Fixed when a study begins; every worker on any machine follows it."""

    starts: int
    rungs: tuple[int, ...]
    """Parts after which the best third goes on; the last is the full length."""
    finalists: int
    """Configurations repeated with other seeds; under 2: none."""
    seed: int
    runs: float
    """Full-length runs the budget was worth when the plan was made."""
    epochs: int = 0
    """Of one training run to its end."""
    folds: int = 1
    """Runs to its end that a full-length trial consists of, one after the other."""

    @property
    def full(self) -> int:
        """Parts of a full-length run."""
        return self.rungs[-1]

    @property
    def run(self) -> int:
        """Parts of one training run; with folds, a full-length trial is several."""
        return self.full // self.folds

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read `to_dict`'s form."""
        return cls(**{**values, "rungs": tuple(values["rungs"])})


def make_plan(run: int, runs: float, *, noisy: bool, seed: int, folds: int = 1) -> Plan:
    """The stages for a budget of `runs` training runs of `run` parts.

    >>> make_plan(52, 10, noisy=False, seed=0).rungs
    (2, 6, 17, 52)
    >>> make_plan(27, 10, noisy=False, seed=0, folds=5).rungs
    (1, 3, 9, 27, 135)
    """
    rungs = sorted({max(1, round(run / ETA**back)) for back in range(4)} | {run * folds})
    starts = int(min(STARTS, max(ETA, STARTS_PER_RUN * runs)))
    affordable = int(FINALIST_SHARE * runs / folds / (SEEDS - 1))
    finalists = min(FINALISTS, affordable) if noisy else 0
    finalists = finalists if finalists > 1 else 0
    return Plan(starts, tuple(rungs), finalists, seed, runs, folds=folds)


def sobol_points(space: Space, number: int, seed: int) -> list[dict[str, Value]]:
    """Points spread evenly over the space, log ranges on their log scale."""
    sampler = qmc.Sobol(len(space.parameters), scramble=True, rng=np.random.default_rng(seed))
    shares = sampler.random_base2(max(1, int(np.ceil(np.log2(max(2, number))))))
    return [space.point([float(share) for share in row]) for row in shares[:number]]


@dataclass(frozen=True)
class GoOn:
    """A trial goes on, or begins, until `target` parts are done."""

    trial: Tried
    target: int
    stage: str


@dataclass(frozen=True)
class Propose:
    """A new full-length trial where the model says."""


@dataclass(frozen=True)
class Repeat:
    """A finalist's values once more, with another seed."""

    trial: Tried
    seed: int


Work = GoOn | Propose | Repeat


def next_work(tried: list[Tried], plan: Plan, parts_left: float) -> Work | None:
    """What a free worker does now; None: nothing more fits.

    `parts_left` is what this worker can still train, in parts.
    """
    begun = next((t for t in tried if t.state == WAITING and t.parts < t.target), None)
    if begun is not None:
        return GoOn(begun, begun.target, begun.stage) if parts_left > 0 else None
    for rung in range(1, len(plan.rungs)):
        promoted = _promotion(tried, plan, rung)
        if promoted is not None:
            return GoOn(promoted, plan.rungs[rung], "halving") if parts_left > 0 else None
    spare = parts_left - kept_back(tried, plan)
    if spare >= plan.full and not any(trial.repeats is not None for trial in tried):
        return Propose()
    repeated = next_repeat(tried, plan)
    if parts_left >= plan.full:  # without two finalists there is nobody to repeat
        return repeated or Propose()
    return _last_resort(tried, plan, parts_left)


def kept_back(tried: list[Tried], plan: Plan) -> int:
    """Parts kept back from the fine stage for what is still to be repeated of the finalists."""
    if plan.finalists < 2:
        return 0
    begun = sum(trial.repeats is not None and trial.state != LOST for trial in tried)
    return max(0, plan.finalists * (SEEDS - 1) - begun) * plan.full


def _promotion(tried: list[Tried], plan: Plan, rung: int) -> Tried | None:
    """The trial that moves up to `rung` now.

    Where others still work on the rung below, a free worker takes the best one known so far
    instead of waiting for them.
    """
    below = plan.rungs[rung - 1]
    places = max(1, plan.starts // ETA**rung)
    starts = [t for t in tried if t.stage in ("coarse", "halving") and t.state != LOST]
    if sum(trial.target > below for trial in starts) >= places:
        return None
    ready = [t for t in starts if t.state == WAITING and t.target == below == t.parts]
    return min(ready, key=lambda trial: trial.rank, default=None)


def _last_resort(tried: list[Tried], plan: Plan, parts_left: float) -> Work | None:
    """With less than a full run left: of the paused trials that can still be finished, the best."""
    spare = parts_left - kept_back(tried, plan)
    ends = full_length_estimates(tried, plan.full)
    paused = [t for t in tried if t.state == WAITING and plan.full - t.parts <= spare]
    paused = [t for t in paused if t.number in ends]
    best = min(paused, key=lambda t: (t.flat, ends[t.number], t.rank), default=None)
    return GoOn(best, plan.full, "halving") if best is not None else None


def next_repeat(tried: list[Tried], plan: Plan) -> Repeat | None:
    """The next finalist and seed that nobody ran yet: all finalists once, then again.

    Where time is left over after that, further seeds make the comparison surer.
    """
    finalists = full_length(tried)[: plan.finalists]
    if len(finalists) < 2:
        return None
    for seed in range(1, MOST_SEEDS):
        for trial in finalists:
            wanted = trial.seed + seed
            same = [t for t in tried if t.repeats == trial.number and t.seed == wanted]
            if not any(t.state in (RUNNING, DONE, WAITING) or t.diverged for t in same):
                return Repeat(trial, wanted)
    return None
