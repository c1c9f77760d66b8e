import sys
import types

import pytest
import torch
from torch import nn

from steadygrad.errors import InputError
from steadygrad.models import build_network, describe
from steadygrad.record.recipe import Recipe

SOURCE = """
from torch import nn
import helper_of_mine

def small(num_classes, in_channels=3):
    head = nn.Linear(4 * in_channels, num_classes)
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), head)

def picky(num_classes, image_size, *, width=4):
    first, head = nn.Linear(3 * image_size ** 2, width), nn.Linear(width, num_classes)
    return nn.Sequential(nn.Flatten(), first, head)

def anything(**options):
    assert set(options) == {"num_classes"}, options
    return small(options["num_classes"])

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 5)
    def forward(self, images):
        return self.linear(images.mean((2, 3)))

ready = Net()
number = 3

def no_module(num_classes):
    return "a string"

def needs_more(num_classes, secret):
    return Net()

def fails(num_classes):
    return nn.Linear(9999, num_classes)

def gives_pairs(num_classes):
    class Pair(nn.Module):
        def forward(self, images):
            return images, images
    return Pair()
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "models_of_mine.py").write_text(SOURCE)
    (tmp_path / "helper_of_mine.py").write_text("")
    (tmp_path / "broken_of_mine.py").write_text("import a_package_nobody_has\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("models_of_mine", "helper_of_mine", "broken_of_mine"):
        sys.modules.pop(name, None)


def build(model, num_classes=4, channels=3, size=8, **options):
    return build_network(Recipe(model=model, **options), num_classes, channels, size)


@pytest.mark.parametrize(
    "name",
    [
        "models_of_mine:small",
        "models_of_mine:anything",
        "models_of_mine:picky",
        "models_of_mine.py:small",
    ],
)
def test_the_users_own_function_is_called_with_what_it_takes(package, name):
    path_before = list(sys.path)
    network = build(name)
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 4)
    assert network.training
    assert sys.path == path_before


def test_a_file_in_another_folder_finds_its_neighbours(package, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert isinstance(build(f"{package / 'models_of_mine.py'}:small"), nn.Module)


def test_a_class_or_a_ready_network_will_do(package):
    assert build("models_of_mine:Net", num_classes=5)(torch.zeros(1, 3, 8, 8)).shape == (1, 5)
    first, second = (build("models_of_mine:ready", num_classes=5) for _ in range(2))
    assert first.linear is not second.linear


def test_options_reach_the_users_function_only_where_it_takes_them(package):
    assert build("models_of_mine:picky", width=7)[1].out_features == 7
    with pytest.raises(InputError, match=r"has no option depth\. It has: width"):
        build("models_of_mine:picky", depth=3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module_at_all:net", "There is no module 'no_such_module_at_all'"),
        ("missing.py:net", "There is no file 'missing.py'"),
        ("broken_of_mine:net", "needs 'a_package_nobody_has'"),
        ("models_of_mine:smal", "Did you mean 'small'"),
        ("models_of_mine:number", "is int; expected a function or class"),
        ("models_of_mine:no_module", "returned str; expected an nn.Module"),
        ("models_of_mine:needs_more", "missing a required argument: 'secret'"),
        ("models_of_mine:Net", r"gives \(2, 5\) for 2 pictures; expected \(2, 4\)"),
        ("models_of_mine:fails", r"fails on pictures of shape \(3, 8, 8\)"),
        ("models_of_mine:gives_pairs", "gives tuple for 2 pictures"),
        ("resnet21", "Did you mean 'resnet20'"),
        ("logistic", "has no option depth"),
    ],
)
def test_what_is_wrong_is_said_plainly(package, name, message):
    with pytest.raises(InputError, match=message):
        build(name, **({"depth": 2} if name == "logistic" else {}))


def test_timm_is_optional(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)  # as if it were not installed
    with pytest.raises(InputError, match=r"pip install 'steadygrad\[timm\]'"):
        build("timm/resnet18")


def test_a_timm_name_is_created_with_our_classes_and_channels(monkeypatch):
    timm = types.ModuleType("timm")
    calls = []

    def create_model(name, num_classes, in_chans, **options):
        calls.append((name, num_classes, in_chans, options))
        return nn.Sequential(nn.Flatten(), nn.Linear(in_chans * 64, num_classes))

    vars(timm).update(
        create_model=create_model, is_model="resnet18".__eq__, list_models=lambda: ["resnet18"]
    )
    monkeypatch.setitem(sys.modules, "timm", timm)
    build("timm/resnet18", channels=1, dropout=0.1)
    assert calls == [("resnet18", 4, 1, {"drop_rate": 0.1})]
    with pytest.raises(InputError, match="Did you mean 'timm/resnet18'"):
        build("timm/resnet19")
    with pytest.raises(InputError, match="no option width"):
        build("timm/resnet18", width=3)


def test_the_real_timm_where_it_is_installed():
    pytest.importorskip("timm")
    assert build("timm/resnet18", size=32)(torch.zeros(2, 3, 32, 32)).shape == (2, 4)


def test_auto_is_the_fast_net_and_the_check_leaves_statistics_alone():
    network = build("auto")
    assert type(network).__name__ == "FastNet"
    assert describe(Recipe())["model"] == "fast"
    assert not any(b.any() for n, b in network.named_buffers() if n.endswith("running_mean"))
