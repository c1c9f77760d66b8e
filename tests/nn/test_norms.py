import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from steadygrad.errors import InputError
from steadygrad.nn.norms import NORMS, InstanceNorm, is_norm, num_groups, vector_norm


def maps(*shape):
    return 3 + 5 * torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "view", "dims"),
    [
        ("batch", (8, 16, 5, 7), (0, 2, 3)),
        ("layer", (8, 16, 5, 7), (1, 2, 3)),
        ("instance", (8, 16, 5, 7), (2, 3)),
        ("group", (8, 4, 4, 5, 7), (2, 3, 4)),
    ],
)
def test_each_norm_takes_its_statistics_over_its_own_axes(name, view, dims):
    inputs = maps(8, 16, 5, 7)
    grouped = inputs.double().view(view)
    mean = grouped.mean(dims, keepdim=True)
    variance = grouped.var(dims, correction=0, keepdim=True)
    expected = ((grouped - mean) / (variance + 1e-5).sqrt()).view(8, 16, 5, 7)
    torch.testing.assert_close(NORMS[name](16)(inputs), expected.float(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", sorted(set(NORMS) - {"none"}))
def test_every_norm_has_a_scale_and_a_bias_for_each_channel(name):
    norm = NORMS[name](16)
    assert is_norm(norm)
    assert norm.weight.shape == norm.bias.shape == (16,)


def test_instance_norm_leaves_one_position_maps_alone_but_for_scale_and_bias():
    norm = InstanceNorm(4).train()
    nn.init.constant_(norm.weight, 2.0)
    nn.init.constant_(norm.bias, 1.0)
    inputs = maps(3, 4, 1, 1)
    assert torch.equal(norm(inputs), 2 * inputs + 1)
    assert norm(maps(3, 4, 1, 2)).abs().max() < 10


def test_vectors_are_normalised_over_batch_or_features_but_not_over_positions():
    inputs = maps(32, 8)
    assert vector_norm("batch", 8)(inputs).mean(0).abs().max() < 1e-5
    assert vector_norm("layer", 8)(inputs).mean(1).abs().max() < 1e-5
    with pytest.raises(InputError, match="positions"):
        vector_norm("instance", 8)


@given(st.integers(1, 2048))
def test_groups_divide_the_channels_and_hold_four_where_they_can(channels):
    groups = num_groups(channels)
    assert channels % groups == 0
    assert groups <= 32
    assert groups == 1 or channels // groups >= 4
