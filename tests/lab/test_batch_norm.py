import math

import pytest
import torch
from torch import nn

from steadygrad.lab import batch_norm as experiment
from steadygrad.lab import batch_norm_facts as facts
from steadygrad.lab.framework import run_experiment

SEEDS = [0, 1, 2]


def gaps(seed):
    return {size: facts.train_and_test_difference(size, 300, seed) for size in (2, 128)}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_facts_hold(seed):
    torch.manual_seed(seed)
    verdicts = [*experiment.layer_verdicts(seed), *experiment.run_verdicts(seed, gaps(seed))]
    assert [verdict.text for verdict in verdicts if not verdict.holds] == []


def test_without_the_norm_nothing_is_invariant():
    ratio, change = facts.scaled_gradient_ratio(10.0, 0, normed=False)
    assert ratio > 1
    assert change > 1


def test_another_norm_fails_the_facts(monkeypatch):
    class Forgetful(nn.BatchNorm2d):
        def forward(self, input):
            return super().forward(input) + 0.01 * input

    monkeypatch.setattr(facts.nn, "BatchNorm2d", Forgetful)
    torch.manual_seed(0)
    failed = [verdict for verdict in experiment.layer_verdicts(0) if not verdict.holds]
    assert len(failed) >= 5


def test_a_gap_that_theory_does_not_have_fails():
    verdicts = experiment.run_verdicts(0, {128: 2 * math.sqrt(1.5 / 128)})
    assert [verdict.holds for verdict in verdicts if "differ by" in verdict.text] == [False]


def cells(batch, none):
    made = [
        experiment.Cell([1.0], accuracy, norm, 0.1, 1.0)
        for norm, accuracies in (("batch", batch), ("none", none))
        for accuracy in accuracies
    ]
    return made, experiment.Cell([1.0], 0.9, "behind", 0.1, 1.0)


def test_a_norm_that_helps_nothing_fails():
    good = experiment.grid_verdicts(*cells([0.9, 0.9, 0.9], [0.9, 0.1, 0.1]))
    assert all(verdict.holds for verdict in good)
    same = experiment.grid_verdicts(*cells([0.9, 0.1, 0.1], [0.9, 0.1, 0.1]))
    assert [verdict.holds for verdict in same] == [False, False, True]


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_all_verdicts_hold(seed):
    finished = run_experiment(experiment.EXPERIMENT, {"seed": seed}, quick=True)
    assert finished.failed == []
    assert set(finished.result.figures) == {"grid", "curves"}
