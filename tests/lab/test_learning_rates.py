import math
from dataclasses import replace

import numpy as np
import pytest

from steadygrad.lab import learning_rate_runs as runs
from steadygrad.lab import learning_rates as experiment
from steadygrad.lab.framework import run_experiment
from steadygrad.lab.short_runs import load_study, plain_recipe, short_run
from steadygrad.schedules import SCHEDULES, multiplier


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_verdicts_hold(seed):
    finished = run_experiment(experiment.EXPERIMENT, {"seed": seed}, quick=True)
    assert finished.failed == []
    assert set(finished.result.figures) == {"rates", "schedules", "epochs"}


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_formulas_are_the_schedules(name):
    middle = (np.arange(50) + 0.5) / 50
    values = [multiplier(name, float(progress)) for progress in middle]
    assert runs.expected_multipliers(name, 50) == pytest.approx(values, abs=1e-12)


def test_a_planted_change_is_told():
    study = load_study("digits", num_train=100, num_val=50)
    found = runs.measure(study, 0, 2)
    run = found.schedules["cosine"]
    assert runs.schedule_error("cosine", run, found.peak) < 1e-9
    assert runs.schedule_error("linear", run, found.peak) > 0.05
    # the same rate for all: no rate is too high, none too low
    same = replace(found, rates=dict.fromkeys(runs.RATES, found.rates[0.1]))
    failed = [verdict.text for verdict in experiment.judge(same) if not verdict.holds]
    assert any(text.startswith("Too low") for text in failed)
    assert any(text.startswith("Too high") for text in failed)


def test_settled_is_the_last_tenth():
    study = load_study("digits", num_train=100, num_val=50)
    run = short_run(study, plain_recipe(0, 1))
    noisy = replace(run, losses=[9.0] * 90 + [1.0, 3.0] * 5)
    assert runs.settled_loss(noisy) == 2.0


def test_a_run_that_breaks_says_so():
    study = load_study("digits", num_train=100, num_val=50)
    run = short_run(study, plain_recipe(0, 20).replace(lr=1e6))
    assert run.broke
    assert run.last_train == (math.inf, 0.0)
