"""Random against grid search, and from coarse to fine, with every trial really trained."""

from __future__ import annotations

import math
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
from steadygrad.lab.many_networks import Trials, problem_of
from steadygrad.lab.searches import (
    DECAY_DECADES,
    GOOD_WITHIN,
    RATE_DECADES,
    SIDE,
    Searches,
    explained,
    search_all,
    success_rows,
    theory,
)
from steadygrad.lab.short_runs import load_study


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
    axes[0][0].legend(loc="center left")
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
            clip_on=False,
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


def judge(found: Searches) -> list[Verdict]:
    """The claims against the counts."""
    rows = success_rows(found)
    return [
        *_survey_verdicts(found.survey),
        *_theory_verdicts(found, rows),
        *_search_verdicts(found.share, rows),
    ]


def _survey_verdicts(survey: Trials) -> list[Verdict]:
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
    ]


def _theory_verdicts(found: Searches, rows: list[dict[str, Any]]) -> list[Verdict]:
    grid, random, _ = rows
    grid_theory, random_theory = theory(found.share)

    def error(chance: float, slope: float, repeats: int) -> float:
        # Counting `repeats` searches, and the share itself counted in the survey.
        counted = chance * (1 - chance) / repeats
        share = slope**2 * found.share * (1 - found.share) / len(found.survey.rates)
        return 3.0 * math.sqrt(counted + share)

    slope = found.trials * (1 - found.share) ** (found.trials - 1)
    return [
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
    ]


def _search_verdicts(share: float, rows: list[dict[str, Any]]) -> list[Verdict]:
    grid, random, fine = rows
    return [
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
            fine["share of its trials that are good"] / share,
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
