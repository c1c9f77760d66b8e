"""Learning rates tried for a moment, each on a copy of its own."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadygrad.optim.make import DEFAULT_LR
from steadygrad.record import Recipe
from steadygrad.train import BatchesLike, Diverged, train
from steadygrad.training_state import TrainingState, start
from steadygrad.trials.copies import copied, undisturbed

COARSE = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
"""Rates tried, as multiples of the update rule's usual one."""
FINE = 10**0.5
"""Then the rates this factor to either side of the best."""
STEPS = (6, 40)
FALLS = 0.98
"""A loss under this share of the first has fallen."""
DIVERGES = 1.3
MARGIN = 3.0
"""Between the recommended rate and the largest at which the loss still falls."""


@dataclass(frozen=True)
class Trial:
    """One rate, and the plain loss on the same pictures before and after."""

    rate: float
    before: float
    after: float
    """Infinite where numbers broke."""

    @property
    def falls(self) -> bool:
        """The loss got clearly smaller."""
        return self.after < FALLS * self.before

    @property
    def diverges(self) -> bool:
        """The loss got clearly larger, or broke."""
        return not self.after < DIVERGES * self.before


def try_rates(
    state: TrainingState,
    recipe: Recipe,
    batches: BatchesLike,
    probe: tuple[Tensor, Tensor],
    seconds: float,
) -> list[Trial]:
    """Train copies with each rate for a few steps of the real recipe; sorted by rate.

    `probe` is (pixels, labels) the loss is measured on. Nothing of `state`, nor any generator of
    random numbers, is changed.
    """
    usual = DEFAULT_LR.get(recipe.optimizer, DEFAULT_LR["nesterov"])
    deadline = time.monotonic() + seconds
    with undisturbed():
        before = probe_loss(copied(state), probe)
        steps = _steps_that_fit(state, recipe, batches, seconds)
        trials: dict[float, Trial] = {}

        def attempt(rate: float) -> None:
            if rate not in trials and time.monotonic() < deadline:
                after = _train_for(state, recipe.replace(lr=rate), batches, probe, steps)
                trials[rate] = Trial(rate, before, after)

        # The usual rate first, then outwards: what the time does not allow is the least likely.
        for factor in sorted(COARSE, key=lambda factor: abs(math.log(factor))):
            attempt(usual * factor)
        best = min(trials.values(), key=lambda trial: trial.after).rate if trials else usual
        for rate in (best / FINE, best * FINE, best * FINE**3):
            attempt(rate)
    return sorted(trials.values(), key=lambda trial: trial.rate)


def _steps_that_fit(
    state: TrainingState, recipe: Recipe, batches: BatchesLike, seconds: float
) -> int:
    rate = DEFAULT_LR.get(recipe.optimizer, DEFAULT_LR["nesterov"])
    began = time.monotonic()
    _train_for(state, recipe.replace(lr=rate), batches, None, 3)
    one = (time.monotonic() - began) / 3
    return int(min(max(seconds / ((len(COARSE) + 3) * one), STEPS[0]), STEPS[1]))


def _train_for(
    state: TrainingState,
    recipe: Recipe,
    batches: BatchesLike,
    probe: tuple[Tensor, Tensor] | None,
    steps: int,
) -> float:
    """The plain loss on `probe` after some steps on a copy; infinite where numbers broke."""
    trial = recipe.replace(
        schedule="constant", warmup=0.0, low_resolution=0.0, base_batch_size=0, freeze=0.0
    )
    new = start(copied(state), trial.replace(average_decay=0.0), max(len(batches), steps))
    new.class_weights = state.class_weights
    new.total_steps, new.steps_per_epoch = steps, max(1, len(batches))
    try:
        for _ in train(new, batches, trial):
            pass
    except Diverged:
        return math.inf
    return probe_loss(new.classifier, probe) if probe is not None else 0.0


@torch.no_grad()
def probe_loss(classifier: nn.Module, probe: tuple[Tensor, Tensor]) -> float:
    """Plain cross entropy on these pictures with the batch's own statistics; infinite for NaN."""
    device = next(classifier.parameters()).device
    torch.manual_seed(0)
    logits = classifier.train()(probe[0].to(device)).float()
    loss = float(F.cross_entropy(logits, probe[1].to(device)))
    return loss if math.isfinite(loss) else math.inf


def recommended(trials: list[Trial]) -> float | None:
    """The rate whose loss fell most, well under the largest at which it still falls."""
    falling = [trial for trial in trials if trial.falls]
    if not falling:
        return None
    best = min(falling, key=lambda trial: trial.after).rate
    highest = falling[-1].rate
    above = [trial for trial in trials if trial.rate > highest]
    return min(best, highest / MARGIN) if above else best
