from dataclasses import replace

import pytest
import torch

from steadygrad.lab import constant_start as experiment
from steadygrad.lab.framework import run_experiment, values_for
from steadygrad.lab.symmetry import hidden_rank, label_entropy, unit_spread


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_verdicts_hold(seed):
    finished = run_experiment(experiment.EXPERIMENT, {"seed": seed}, quick=True)
    assert finished.failed == []
    assert len(finished.result.numbers) == 6
    assert set(finished.result.figures) == {"curves", "weights"}


def test_a_network_that_is_not_what_it_is_called_fails():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 4
    inputs = torch.randn(200, 9, generator=generator).double() + labels[:, None]
    values = values_for(experiment.EXPERIMENT, {"num_steps": 60, "width": 8})
    examples = (inputs, labels)
    random = experiment.train_from("xavier-normal", examples, examples, values)
    runs = {scheme: replace(random, scheme=scheme) for scheme in experiment.SCHEMES}
    verdicts = experiment.judge(runs, label_entropy(labels))
    failed = [verdict.text for verdict in verdicts if not verdict.holds]
    assert len(failed) == 6  # all but: equal ones move, random ones differ
    assert not any(text.startswith("random: the units") for text in failed)


def test_measures():
    generator = torch.Generator().manual_seed(0)
    assert unit_spread(torch.zeros(3, 4)) == 0.0
    assert unit_spread(torch.randn(3, 4, generator=generator)) > 0.1
    assert hidden_rank(torch.zeros(5, 4)) == 0
    assert hidden_rank(torch.randn(50, 4, generator=generator)) == 4
    assert label_entropy(torch.tensor([0, 0, 0])) == 0.0
