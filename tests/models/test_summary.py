import pytest
import torch
from torch import nn

from steadygrad.models import MODELS
from steadygrad.models.summary import layer_table, total


def by_hand(in_channels, out_channels, kernel, height, width, groups=1):
    """Multiply-adds counted one output at a time."""
    count = 0
    for _ in range(out_channels):
        for _ in range(height * width):
            count += kernel * kernel * (in_channels // groups)
    return count


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("stride", [1, 2])
def test_multiply_adds_of_a_convolution(groups, stride):
    layer = nn.Conv2d(6, 12, 3, stride=stride, padding=1, groups=groups)
    rows = layer_table(nn.Sequential(layer), (6, 9, 7))
    height, width = (9, 7) if stride == 1 else (5, 4)
    assert rows[0]["output_shape"] == (12, height, width)
    assert rows[0]["multiply_adds"] == by_hand(6, 12, 3, height, width, groups)
    assert rows[0]["parameters"] == 12 * (6 // groups) * 9 + 12


# Published figures: torchvision's model table (parameters, GFLOPs as multiply-adds) and He et al.
# 2016, table 6, and Sandler et al. 2018, table 4.
@pytest.mark.parametrize(
    ("name", "size", "num_classes", "parameters", "multiply_adds"),
    [
        ("resnet18", 224, 1000, 11_689_512, 1.814e9),
        ("resnet34", 224, 1000, 21_797_672, 3.664e9),
        ("resnet50", 224, 1000, 25_557_032, 4.089e9),
        ("mobilenet", 224, 1000, 3_504_872, 0.301e9),
        ("resnet20", 32, 10, 272_474, 40.8e6),
        ("resnet56", 32, 10, 855_770, 125.7e6),
    ],
)
def test_networks_have_the_published_size(
    name, size, num_classes, parameters, multiply_adds, build
):
    network = build(name, num_classes=num_classes, image_size=size)
    row = total(layer_table(network, (3, size, size)))
    assert row["parameters"] == parameters
    assert row["multiply_adds"] == pytest.approx(multiply_adds, rel=0.002)
    assert row["output_shape"] == (num_classes,)


@pytest.mark.parametrize("name", MODELS)
def test_the_table_accounts_for_every_parameter_and_changes_nothing(name, build):
    network = build(name, image_size=16, width=8).train()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    rows = layer_table(network, (3, 16, 16))
    assert sum(row["parameters"] for row in rows) == sum(p.numel() for p in network.parameters())
    assert all(module.training for module in network.modules())
    assert not any(module._forward_hooks for module in network.modules())
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[key])


def test_a_layer_used_twice_costs_twice_and_is_owned_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
            self.scale = nn.Parameter(torch.ones(3, 1, 1))

        def forward(self, images):
            return self.conv(self.conv(images)) * self.scale

    rows = layer_table(Twice(), (3, 4, 4))
    assert [row["parameters"] for row in rows] == [12, 0, 3]
    assert total(rows)["multiply_adds"] == 2 * 9 * 16


def test_the_whitening_stem_is_counted_though_it_never_learns(build):
    rows = layer_table(build("fast", image_size=8), (3, 8, 8))
    assert rows[0]["kind"] == "PatchWhitening"
    assert rows[0]["parameters"] == 24
    assert rows[0]["multiply_adds"] == 24 * 12 * 49


def test_linear_layers_on_sequences_and_transposed_convolutions():
    rows = layer_table(nn.Sequential(nn.Linear(5, 7)), (2, 3, 5))
    assert rows[0]["multiply_adds"] == 2 * 3 * 5 * 7
    layer = nn.ConvTranspose2d(4, 6, 2, stride=2)
    rows = layer_table(nn.Sequential(layer), (4, 5, 5))
    assert rows[0]["multiply_adds"] == 5 * 5 * 4 * 6 * 2 * 2
