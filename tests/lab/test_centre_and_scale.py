import numpy as np
import pytest

from steadygrad.lab import centre_and_scale
from steadygrad.lab.framework import run_experiment


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_verdicts_hold(seed, monkeypatch):
    monkeypatch.delenv("STEADYGRAD_DATA", raising=False)  # the small pictures: a second
    finished = run_experiment(centre_and_scale.EXPERIMENT, {"seed": seed}, quick=True)
    assert finished.failed == []


def test_a_line_at_the_origin_needs_no_centring():
    failed = run_experiment(centre_and_scale.EXPERIMENT, {"distance": 0.0}, quick=True).failed
    assert [verdict.text for verdict in failed] == ["Line: steps as given over steps centred"]


def test_steps_follow_the_condition():
    for condition in (1.5, 10.0, 300.0):
        steps = centre_and_scale.steps_of_descent(np.diag([1.0, condition]))
        assert abs(steps - centre_and_scale.steps_expected(condition)) <= 1
