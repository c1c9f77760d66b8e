from dataclasses import replace

import pytest
import torch
from torch import nn

from steadygrad.lab import deep_networks as experiment
from steadygrad.lab.framework import run_experiment, values_for
from steadygrad.lab.small_networks import load_task, plain_network, start


def trained(title, signal, loss, accuracy):
    return experiment.Trained([loss] * 30, accuracy, title, [1.0, signal], [1.0, 1.0])


def runs():
    made = {title: trained(title, 1.0, 0.5, 0.9) for title in experiment.SCHEMES}
    made["Xavier"] = trained("Xavier", 2 ** (-29 / 2), 2.3, 0.1)
    return made


def test_what_the_claim_says_holds_and_its_opposite_does_not():
    assert all(verdict.holds for verdict in experiment.judge(runs(), 2.3, 30))
    learning = runs() | {"Xavier": trained("Xavier", 1.0, 0.5, 0.9)}
    failed = [v.text for v in experiment.judge(learning, 2.3, 30) if not v.holds]
    assert len(failed) == 2  # the signal and the stall; the norms' difference is 0
    stalled = {title: replace(run, losses=[2.3] * 30) for title, run in runs().items()}
    failed = [v for v in experiment.judge(stalled, 2.3, 30) if not v.holds]
    assert len(failed) == len(experiment.FITTING) + len(experiment.NORMED)
    uneven = runs() | {"Xavier, batch norm": trained("Xavier, batch norm", 1.0, 1.6, 0.3)}
    failed = [v.text for v in experiment.judge(uneven, 2.3, 30) if not v.holds]
    assert [text.split(" the two")[0] for text in failed] == ["with batch norm"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_kaiming_keeps_what_xavier_loses(seed):
    task = load_task("digits", 200, 100, 0)
    some = (task.train[0][:64], task.train[1][:64])
    last = {}
    for scheme in ("xavier-in-normal", "kaiming-normal"):
        network = plain_network(task, 12, 16)
        experiment.wrap_borders(network)
        start(network, task, scheme, seed)
        sizes, gradients = experiment.look(network, some)
        assert len(sizes) == len(gradients) == 11
        last[scheme] = sizes[-1]
    ratio = last["kaiming-normal"] / last["xavier-in-normal"]
    assert ratio == pytest.approx(2 ** (11 / 2), rel=1e-4)


def test_wrapped_borders_take_the_opposite_side():
    conv = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    network = nn.Sequential(conv)
    nn.init.ones_(conv.weight)
    experiment.wrap_borders(network)
    assert torch.equal(network(torch.ones(1, 1, 4, 4)), torch.full((1, 1, 4, 4), 9.0))


def test_looking_leaves_no_gradient_behind():
    task = load_task("digits", 100, 50, 0)
    values = values_for(experiment.EXPERIMENT, {"depth": 4, "num_steps": 3}, quick=True)
    run = experiment.train_from(task, "LSUV", values)
    assert len(run.losses) == 3
    assert all(0.3 < size < 1.2 for size in run.layer_stds)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_verdicts_hold(seed):
    finished = run_experiment(experiment.EXPERIMENT, {"seed": seed}, quick=True)
    assert finished.failed == []
    assert set(finished.result.figures) == {"losses", "signals"}
