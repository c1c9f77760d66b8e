from dataclasses import replace

import numpy as np
import pytest

from steadygrad.lab import random_search as experiment
from steadygrad.lab import searches
from steadygrad.lab.framework import run_experiment
from steadygrad.lab.many_networks import Trials, problem_of, train_trials
from steadygrad.lab.short_runs import load_study


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_verdicts_hold(seed):
    finished = run_experiment(experiment.EXPERIMENT, {"seed": seed}, quick=True)
    assert finished.failed == []


def simulated(generator, repeats=200, *, decides="rates"):
    """Searches on a made-up surface: one setting decides, in a band of 15 % of its range."""

    def trials(points):
        first = points[:, 0 if decides == "rates" else 1]
        accuracies = np.where(np.abs(first - 0.6) < 0.075, 0.97, 0.1)
        rates = searches.log_uniform(points[:, 0], searches.RATE_DECADES)
        return Trials(rates, searches.log_uniform(points[:, 1], (-8.0, -3.0)), accuracies)

    coarse = trials(generator.random((repeats * 16, 2)))
    survey = trials(np.stack([searches.stratified(400, generator), generator.random(400)], 1))
    return searches.Searches(
        survey,
        trials(searches.grid_points(repeats, generator)),
        trials(generator.random((2 * repeats * 9, 2))),
        coarse,
        trials(searches.fine_points(coarse, 16, 5, generator)),
        9,
    )


def failed(found):
    return [verdict.text for verdict in experiment.judge(found) if not verdict.holds]


def test_theory_is_met_where_one_setting_decides():
    assert failed(simulated(np.random.default_rng(0))) == []


def test_swapped_searches_and_the_other_setting_are_told():
    found = simulated(np.random.default_rng(1))
    swapped = replace(found, grid=found.random, random=found.grid)
    assert any("more often than the grid" in text for text in failed(swapped))
    other = failed(simulated(np.random.default_rng(1), decides="decays"))
    assert any("learning rate explains" in text for text in other)
    assert any("weight decay" in text for text in other)


def test_points():
    generator = np.random.default_rng(0)
    grid = searches.grid_points(1, generator)
    assert len(np.unique(grid[:, 0].round(9))) == len(np.unique(grid[:, 1].round(9))) == 3
    assert (grid >= 0).all()
    assert (grid < 1).all()
    draws = searches.log_uniform(np.array([0.0, 0.5]), (-6.0, 2.0))
    assert draws == pytest.approx([1e-6, 1e-2])


def test_networks_trained_together_are_independent():
    problem = problem_of(load_study("digits", num_train=300, num_val=200))
    rates = np.array([0.2, 1e-6, 1e4])
    found = train_trials(problem, rates, np.zeros(3), hidden=16, num_steps=150, seed=0)
    assert found.accuracies[0] > 0.8
    assert found.accuracies[1] < 0.4
    assert found.accuracies[2] < 0.4  # numbers broke, and only there
