import pytest

from steadygrad.lab import not_centred
from steadygrad.lab.framework import run_experiment

SMALL = {"num_pictures": 800, "num_batches": 60}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_verdicts_hold(seed):
    finished = run_experiment(not_centred.EXPERIMENT, {**SMALL, "seed": seed})
    assert finished.failed == []


def test_centred_inputs_in_place_of_positive_ones_fail(monkeypatch):
    walk = not_centred.walk
    monkeypatch.setattr(not_centred, "walk", lambda low, size, values: walk(-0.5, size, values))
    failed = [verdict.text for verdict in run_experiment(not_centred.EXPERIMENT, SMALL).failed]
    assert any("opposite directions" in text for text in failed)
    assert any("positive inputs, small steps" in text for text in failed)


def test_detour_of_tiny_steps_is_the_integral():
    # E[r |x.u|] / E[(x.u)^2] on a disc would be 4 / pi; on the square it is near that.
    assert not_centred.small_step_detour(-0.5) == pytest.approx(1.217, abs=0.001)
