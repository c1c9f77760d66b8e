from dataclasses import replace

import pytest

from steadygrad.lab import babysitting as experiment
from steadygrad.lab import babysitting_runs as runs
from steadygrad.lab.framework import run_experiment
from steadygrad.lab.short_runs import load_study, short_run


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_verdicts_hold(seed):
    finished = run_experiment(experiment.EXPERIMENT, {"seed": seed}, quick=True)
    assert finished.failed == []
    assert set(finished.result.figures) == {"sweep", "ratios"}


def test_ways_of_drawing():
    found = runs.shares_by_decade(0)
    assert found["10**uniform(a, b)"] == pytest.approx([1 / 6] * 6, abs=0.01)
    assert found["uniform(10**a, 10**b)"][-1] == pytest.approx(0.9, abs=0.01)


def test_a_large_first_head_and_swapped_draws_are_told():
    study = load_study("digits", num_train=100, num_val=50)
    recipe = runs.base_recipe(0, 1)
    few = short_run(study.fewer(20), recipe, score_every=0)
    broken = replace(few, broke=True)
    found = runs.Measured(
        num_classes=10,
        start=runs.start_losses(study, recipe.replace(init="normal", init_std=1.0)),
        heart=few,
        sweep={1e-7: broken, 1e-6: few},
        deep={"Kaiming": few, "half of it": few},
        ratios={},
        ratio_losses={},
        decades=dict(reversed(runs.shares_by_decade(0).items())),
    )
    failed = [verdict.text for verdict in experiment._before(found) if not verdict.holds]
    assert failed[0].startswith("Loss of the untrained network")
    assert any("by heart" in text for text in failed)
    slips = [verdict.holds for verdict in experiment._slips(found)]
    assert slips[1:] == [False, False, False, False]


def test_the_first_update_is_proportional_to_the_rate():
    study = load_study("digits", num_train=100, num_val=50)
    recipe = runs.base_recipe(0, 1)
    (small, _), (large, _) = (
        runs.update_ratios(study, recipe.replace(lr=lr), 2) for lr in (0.01, 0.1)
    )
    assert large[0] / small[0] == pytest.approx(10, rel=0.02)
