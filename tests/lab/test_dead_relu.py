import pytest
import torch
from torch import nn

from steadygrad.lab import dead_relu
from steadygrad.lab.framework import run_experiment


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_verdicts_hold(seed):
    assert run_experiment(dead_relu.EXPERIMENT, {"seed": seed}, quick=True).failed == []


@pytest.mark.slow
def test_small_rates_kill_nothing():
    gentle = {"rates": (0.0001, 0.001)}
    failed = run_experiment(dead_relu.EXPERIMENT, gentle, quick=True).failed
    assert any("flat units at the largest rate" in verdict.text for verdict in failed)


def test_dead_units_are_counted():
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    nn.init.zeros_(network[0].weight)
    with torch.no_grad():
        network[0].bias.copy_(torch.tensor([-1.0, -1.0, -1.0, 1.0]))
    assert dead_relu.flat_shares(network, torch.rand(5, 3)) == (0.75, 0.75)
    leaky = nn.Sequential(network[0], nn.LeakyReLU(0.01), network[2])
    assert dead_relu.flat_shares(leaky, torch.rand(5, 3)) == (0.0, 0.0)
