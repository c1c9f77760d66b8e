import copy

import pytest
import torch
from torch import nn

from steadygrad.errors import SteadygradError
from steadygrad.models.networks import MODELS
from steadygrad.nn.fold import fold
from steadygrad.nn.norms import NORMS


def stir(network, negative=True, seed=0):
    """Norms as after training: every scale, bias and statistic its own, some scales negative."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.running_mean.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.5, 2.0, generator=generator)
                module.weight.uniform_(-1.5 if negative else 0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.3, generator=generator)
    return network.eval()


def num_norms(network):
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d)
    return sum(isinstance(module, kinds) for module in network.modules())


def assert_same(network, folded, inputs):
    with torch.no_grad():
        expected, found = network(inputs), folded(inputs)
    scale = float(expected.abs().max())
    assert scale > 1e-3
    assert float((found - expected).abs().max()) <= 1e-5 * max(1.0, scale)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", MODELS)
def test_folded_networks_give_the_same_answers(name, norm, build):
    options = {} if name == "logistic" else {"norm": norm}
    if name == "mlp" and norm == "instance":
        return  # refused: see test_networks
    network = stir(build(name, image_size=16, width=16, **options))
    folded = fold(network)
    assert_same(network, folded, torch.randn(4, 3, 16, 16))
    assert not folded.training
    assert isinstance(folded.head, nn.Linear)
    if norm == "batch" and name not in ("logistic", "fast"):
        assert num_norms(network) > 0
        assert num_norms(folded) == 0


def test_in_the_fast_net_a_norm_after_max_pooling_is_folded_only_without_negative_scales(build):
    positive = stir(build("fast"), negative=False)
    assert num_norms(positive) == 6
    assert num_norms(fold(positive)) == 0
    assert_same(positive, fold(positive), torch.randn(4, 3, 32, 32))
    negative = stir(build("fast"))
    assert num_norms(fold(negative)) == 3  # those behind the three poolings
    assert_same(negative, fold(negative), torch.randn(4, 3, 32, 32))


def test_the_original_is_left_alone():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = copy.deepcopy(network.state_dict())
    fold(network)
    assert network.training
    assert isinstance(network[1], nn.BatchNorm2d)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


class Shared(nn.Module):
    """One convolution read twice, one used twice, and a norm before its convolution."""

    def __init__(self):
        super().__init__()
        self.first = nn.BatchNorm2d(3)
        self.read_twice = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.used_twice = nn.Conv2d(3, 3, 3, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(3), nn.BatchNorm2d(3)])
        self.linear = nn.Linear(3, 5)
        self.vector_norm = nn.BatchNorm1d(5)

    def forward(self, images):
        maps = self.read_twice(self.first(images))
        maps = self.norm(maps) + maps
        for norm in self.norms:
            maps = norm(self.used_twice(maps)).relu()
        return self.vector_norm(self.linear(maps.mean((2, 3))))


def test_only_layers_whose_output_goes_to_the_norm_alone_are_folded():
    network = stir(Shared())
    folded = fold(network)
    assert_same(network, folded, torch.randn(4, 3, 8, 8))
    assert num_norms(folded) == 4
    assert isinstance(folded.vector_norm, nn.Identity)


class DataDependent(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.conv, self.norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, images):
        maps = self.block(images)
        if maps.mean() > 1e9:  # torch.fx can't follow this
            return maps.mean((2, 3))
        return self.norm(self.conv(maps)).mean((2, 3))


def test_where_fx_fails_sequential_parts_are_folded():
    network = stir(DataDependent())
    folded = fold(network)
    assert_same(network, folded, torch.randn(4, 3, 8, 8))
    assert isinstance(folded.block[1], nn.Identity)
    assert isinstance(folded.norm, nn.BatchNorm2d)


@pytest.mark.parametrize(
    ("between", "is_folded"),
    [
        (nn.AvgPool2d(2), True),
        (nn.AdaptiveAvgPool2d(3), True),
        (nn.Dropout(0.5), True),
        (nn.AvgPool2d(3, padding=1), False),
        (nn.AvgPool2d(2, divisor_override=3), False),
        (nn.MaxPool2d(2), False),
        (nn.ReLU(), False),
        (nn.Conv2d(6, 6, 1), True),
    ],
)
def test_what_may_stand_between_a_layer_and_its_norm(between, is_folded):
    network = stir(nn.Sequential(nn.Conv2d(3, 6, 3), between, nn.BatchNorm2d(6)))
    folded = fold(network)
    assert_same(network, folded, torch.randn(4, 3, 10, 10))
    assert (num_norms(folded) == 0) == is_folded


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, groups=2, bias=False),
        nn.ConvTranspose2d(4, 6, 3),
        nn.ConvTranspose2d(4, 6, 3, groups=2),
    ],
)
def test_grouped_and_transposed_convolutions(layer):
    network = stir(nn.Sequential(layer, nn.BatchNorm2d(6)))
    assert_same(network, fold(network), torch.randn(2, 4, 8, 8))


def test_a_module_that_stands_in_two_places_is_left():
    conv = nn.Conv2d(3, 3, 3, padding=1)
    network = stir(nn.Sequential(conv, nn.BatchNorm2d(3), conv, nn.BatchNorm2d(3)))
    folded = fold(network)
    assert_same(network, folded, torch.randn(2, 3, 8, 8))
    assert num_norms(folded) == 2


def test_hooks_and_untracked_norms_are_left():
    network = stir(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()))
    network[0].register_forward_hook(lambda module, inputs, output: output * 2)
    assert_same(network, fold(network), torch.randn(2, 3, 8, 8))
    untracked = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False))
    assert_same(untracked.eval(), fold(untracked), torch.randn(2, 3, 8, 8))


def test_a_sample_is_used_to_check_the_copy():
    # Rows of five vectors of five features: the norm is over the rows, which only shapes can tell.
    rows = stir(nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)))
    with pytest.raises(SteadygradError, match="Folding"):
        fold(rows, torch.randn(2, 5, 4))
    fold(rows, torch.randn(2, 4))
    network = stir(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    fold(network, torch.randn(2, 3, 8, 8))
