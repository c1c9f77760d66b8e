import numpy as np
import pytest
import torch
from torch import nn

from steadygrad.lab import norm_facts
from steadygrad.lab import which_norm as experiment
from steadygrad.lab.framework import run_experiment
from steadygrad.lab.norm_facts import NORM_NAMES, expected_reach, mode_difference, reached
from steadygrad.lab.small_networks import Task, load_task, plain_network


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_facts_hold(seed):
    assert all(verdict.holds for verdict in experiment.fact_verdicts(seed))


def test_the_norms_share_what_their_names_say():
    sizes = {norm: int(expected_reach(norm).sum()) for norm in NORM_NAMES}
    assert sizes == {"batch": 4 * 9, "layer": 8 * 9, "instance": 9, "group": 4 * 9}
    assert reached("batch")[:, 0].all()
    assert not reached("batch")[:, 1:].any()


def test_a_norm_that_averages_over_something_else_fails(monkeypatch):
    monkeypatch.setitem(norm_facts.NORMS, "group", lambda channels: nn.GroupNorm(1, channels))
    monkeypatch.setitem(norm_facts.NORMS, "layer", nn.BatchNorm2d)
    assert not np.array_equal(reached("group"), expected_reach("group"))
    assert mode_difference("layer", 0) > 0.1
    failed = [v.text.split(":")[0] for v in experiment.fact_verdicts(0) if not v.holds]
    assert failed == ["layer", "group", "layer"]


def test_errors_that_do_not_part_fail():
    flat = {norm: {64: 0.1, 2: 0.1} for norm in NORM_NAMES}
    assert [v.holds for v in experiment.error_verdicts(flat, 1000)] == [False, True, False]
    steep = flat | {"batch": {64: 0.1, 2: 0.5}}
    assert all(v.holds for v in experiment.error_verdicts(steep, 1000))
    both = steep | {"group": {64: 0.1, 2: 0.5}}
    assert not any(v.holds for v in experiment.error_verdicts(both, 1000))
    assert experiment.lasting(flat, 1000).endswith("down to 2 batch norm is as good as with 64.")
    assert "down to 64 " in experiment.lasting(steep, 1000)


def test_networks_are_as_deep_as_asked():
    task = load_task("digits", 60, 40, 0)
    for norm_last in (False, True):
        network = plain_network(task, 5, 8, "batch", norm_last=norm_last, smallest=1)
        kinds = [type(layer).__name__ for layer in network]
        assert kinds.count("Conv2d") == 4
        assert kinds[:3] == ["Conv2d", *(["ReLU", "BatchNorm2d"][:: 1 if norm_last else -1])]
        assert network(task.train[0]).shape == (60, 10)
    assert network[:-2](task.train[0]).shape[2:] == (1, 1)


@pytest.mark.parametrize("size", [8, 28, 32])
def test_maps_shrink_to_a_single_position_at_the_last_convolution(size):
    pictures = torch.zeros(2, 1, size, size)
    labels = torch.zeros(2, dtype=torch.long)
    task = Task((pictures, labels), (pictures, labels), 10, "made up")
    network = plain_network(task, experiment.shrinking_depth(task), 4, smallest=1)
    sizes = [network[: 2 * count](pictures).shape[-1] for count in range(1, len(network) // 2)]
    assert sizes[-1] == 1
    assert sizes[-2] == 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_verdicts_hold(seed):
    finished = run_experiment(experiment.EXPERIMENT, {"seed": seed}, quick=True)
    assert finished.failed == []
    assert set(finished.result.figures) == {"errors", "reach"}
