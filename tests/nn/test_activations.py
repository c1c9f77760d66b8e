import math

import numpy as np
import pytest
import torch
from torch import nn

from steadygrad.errors import InputError
from steadygrad.nn.activations import ACTIVATIONS, Maxout, activation_name, gain, widen


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"tanh", "maxout"}))
def test_gain_keeps_the_mean_square_of_a_standard_normal(name):
    # An independent integral: Gauss-Hermite quadrature of a different order and support.
    points, weights = np.polynomial.hermite_e.hermegauss(200)
    activation = ACTIVATIONS[name](1).double()
    values = activation(torch.from_numpy(points)[:, None]).detach().numpy()[:, 0]
    mean_square = float((weights * values**2).sum() / math.sqrt(2 * math.pi))
    assert gain(name) == pytest.approx(mean_square**-0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "torch_name", "slope"),
    [("relu", "relu", None), ("leaky-relu", "leaky_relu", 0.01), ("tanh", "tanh", None)],
)
def test_gain_agrees_with_torch_where_torch_has_one(name, torch_name, slope):
    assert gain(name) == pytest.approx(nn.init.calculate_gain(torch_name, slope))


def test_gain_of_maxout_is_that_of_the_larger_of_two_normals():
    pairs = torch.randn(400_000, 2, generator=torch.Generator().manual_seed(0))
    assert gain("maxout") == pytest.approx(float(pairs.amax(1).square().mean()) ** -0.5, rel=0.01)


def test_maxout_takes_the_larger_piece_of_maps_and_vectors():
    maps = torch.randn(2, 6, 4, 4, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([maps[:, :3], maps[:, 3:]]).amax(0)
    assert torch.equal(Maxout()(maps), expected)
    assert widen("maxout") == 2
    assert widen("relu") == 1


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_known_again_by_its_module(name):
    assert activation_name(ACTIVATIONS[name](4)) == name
    assert activation_name(nn.BatchNorm2d(4)) is None


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_activation_changes_its_input(name):
    features = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    before = features.clone()
    ACTIVATIONS[name](2 if name == "maxout" else 4)(features)
    assert torch.equal(features, before)


def test_a_wrong_name_offers_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'silu'"):
        gain("sillu")
