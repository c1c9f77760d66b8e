"""Random against grid search, and from coarse to fine, with every trial really trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from steadygrad.lab.drawing import (
    BLUE,
    FILLED,
    GRAY,
    GREEN,
    ORANGE,
    VERMILION,
    figure,
    label,
)
from steadygrad.lab.framework import Experiment, Option, Result, Verdict, at_least, at_most, near
from steadygrad.lab.many_networks import Problem, Trials, problem_of, train_trials
from steadygrad.lab.short_runs import load_study

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


def draw_survey(found: Searches) -> Figure:
    """Accuracy against each setting."""
    drawn, axes = figure(
        1,
        2,
        sharey=True,
        caption="Validation accuracy of random trials against their learning rate and against "
        "their weight decay. The rate decides; the decay hardly matters.",
    )
    columns = (("rates", "learning rate"), ("decays", "weight decay"))
    for place, (field, name) in zip(axes[0], columns):
        place.scatter(getattr(found.survey, field), found.survey.accuracies, s=10, color=BLUE)
        place.axhline(found.good, color=VERMILION, linestyle="--", label="good from here on")
        place.set_xscale("log")
        share = explained(getattr(found.survey, field), found.survey.accuracies)
        label(place, name, "validation accuracy", f"explains {share:.0%} of the variance")
    axes[0][1].set_ylabel("")
    axes[0][0].legend(loc="upper left")
    return drawn


def draw_searches(found: Searches) -> Figure:
    """One search of each kind in the plane of both settings, and how often each kind succeeds."""
    drawn, axes = figure(
        1,
        3,
        height=3.6,
        caption="Left and middle: one grid and one random search of nine trials; the shaded band "
        "holds the good rates. Right: share of searches that found a good setting at equal cost, "
        "with the chance theory gives.",
    )
    good = found.survey.rates[found.survey.accuracies >= found.good]
    size = found.trials
    for place, trials, name in zip(axes[0], (found.grid, found.random), ("grid", "random")):
        place.axvspan(*np.quantile(good, (0.05, 0.95)), color=GRAY, alpha=0.25, linewidth=0)
        shown = place.scatter(
            trials.rates[:size],
            trials.decays[:size],
            c=trials.accuracies[:size],
            cmap=FILLED,
            vmin=0,
            vmax=1,
            edgecolors="black",
            s=60,
        )
        place.set_xscale("log")
        place.set_yscale("log")
        place.set_xlim(*(10.0 ** np.asarray(RATE_DECADES)))
        place.set_ylim(*(10.0 ** np.asarray(DECAY_DECADES)))
        rates = len(np.unique(trials.rates[:size]))
        drawn.colorbar(shown, ax=place, label="validation accuracy", location="bottom")
        label(place, "learning rate", "weight decay", f"{name}: {rates} rates")
    axes[0][1].set_ylabel("")
    _draw_success(axes[0][2], found)
    return drawn


def _draw_success(place: Any, found: Searches) -> None:
    shares = [row["found a good one"] for row in success_rows(found)]
    place.bar(range(3), shares, color=[ORANGE, BLUE, GREEN], width=0.6)
    place.plot(range(2), theory(found.share), "D", color="black", label="theory")
    place.set_xticks(range(3), ["grid", "random", "coarse\nto fine"])
    place.set_ylim(0, 1.15)
    label(place, "", "searches with a good trial", "Nine trainings' cost", legend=True)


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


def judge(found: Searches) -> list[Verdict]:
    """The claims against the counts."""
    grid, random, fine = success_rows(found)
    survey = found.survey
    grid_theory, random_theory = theory(found.share)

    def error(chance: float, slope: float, repeats: int) -> float:
        # Counting `repeats` searches, and the share itself counted in the survey.
        counted = chance * (1 - chance) / repeats
        share = slope**2 * found.share * (1 - found.share) / len(survey.rates)
        return 3.0 * math.sqrt(counted + share)

    slope = found.trials * (1 - found.share) ** (found.trials - 1)
    return [
        at_least(
            "Share of the variance of the accuracy that the learning rate explains",
            explained(survey.rates, survey.accuracies),
            0.7,
            why="one setting decides",
        ),
        at_most(
            "and the weight decay",
            explained(survey.decays, survey.accuracies),
            0.2,
            why=f"16 bins of {len(survey.rates)} trials explain {15 / len(survey.rates):.0%} "
            "by chance",
        ),
        near(
            "Random search finds a good setting as often as 1 − (1 − p)⁹ says, p the good share",
            random["found a good one"],
            random_theory,
            absolute=error(random_theory, slope, random["searches"]),
            why="3 standard errors of the counts",
        ),
        near(
            "The grid as often as its 3 rates allow: 3 p",
            grid["found a good one"],
            grid_theory,
            absolute=error(grid_theory, SIDE, grid["searches"]),
            why="3 standard errors of the counts",
        ),
        at_least(
            "Random search finds one more often than the grid, of the same cost (difference)",
            random["found a good one"] - grid["found a good one"],
            0.0,
            why="in every dimension that matters it tries 9 values, not 3",
        ),
        at_least(
            "From coarse to fine finds one at least as often as one round (difference)",
            fine["found a good one"] - random["found a good one"],
            0.0,
            why="at equal cost: 16 trials of a quarter length, then 5 full ones near the best",
        ),
        at_least(
            "and its second round is spent where it is good: share of good trials over the first's",
            fine["share of its trials that are good"] / found.share,
            2.0,
            why="the range has been narrowed",
        ),
    ]


def run(values: dict[str, Any]) -> Result:
    """Survey, search, compare."""
    seed = int(values["seed"])
    study = load_study("digits", num_train=1000, num_val=400, seed=seed)
    found = search_all(
        problem_of(study),
        repeats=int(values["repeats"]),
        survey=int(values["survey"]),
        hidden=int(values["hidden"]),
        num_steps=int(values["steps"]),
        seed=seed,
    )
    rows = success_rows(found)
    text = (
        f"{study.about}. {found.share:.0%} of the range is good (within {GOOD_WITHIN} of the best "
        f"accuracy, {found.survey.accuracies.max():.3f}). At the cost of nine trainings the grid "
        f"finds a good setting in {rows[0]['found a good one']:.0%} of the searches, random search "
        f"in {rows[1]['found a good one']:.0%}, coarse to fine in "
        f"{rows[2]['found a good one']:.0%}."
    )
    figures = {"survey": draw_survey(found), "searches": draw_searches(found)}
    return Result(rows, figures, judge(found), text)


EXPERIMENT = Experiment(
    name="random-search",
    title="Random against grid search, coarse to fine",
    claim="At equal cost random search beats a grid, because few settings matter; and a coarse "
    "round that narrows the range beats both.",
    explanation="A grid of three by three costs nine trainings and tries only three values of each "
    "setting. When one setting decides and the other hardly matters, which is the usual case, six "
    "of the nine trainings were for nothing. Nine random trials try nine values of everything. "
    "Settings that multiply, such as a learning rate, are drawn as 10**uniform(a, b): every decade "
    "gets its share. Short trials over a wide range then say where to look closely, and a best "
    "value at the edge of the range says that the range was too narrow. All trials here are real "
    "networks trained on real digits, and each way to search is repeated many times, as one search "
    "alone proves nothing.",
    source="Bergstra, Bengio 2012, Random Search for Hyper-Parameter Optimization",
    options=(
        Option("repeats", 48, 30, "Searches of each kind; random ones twice as many.", int),
        Option(
            "survey", 400, 240, "Random trials that measure how much of the range is good.", int
        ),
        Option("hidden", 24, 12, "Hidden units of the networks.", int),
        Option("steps", 300, 200, "Updates of a full training.", int),
    ),
    run=run,
)
