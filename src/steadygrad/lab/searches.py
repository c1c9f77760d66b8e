"""Grid, random and coarse-to-fine searches, really trained, and how often each succeeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from steadygrad.lab.many_networks import Problem, Trials, train_trials

RATE_DECADES = (-6.0, 2.0)
DECAY_DECADES = (-8.0, -3.0)
GOOD_WITHIN = 0.06
"""Accuracy: a trial this close to the best of the survey is good. About four times what the draw
of the weights changes, so that the rate decides and not luck."""
COARSE_FRACTION = 0.25
"""Length of a coarse trial over that of a full one."""
FINE_DECADES = 0.5
"""To either side of the best coarse rate."""
SIDE = 3
"""Values of each setting in the grid."""


@dataclass(frozen=True)
class Searches:
    """A survey of the whole range, and many repetitions of each way to search, at equal cost."""

    survey: Trials
    grid: Trials
    random: Trials
    coarse: Trials
    fine: Trials
    trials: int
    """Full trainings one search may cost."""

    @property
    def good(self) -> float:
        """Accuracy from which a trial is good."""
        return float(self.survey.accuracies.max()) - GOOD_WITHIN

    @property
    def share(self) -> float:
        """Share of the whole range that is good."""
        return float((self.survey.accuracies >= self.good).mean())

    def success(self, trials: Trials, size: int) -> float:
        """Share of the searches in which at least one trial was good."""
        return float((trials.groups(size).max(1) >= self.good).mean())


def log_uniform(draws: np.ndarray, decades: tuple[float, float]) -> np.ndarray:
    """Numbers in [0, 1) to 10**uniform(a, b): every decade equally often."""
    low, high = decades
    return 10.0 ** (low + (high - low) * draws)


def grid_points(repeats: int, generator: np.random.Generator) -> np.ndarray:
    """3×3 grids laid down at `repeats` places, (9 repeats, 2) in [0, 1).

    Placing a grid well is luck. Its place in the first setting is stratified over the repeats:
    each as likely as any other, and the average over them is less noisy.
    """
    offsets = np.stack([stratified(repeats, generator), generator.random(repeats)], 1)
    places = np.asarray([(row, column) for row in range(SIDE) for column in range(SIDE)], float)
    return ((places[None] + offsets[:, None]) / SIDE).reshape(-1, 2)


def stratified(count: int, generator: np.random.Generator) -> np.ndarray:
    """One draw from each of `count` equal parts of [0, 1), in random order."""
    return generator.permutation((np.arange(count) + generator.random(count)) / count)


def search_all(
    problem: Problem, *, repeats: int, survey: int, hidden: int, num_steps: int, seed: int
) -> Searches:
    """Train everything: about (survey + 36 repeats) networks' worth of steps.

    Random searches are repeated twice as often as the others: nothing about them is stratified.
    """
    generator = np.random.default_rng([seed, 16])
    trials = SIDE**2
    coarse_length = round(COARSE_FRACTION * num_steps)
    num_coarse = 2 * trials - 2  # a quarter each: 4 full trainings of the 9; 5 are left

    def attempt(points: np.ndarray, steps: int, offset: int) -> Trials:
        rates = log_uniform(points[:, 0], RATE_DECADES)
        decays = log_uniform(points[:, 1], DECAY_DECADES)
        return train_trials(
            problem, rates, decays, hidden=hidden, num_steps=steps, seed=seed * 10 + offset
        )

    surveyed = np.stack([stratified(survey, generator), generator.random(survey)], 1)
    coarse = attempt(generator.random((repeats * num_coarse, 2)), coarse_length, 3)
    return Searches(
        attempt(surveyed, num_steps, 0),
        attempt(grid_points(repeats, generator), num_steps, 1),
        attempt(generator.random((2 * repeats * trials, 2)), num_steps, 2),
        coarse,
        attempt(
            fine_points(
                coarse, num_coarse, trials - round(COARSE_FRACTION * num_coarse), generator
            ),
            num_steps,
            4,
        ),
        trials,
    )


def fine_points(
    coarse: Trials, num_coarse: int, num_fine: int, generator: np.random.Generator
) -> np.ndarray:
    """For each search the points of its second stage, around the rate of its best coarse trial.

    Not cut off at the ends of the first range: a best trial at the edge means that the range was
    laid down wrong, and that one must look beyond it.
    """
    best = coarse.groups(num_coarse).argmax(1)
    rates = np.log10(coarse.rates.reshape(-1, num_coarse)[np.arange(len(best)), best])
    low, high = RATE_DECADES
    centres = (rates - low) / (high - low)
    width = FINE_DECADES / (high - low)
    points = generator.random((len(best), num_fine, 2))
    points[..., 0] = centres[:, None] + width * (2 * points[..., 0] - 1)
    return points.reshape(-1, 2)


def explained(settings: np.ndarray, accuracies: np.ndarray, bins: int = 16) -> float:
    """Share of the variance of the accuracy that the setting's bin explains (eta squared)."""
    ranks = np.argsort(np.argsort(settings)) * bins // len(settings)
    means = np.asarray([accuracies[ranks == bin_].mean() for bin_ in range(bins)])
    return float(means[ranks].var() / accuracies.var())


def theory(share: float) -> tuple[float, float]:
    """Chance that a 3×3 grid, and that 9 random trials, hit a band of the first setting alone.

    The grid tries 3 rates, evenly spaced: it hits a band as wide as `share` of the range with
    probability 3 · share. Nine independent trials miss it with (1 - share)^9 (Bergstra and Bengio
    2012, section 2.1, for any number of trials).
    """
    return min(1.0, SIDE * share), 1.0 - (1.0 - share) ** SIDE**2


def success_rows(found: Searches) -> list[dict[str, Any]]:
    """One row per way to search."""
    num_coarse = 2 * found.trials - 2
    num_fine = len(found.fine.rates) * num_coarse // len(found.coarse.rates)
    ways = (
        ("grid", found.grid, found.trials),
        ("random", found.random, found.trials),
        ("coarse to fine", found.fine, num_fine),
    )
    expected = (*theory(found.share), math.nan)
    return [
        {
            "search": name,
            "searches": len(trials.groups(size)),
            "different rates tried": len(np.unique(trials.rates[:size])),
            "found a good one": found.success(trials, size),
            "theory": None if math.isnan(chance) else chance,
            "mean best accuracy": float(trials.groups(size).max(1).mean()),
            "share of its trials that are good": float((trials.accuracies >= found.good).mean()),
        }
        for (name, trials, size), chance in zip(ways, expected)
    ]
