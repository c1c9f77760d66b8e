import pytest

from steadygrad.lab import activations
from steadygrad.lab.framework import run_experiment

SMALL = {"num_samples": 100_000, "repeats": 3}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_verdicts_hold(seed):
    finished = run_experiment(activations.EXPERIMENT, {**SMALL, "seed": seed})
    assert finished.failed == []
    assert len(finished.result.numbers) == len(activations.ACTIVATIONS)


def test_a_wrong_gain_is_found(monkeypatch):
    monkeypatch.setattr(activations, "gain", lambda name: 1.1 if name == "relu" else 1.0)
    failed = run_experiment(activations.EXPERIMENT, SMALL).failed
    assert ["gain" in verdict.text for verdict in failed] == [True]


def test_a_sigmoid_that_is_a_tanh_is_found(monkeypatch):
    table = {**activations.ACTIVATIONS, "sigmoid": activations.ACTIVATIONS["tanh"]}
    monkeypatch.setattr(activations, "ACTIVATIONS", table)
    assert len(run_experiment(activations.EXPERIMENT, SMALL).failed) >= 4
