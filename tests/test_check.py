"""`steadygrad check`: each check says yes to what is healthy and no to what is not."""

import copy
import dataclasses
import json
import math
import random

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from digit_files import write_digits
from steadygrad import cli
from steadygrad.images.source import open_source
from steadygrad.preflight import check
from steadygrad.preflight.overfit import check_overfit
from steadygrad.preflight.rates import check_rates
from steadygrad.preflight.sample import even_sample
from steadygrad.preflight.start import check_inputs, check_loss, check_regularised
from steadygrad.record import Recipe
from steadygrad.train import start, train
from steadygrad.trials import Trial, recommended, try_rates
from training_helpers import Digits, PlainBatches, SmallClassifier

RECIPE = Recipe(seed=5, epochs=3, optimizer="nesterov", lr=0.05, average_decay=0.9)


@pytest.fixture(scope="module")
def digits():
    return Digits(0, 256)


@pytest.fixture
def state(digits):
    torch.manual_seed(0)
    return start(SmallClassifier(digits), RECIPE, 4)


def examples(digits, count=20):
    pixels = torch.from_numpy(digits.pixels[:count]).permute(0, 3, 1, 2)
    return pixels, torch.from_numpy(digits.labels[:count])


def by_name(found):
    return {each.name: each for each in found.checks}


def everything(state):
    """All of a run that an experiment could disturb."""
    tensors = [*state.classifier.state_dict().values()]
    tensors += [p.grad for p in state.classifier.parameters() if p.grad is not None]
    for entry in state.optimizer.state.values():
        tensors += [value for value in entry.values() if isinstance(value, torch.Tensor)]
    if state.average is not None:
        tensors += list(state.average.state_dict()["tensors"].values())
    flags = [module.training for module in state.classifier.modules()]
    rates = [group["lr"] for group in state.optimizer.param_groups]
    numbers = (state.step, state.progress, state.total_steps, state.lr, flags, rates)
    generators = (
        torch.random.get_rng_state(),
        random.getstate(),
        np.random.get_state()[1].tolist(),
    )
    return copy.deepcopy((tensors, numbers, generators))


def test_experiments_leave_a_running_run_exactly_as_it_is(state, digits):
    batches = PlainBatches(digits, seed=5)
    steps = train(state, batches, RECIPE)
    for _ in range(3):
        next(steps)
    before = everything(state)
    trials = try_rates(state, RECIPE, batches, examples(digits, 64), seconds=3)
    assert len(trials) >= 6
    check_overfit(state, *examples(digits), seconds=3)
    after = everything(state)
    assert len(before[0]) == len(after[0]) > 10
    assert all(torch.equal(old, new) for old, new in zip(before[0], after[0]))
    assert before[1] == after[1]
    assert torch.equal(before[2][0], after[2][0])
    assert before[2][1:] == after[2][1:]
    next(steps)


def test_rates_find_where_the_loss_falls_and_where_it_breaks(state, digits):
    trials = try_rates(state, RECIPE, PlainBatches(digits, seed=5), examples(digits, 64), 6)
    assert [trial.rate for trial in trials] == sorted(trial.rate for trial in trials)
    advice = recommended(trials)
    assert advice is not None
    assert 0.003 < advice < 3
    assert check_rates(trials, advice).status == "pass"
    assert check_rates(trials, 1e4).status in ("warn", "fail")
    assert check_rates(trials, 1e-9).status == "warn"


def test_rates_by_hand():
    trials = [Trial(0.01, 2.3, 2.29), Trial(0.1, 2.3, 1.0), Trial(1.0, 2.3, 0.9)]
    assert recommended(trials) == 1.0
    assert recommended([*trials, Trial(10.0, 2.3, math.inf)]) == pytest.approx(1 / 3)
    assert check_rates([*trials, Trial(10.0, 2.3, math.inf)], 20.0).status == "fail"
    assert recommended(trials[:1]) is None
    assert check_rates(trials[:1], 0.1).status == "fail"


def test_twenty_examples_are_learned_by_heart(state, digits):
    found = check_overfit(state, *examples(digits), seconds=20)
    assert found.status == "pass", found
    assert found.numbers["loss"] < 0.05
    assert found.numbers["accuracy"] == 1.0


class Silent(nn.Module):
    """Gives every picture the same answer."""

    def __init__(self):
        super().__init__()
        self.preprocess = nn.Identity()
        self.network = nn.Linear(64, 10)

    def forward(self, pixels):
        return self.network(pixels.float().flatten(1) * 0)


def test_a_network_that_does_not_see_fails_on_twenty_examples(digits):
    state = start(Silent(), RECIPE.replace(average_decay=0.0), 4)
    found = check_overfit(state, *examples(digits), seconds=5)
    assert found.status == "fail"


def test_inputs(state, digits):
    assert check_inputs(state, examples(digits, 200)[0]).status == "pass"
    pixels = examples(digits, 200)[0]
    state.classifier.preprocess = nn.Identity()
    assert check_inputs(state, pixels).status == "fail"
    assert check_inputs(state, pixels[:1].expand(200, -1, -1, -1) / 255).status == "fail"


def test_loss_at_the_start():
    uniform = math.log(10)
    assert check_loss(2.31, uniform, 10).status == "pass"
    assert check_loss(3.2, uniform, 10).status == "warn"
    assert check_loss(30.0, uniform, 10).status == "fail"
    assert check_loss(0.3, uniform, 10).status == "fail"
    assert check_loss(math.nan, uniform, 10).status == "fail"
    # Unequal classes: guessing their shares is no sign of having been told.
    assert check_loss(1.2, 1.2, 10).status == "pass"


def test_regularisation_raises_the_loss(state, digits):
    pixels, labels = examples(digits, 64)
    with torch.no_grad():
        logits = state.classifier(pixels)
    found = check_regularised(state, logits, labels, 0.1)
    assert found.status == "pass"
    expected = sum(
        0.5 * group["weight_decay"] * sum(float(p.detach().square().sum()) for p in group["params"])
        for group in state.optimizer.param_groups
    )
    assert found.numbers["penalty"] == pytest.approx(expected, rel=1e-5)
    with torch.no_grad():
        for parameter in state.classifier.parameters():
            parameter.zero_()
    assert check_regularised(state, logits, labels, 0.0).status == "warn"


def test_even_sample_keeps_every_class_and_split():
    source = open_source("digits")
    source = dataclasses.replace(source, splits=["train", "test", "train"] * 599)
    sample = even_sample(source, 300, 0)
    assert len(sample) == len(sample.names) == len(sample.splits) == len(sample.arrays) <= 310
    assert set(sample.splits) == {"train", "test"}
    counts = np.bincount(sample.labels)
    assert counts.min() > 20
    index = source.names.index(sample.names[7])
    assert (source.arrays[index] == sample.arrays[7]).all()
    assert source.labels[index] == sample.labels[7]


def test_healthy_recipe_on_digits_passes_everything():
    found = check("digits", Recipe(model="lenet"), seconds=12)
    assert [each.status for each in found.checks] == ["pass"] * 7, found.text()
    assert found.findings == []
    assert found.verdict == "Ready to train: 7 checks passed."
    assert found.record.facts.initial["loss"] == pytest.approx(math.log(10), rel=0.1)
    assert len(found.record.graphs) >= 1


def test_zero_weights_are_named():
    found = check("digits", Recipe(model="mlp", init="zeros"), seconds=8)
    checks = by_name(found)
    assert checks["loss with regularisation"].status == "warn"
    assert checks["signal through depth"].status == "fail"
    assert checks["20 examples"].status == "fail"
    assert "symmetric-init" in [finding.rule for finding in found.findings]


def test_deep_sigmoids_lose_the_signal():
    recipe = Recipe(model="mlp", depth=12, activation="sigmoid", init="normal")
    found = by_name(check("digits", recipe, seconds=6))["signal through depth"]
    assert found.status == "fail"
    assert found.numbers["backward"] < 1e-4


def test_command_with_own_network_and_folder_of_pictures(tmp_path, monkeypatch):
    monkeypatch.setenv("STEADYGRAD_CACHE", str(tmp_path / "cache"))
    write_digits(tmp_path / "data")
    (tmp_path / "nets.py").write_text(
        "import torch.nn as nn\n"
        "def proud(num_classes, in_channels=3):\n"
        "    return nn.Sequential(nn.Flatten(), nn.LazyLinear(32), nn.ReLU(),\n"
        "        nn.Linear(32, num_classes), nn.ReLU())\n"
    )
    monkeypatch.chdir(tmp_path)
    words = ["check", "data", "--model", "nets.py:proud", "--seconds", "10s"]
    words += ["--low-resolution", "0", "--quiet"]
    status = run([*words, "--json", "out.json", "--fail-on", "warning"])
    values = json.loads((tmp_path / "out.json").read_text())
    assert status == 3, values["checks"]
    assert "output-activation" in [finding["rule"] for finding in values["findings"]]
    assert values["verdict"].startswith(("Not ready", "It will train, but"))
    assert not (tmp_path / "runs").exists()


def run(words):
    runner = CliRunner()
    result = runner.invoke(cli.group, words, standalone_mode=False)
    assert result.exception is None, result.exception
    return result.return_value


def test_broken_network_fails_its_checks_in_words(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(
        "import torch.nn as nn\n"
        "class Odd(nn.Module):\n"
        "    def __init__(self, num_classes, in_channels):\n"
        "        super().__init__()\n"
        "        self.head = nn.Linear(64 * in_channels, num_classes)\n"
        "    def forward(self, x):\n"
        "        if self.training and len(x) > 30:\n"
        "            raise RuntimeError('too many')\n"
        "        return self.head(x.flatten(1))\n"
    )
    monkeypatch.chdir(tmp_path)
    found = by_name(check("digits", Recipe(model="nets.py:Odd", epochs=1), seconds=6))
    assert found["loss at the start"].status == "fail"
    assert "too many" in found["loss at the start"].saw
    assert found["20 examples"].status == "pass"
