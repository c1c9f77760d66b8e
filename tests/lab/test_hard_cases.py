import pytest
import torch

from steadygrad.errors import InputError
from steadygrad.lab import hard_cases
from steadygrad.lab.framework import run_experiment


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_verdicts_hold(seed):
    assert run_experiment(hard_cases.EXPERIMENT, {"seed": seed}, quick=True).failed == []


def test_too_few_units_fail():
    small = {"hidden": 1, "num_steps": 60, "num_points": 500}
    failed = run_experiment(hard_cases.EXPERIMENT, small).failed
    assert {v.text for v in failed} == {f"{c}: hidden layers solve it" for c in hard_cases.CASES}


def test_best_line_finds_what_a_line_can_part():
    points = torch.rand(300, 2)
    assert hard_cases.best_line(points, (points[:, 0] > points[:, 1]).long()).right == 1.0
    four = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert hard_cases.best_line(four, torch.tensor([0, 1, 1, 0])).right == 0.75
    assert hard_cases.quadrants_bound(0.0) == pytest.approx(2 / 3)


def test_a_margin_that_leaves_one_class_is_refused():
    with pytest.raises(InputError, match=r"--margin is 0\.3: it leaves no points of one class"):
        run_experiment(hard_cases.EXPERIMENT, {"margin": 0.3, "num_steps": 5}, quick=True)
