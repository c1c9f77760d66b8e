import pytest
import torch
import torch.nn.functional as F
from torch import nn

from steadygrad.models.networks import MODELS
from steadygrad.nn.initialize import initialize
from steadygrad.nn.order import following_activations, head_name, layers_of


class Functional(nn.Module):
    """Registered in another order than it runs, with functions for activations."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(8, 3)
        self.shortcut = nn.Conv2d(4, 8, 1)
        self.second = nn.Conv2d(4, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.first = nn.Conv2d(3, 4, 3)

    def forward(self, images):
        maps = torch.tanh(self.first(images))
        maps = F.gelu(self.norm(self.second(maps)) + self.shortcut(maps))
        return self.last(maps.mean((2, 3)))


def test_a_sample_finds_functions_and_the_order_of_running():
    model = Functional().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert following_activations(model, torch.randn(2, 3, 8, 8)) == {
        "last": "linear",
        "shortcut": "gelu",
        "second": "gelu",
        "first": "tanh",
    }
    assert model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_without_a_sample_a_model_of_functions_is_taken_to_use_relu():
    found = following_activations(Functional())
    # The head is the last linear layer, wherever it stands.
    assert found == {"last": "linear", "shortcut": "relu", "second": "relu", "first": "relu"}


@pytest.mark.parametrize("activation", ["relu", "silu", "maxout", "prelu"])
@pytest.mark.parametrize("name", MODELS)
def test_our_networks_are_read_the_same_with_and_without_a_sample(name, activation, build):
    options = {} if name == "logistic" else {"activation": activation}
    network = build(name, image_size=16, width=8, **options)
    assert following_activations(network) == following_activations(
        network, torch.randn(2, 3, 16, 16)
    )


@pytest.mark.parametrize(
    "function",
    [F.relu, torch.relu, lambda x: x.relu(), lambda x: x.clamp_min(0), lambda x: x.relu_()],
)
def test_relu_is_known_in_every_spelling(function):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, features):
            return self.second(function(self.first(features)))

    model = Model()
    rows = initialize(model, "kaiming-normal", sample=torch.randn(2, 4))
    assert [row.activation for row in rows] == ["relu", "linear"]


def test_the_head_is_the_attribute_or_the_last_linear_layer():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    assert head_name(model) == "2"
    assert head_name(nn.Sequential(nn.Conv2d(1, 1, 1))) is None
    assert list(layers_of(model)) == ["0", "2"]
