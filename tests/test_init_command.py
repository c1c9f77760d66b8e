"""`steadygrad init`, what it measures, and `train --init` for schemes that look at data."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from torch import nn

from steadygrad.build import build, sample_pixels
from steadygrad.cli.init import command
from steadygrad.errors import InputError
from steadygrad.images.dataset import load_images
from steadygrad.initializing import examine, measure, subject_of
from steadygrad.initializing.subject import Question
from steadygrad.nn.initialize import fans, initialize
from steadygrad.recipes import resolve
from steadygrad.record import Recipe

OWN_MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes=4):
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3)
        self.second = nn.Conv2d(8, 16, 3, groups=2)
        self.head = nn.Linear(16, num_classes)

    def forward(self, images):
        maps = torch.nn.functional.selu(self.second(torch.tanh(self.first(images))))
        return self.head(maps.mean((2, 3)))

class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right, self.head = nn.Linear(5, 8), nn.Linear(7, 8), nn.Linear(8, 3)

    def forward(self, left, right):
        return {"scores": self.head(torch.relu(self.left(left) + self.right(right)))}

class Tokens(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Embedding(7, 8), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 7))

def broken():
    raise KeyError("weights")
"""


def run(*arguments):
    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.output


def deep(std, depth=20, width=128):
    model = nn.Sequential(*[nn.Linear(width, width) for _ in range(depth)])
    initialize(model, "normal", std=std, generator=torch.Generator().manual_seed(1))
    return model


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
def test_the_trends_are_those_of_the_theory(scale):
    model = deep(scale / math.sqrt(128))
    found = measure(model, torch.randn(256, 128, generator=torch.Generator().manual_seed(2)))
    for trend in (found.signal, found.gradient):
        assert trend.layers == 20
        assert trend.factor == pytest.approx(scale, rel=0.04)
        assert trend.total == pytest.approx(trend.factor**19)
        assert scale == 1.0 or trend.r_squared > 0.99


def test_the_table_says_what_torch_says():
    torch.manual_seed(0)
    first, second = nn.Linear(32, 16), nn.Linear(16, 4)
    batch = torch.randn(64, 32)
    hidden = first(batch)
    hidden.retain_grad()
    labels = torch.arange(64) % 4
    F.cross_entropy(second(torch.relu(hidden)), labels).backward()
    model = nn.Sequential(first, nn.ReLU(), second)
    kept = first.weight.grad.clone()
    row = measure(model, batch, labels).layers[0]
    assert row.std == pytest.approx(float(hidden.std(correction=0)), rel=1e-4)
    assert row.gradient == pytest.approx(float(hidden.grad.square().mean().sqrt()), rel=1e-4)
    assert row.gradient_norm == pytest.approx(4 * row.gradient)
    assert torch.equal(first.weight.grad, kept)


def test_measuring_leaves_a_network_as_it_was(build):
    network = build("resnet8", dropout=0.5).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    one = measure(network, torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    two = measure(network, torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert one == two
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())
    assert modes == [module.training for module in network.modules()]
    assert all(parameter.grad is None for parameter in network.parameters())


def test_fans_read_from_the_calls_are_those_of_the_layers():
    layers = {
        "a": nn.Conv2d(4, 8, 3, padding=1, groups=2),
        "b": nn.ConvTranspose2d(8, 6, 4, stride=2, groups=2),
        "c": nn.Conv2d(6, 6, 5, groups=6),
    }
    model = nn.Sequential()
    for name, layer in layers.items():
        model.add_module(name, layer)
    rows = {row.name: row for row in measure(model, torch.randn(4, 4, 8, 8)).layers}
    for name, layer in layers.items():
        assert (rows[name].fan_in, rows[name].fan_out) == fans(layer)


def test_depth_that_breaks_is_called_by_its_name():
    sample = torch.randn(64, 128, generator=torch.Generator().manual_seed(2))
    small = examine(deep(0.01), sample, "orthogonal")
    assert "vanishes" in small.verdict.partition("With")[0]
    assert small.healthy
    assert small.verdict.endswith("Use orthogonal.")
    worse = examine(deep(1 / math.sqrt(128)), sample, "normal")
    assert not worse.healthy
    assert "better start" in worse.verdict
    broken = examine(deep(1 / math.sqrt(128), depth=40), sample, "normal", std=1e3)
    assert "NaN or infinity" in broken.verdict


def test_biases_that_drown_the_signal_are_seen():
    torch.manual_seed(0)
    layers = [m for _ in range(30) for m in (nn.Linear(64, 64), nn.ReLU())]
    found = measure(nn.Sequential(*layers, nn.Linear(64, 4)), torch.randn(32, 64))
    assert found.layers[-2].spread < 0.01 < found.layers[-2].std


def digits(model, **options):
    recipe = Recipe(model=model).replace(**options)
    return subject_of(Question(recipe, "digits"))


@pytest.mark.parametrize("model", ["mlp", "lenet", "vgg", "resnet18"])
def test_a_head_that_starts_small_on_purpose_does_not_bend_the_verdict(model):
    subject = digits(model)
    found = examine(subject.network, subject.sample, "auto", targets=subject.targets)
    rows = {row.name: row for row in found.after.layers}
    assert found.after.small_head == "head"
    assert rows["head"].std < 0.2
    assert found.healthy
    assert "starts small, which is meant" in found.verdict
    for word in ("vanish", "fade", "hardly", "Try another"):
        assert word not in found.verdict.partition("With auto")[2]


def test_a_head_like_the_other_layers_belongs_to_the_trend():
    subject = digits("vgg", norm="none", width=32)
    found = examine(subject.network, subject.sample, "lsuv", targets=subject.targets)
    assert found.after.small_head == ""
    assert found.after.signal.layers == sum(row.on_path for row in found.after.layers)
    assert found.healthy


def test_branches_that_start_at_zero_are_no_lost_signal():
    subject = digits("resnet8", norm="none")
    found = examine(subject.network, subject.sample, "auto", targets=subject.targets)
    assert any(row.std == 0 for row in found.after.layers)
    assert found.healthy
    assert "start at zero get no gradient before the first update" in found.verdict


@pytest.mark.parametrize("scheme", ["zeros", "constant"])
def test_units_that_are_all_the_same_are_no_start(scheme):
    subject = digits("vgg", norm="none", width=8)
    found = examine(subject.network, subject.sample, scheme, targets=subject.targets)
    assert not found.healthy
    assert len(found.symmetric) == 8
    assert "stay the same for ever" in found.verdict
    assert "Use " not in found.verdict
    if scheme == "zeros":
        assert "no signal gets through" in found.verdict


def test_scores_beyond_the_range_of_exp_are_no_breakage():
    subject = digits("vgg", norm="none", width=8)
    found = examine(subject.network, subject.sample, "normal", std=2.0, targets=subject.targets)
    assert found.after.finite
    assert "explodes" in found.verdict


def test_the_command_on_a_users_file(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(OWN_MODEL)
    monkeypatch.chdir(tmp_path)
    out = json.loads(run("own.py:Net", "--input", "1x1x12x12", "--scheme", "lsuv", "--json", "-"))
    assert out["input"] == [32, 1, 12, 12]
    rows = {row["name"]: row for row in out["before"]["layers"]}
    assert rows["first"]["activation"] == "tanh"
    assert rows["second"]["activation"] == "selu"
    assert (rows["second"]["fan_in"], rows["second"]["fan_out"]) == (36, 72)
    assert rows["second"]["gain"] == pytest.approx(1.0, abs=1e-6)  # E[selu(z)^2] = 1 by design
    for row in out["after"]["layers"]:
        assert row["std"] == pytest.approx(1, abs=0.06)
    text = run("own:Tokens", "--input", "8x5:int")
    assert "embedding" in text
    assert "Embedding: no sum over inputs" in text
    assert "embedding" in run("own:Tokens", "--input", "8x5:7")
    both = ("--input", "16x5", "--input", "16x7")
    out = json.loads(run("own.py:Pair", *both, "--scheme", "lsuv", "--json", "-"))
    assert out["input"] == [[16, 5], [16, 7]]
    assert [row["name"] for row in out["after"]["layers"]] == ["left", "right", "head"]
    for words, hint in (
        (["own.py:Pair", "--input", "16x5"], "once for each argument"),
        (["own.py:Pair", *both, "--data", "digits"], "does not fit pictures"),
        (["own.py:Net", "--input", "8x5:0"], "is no shape"),
        (["own.py:Nett"], "Did you mean 'Net'"),
        (["own.py"], "own.py:Net"),
        (["own.py:broken"], "KeyError"),
        (["own.py:Net", "--input", "2x3x8x8"], "--input"),
        (["own.py:Tokens"], "8x16:int"),
        (["own.py:Net", "--input", "large"], "8x3x32x32"),
        (["own.py:Net", "--scheme", "lsvu"], "Did you mean 'lsuv'"),
        (["vgg", "--input", "8x10"], "square pictures"),
        (["none.py:Net"], "no file"),
    ):
        with pytest.raises(InputError, match=hint):
            run(*words)


def test_the_command_on_a_name_and_on_a_run_folder(tmp_path):
    found = run("mlp", "--data", "digits", "--scheme", "xavier-normal")
    assert "cross entropy" in found
    images = load_images("digits")
    recipe = resolve(Recipe(model="mlp", init="constant"), images)
    build(recipe, images).save(tmp_path / "run")
    out = json.loads(run(str(tmp_path / "run"), "--data", "digits", "--json", "-"))
    before = out["before"]["layers"][0]
    assert before["spread"] is not None
    assert out["after"]["layers"][0]["std"] != before["std"]
    with pytest.raises(InputError, match="no model at"):
        run(str(tmp_path))


@pytest.mark.parametrize("init", ["lsuv", "krahenbuhl", "patch-whitening", "random-walk"])
def test_train_starts_from_a_scheme_that_looks_at_the_training_pictures(init):
    images = load_images("digits")
    recipe = resolve(Recipe(model="vgg", width=8, norm="none", init=init), images)
    first, again = build(recipe, images), build(recipe, images)
    other = build(recipe.replace(seed=1), images)
    for (name, one), two in zip(first.state_dict().items(), again.state_dict().values()):
        assert torch.equal(one, two), name
    assert not torch.equal(first.network.head.weight, other.network.head.weight)
    if init == "lsuv":
        with torch.no_grad():
            logits = first(sample_pixels(images.train, 128, recipe.seed))
        assert float(logits.var(correction=0)) == pytest.approx(1, abs=0.1)


def test_the_fast_nets_stem_is_whitened_before_the_batch_goes_through():
    images = load_images("digits")
    recipe = resolve(Recipe(model="fast", init="lsuv"), images)
    classifier = build(recipe, images)
    variances = []
    for layer in classifier.network.groups.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(
                lambda _layer, _inputs, output: variances.append(float(output.var(correction=0)))
            )
    with torch.no_grad():
        classifier.train()(sample_pixels(images.train, 128, recipe.seed))
    assert len(variances) > 3
    assert variances == pytest.approx([1.0] * len(variances), abs=0.1)
