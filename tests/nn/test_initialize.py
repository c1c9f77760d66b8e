import math

import pytest
import torch
from torch import nn

from steadygrad.errors import InputError
from steadygrad.models.networks import MODELS
from steadygrad.nn.activations import ACTIVATIONS, gain
from steadygrad.nn.initialize import DATA_SCHEMES, SCHEMES, fans, initialize, symmetric_layers
from steadygrad.nn.order import branch_ends

LAYERS = {
    "linear": (lambda: nn.Linear(300, 200), 300, 200),
    "conv 3x3": (lambda: nn.Conv2d(48, 64, 3), 9 * 48, 9 * 64),
    "conv 5x5 groups": (lambda: nn.Conv2d(64, 128, 5, groups=4), 25 * 16, 25 * 32),
    "depthwise": (lambda: nn.Conv2d(2048, 2048, 3, groups=2048), 9, 9),
    "conv 1x1": (lambda: nn.Conv2d(200, 300, 1), 200, 300),
    "conv 1d": (lambda: nn.Conv1d(64, 96, 5), 5 * 64, 5 * 96),
    "conv 3d": (lambda: nn.Conv3d(16, 32, 3), 27 * 16, 27 * 32),
}
# Variance by theory, from fan_in, fan_out and the gain.
VARIANCE = {
    "normal": lambda fan_in, fan_out, gain: 0.03**2,
    "xavier-normal": lambda fan_in, fan_out, gain: 2 / (fan_in + fan_out),
    "xavier-uniform": lambda fan_in, fan_out, gain: 2 / (fan_in + fan_out),
    "xavier-in-normal": lambda fan_in, fan_out, gain: 1 / fan_in,
    "xavier-in-uniform": lambda fan_in, fan_out, gain: 1 / fan_in,
    "kaiming-normal": lambda fan_in, fan_out, gain: gain**2 / fan_in,
    "kaiming-uniform": lambda fan_in, fan_out, gain: gain**2 / fan_in,
    "auto": lambda fan_in, fan_out, gain: gain**2 / fan_in,
}


def followed_by(layer, activation):
    """The layer in the middle of a network, so that it is neither first nor head."""
    return nn.Sequential(layer, ACTIVATIONS[activation](1), nn.Flatten(), nn.Linear(4, 2))


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("scheme", VARIANCE)
def test_variance_is_that_of_the_theory(scheme, kind):
    make, fan_in, fan_out = LAYERS[kind]
    for activation in ("relu", "gelu"):
        model = followed_by(make(), activation)
        row = initialize(model, scheme, std=0.03)[0]
        assert (row.fan_in, row.fan_out) == (fan_in, fan_out)
        assert row.activation == activation
        weight = model[0].weight.detach().double()
        expected = VARIANCE[scheme](fan_in, fan_out, gain(activation))
        # The relative error of a sample variance of normals is sqrt(2 / n); five of those.
        tolerance = 5 * math.sqrt(2 / weight.numel())
        assert float(weight.var()) == pytest.approx(expected, rel=tolerance)
        assert abs(float(weight.mean())) < 5 * math.sqrt(expected / weight.numel())
        assert row.std == pytest.approx(math.sqrt(expected), rel=tolerance)


@pytest.mark.parametrize("kind", LAYERS)
def test_uniform_stays_within_its_bound_and_reaches_it(kind):
    make, fan_in, _ = LAYERS[kind]
    model = followed_by(make(), "relu")
    initialize(model, "kaiming-uniform")
    bound = math.sqrt(6 / fan_in)
    assert bound * 0.99 < float(model[0].weight.detach().abs().max()) <= bound * (1 + 1e-6)


@pytest.mark.parametrize("kind", LAYERS)
def test_orthogonal_rows_are_orthonormal_times_the_gain_in_every_group(kind):
    make, fan_in, _ = LAYERS[kind]
    model = followed_by(make(), "relu")
    initialize(model, "orthogonal")
    layer = model[0]
    groups = getattr(layer, "groups", 1)
    for block in layer.weight.chunk(groups)[:8]:
        rows = block.reshape(len(block), fan_in)
        product = rows @ rows.T if len(rows) <= fan_in else rows.T @ rows
        torch.testing.assert_close(product, 2 * torch.eye(len(product)), atol=1e-4, rtol=1e-4)


def test_dirac_passes_its_input_on():
    maps = torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    for layer, channels in (
        (nn.Conv2d(8, 8, 3, padding=1), 8),
        (nn.Conv2d(8, 12, 3, padding=1), 8),
        (nn.Conv2d(8, 4, 5, padding=2), 4),
        (nn.Conv2d(8, 8, 3, padding=1, groups=8), 8),
    ):
        model = followed_by(layer, "relu")
        initialize(model, "dirac")
        torch.testing.assert_close(layer(maps)[:, :channels], maps[:, :channels])
        assert symmetric_layers(model) == []


def test_zeros_constant_and_biases():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    initialize(model, "zeros")
    assert not any(parameter.any() for parameter in model.parameters())
    initialize(model, "constant", std=0.5)
    assert (model[0].weight == 0.5).all()
    assert not model[0].bias.any()


def deep(activation, scheme, depth=30, width=512):
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(width, width), ACTIVATIONS[activation](width)]
    model = nn.Sequential(*layers, nn.Linear(width, 2))
    initialize(model, scheme)
    signal = torch.randn(256, width, generator=torch.Generator().manual_seed(1))
    stds = []
    with torch.no_grad():
        for layer in model[:-1]:
            signal = layer(signal)
            if isinstance(layer, nn.Linear):
                stds.append(float(signal.square().mean().sqrt()))
    return stds


@pytest.mark.parametrize("activation", sorted(set(ACTIVATIONS) - {"tanh"}))
@pytest.mark.parametrize("scheme", ["kaiming-normal", "kaiming-uniform", "orthogonal"])
def test_kaiming_gives_back_signals_of_size_one(activation, scheme):
    pieces = 2 if activation == "maxout" else 1
    model = nn.Sequential(
        nn.Linear(600, 600 * pieces), ACTIVATIONS[activation](600), nn.Linear(600, 2)
    )
    signal = torch.randn(500, 600 * pieces, generator=torch.Generator().manual_seed(1))
    if activation == "maxout" and scheme == "orthogonal":
        return  # twice as many rows as columns: not orthonormal rows
    initialize(model, scheme)
    with torch.no_grad():
        result = model[0](model[1](signal))
    assert float(result.square().mean()) == pytest.approx(1, abs=0.06)


# Of functions that are not homogeneous (GELU, SiLU) size one is a fixed point but no stable one.
@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "prelu"])
@pytest.mark.parametrize("scheme", ["kaiming-normal", "kaiming-uniform", "orthogonal"])
def test_kaiming_keeps_the_size_of_the_signal_through_thirty_layers(activation, scheme):
    stds = deep(activation, scheme)
    assert 0.5 < stds[-1] / stds[0] < 2.0
    assert 0.8 < stds[0] < 1.7


def test_too_small_weights_lose_the_signal_and_xavier_keeps_tanh_alive():
    assert deep("relu", "normal")[-1] < 1e-12
    tanh = deep("tanh", "xavier-normal")
    assert 0.05 < tanh[-1] / tanh[0] < 1.0  # variance falls like 1 / depth, not exponentially
    assert deep("relu", "xavier-normal")[-1] < 1e-3  # half of the signal is lost in each layer
    assert 0.5 < deep("tanh", "kaiming-normal")[-1] < 2.0


@pytest.mark.parametrize("name", MODELS)
def test_auto_starts_every_network_at_the_loss_of_guessing(name, build):
    network = build(name, num_classes=10, image_size=32)
    initialize(network, "auto", generator=torch.Generator().manual_seed(3))
    images = torch.randn(32, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(32) % 10
    with torch.no_grad():
        loss = nn.functional.cross_entropy(network.train()(images), labels)
    assert float(loss) / math.log(10) == pytest.approx(1, abs=0.05)
    assert symmetric_layers(network) == []
    assert network.head.weight.std() > 0


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
@pytest.mark.parametrize("name", ["resnet20", "resnet50", "mobilenet"])
def test_auto_starts_residual_branches_at_zero(name, norm, build):
    network = build(name, norm=norm)
    initialize(network, "auto")
    ends = branch_ends(network)
    assert len(ends) == {"resnet20": 9, "resnet50": 16, "mobilenet": 10}[name]
    for block in ends.values():
        branch = network.get_submodule(block).branch.eval()
        channels = next(m for m in branch.modules() if isinstance(m, nn.Conv2d)).in_channels
        with torch.no_grad():
            assert not branch(torch.randn(2, channels, 4, 4)).any()
    assert symmetric_layers(network) == []


def test_without_norms_the_inner_layers_of_a_branch_are_scaled_down(build):
    network = build("resnet20", norm="none")
    rows = {row.name: row for row in initialize(network, "auto")}
    inner = [name for name in rows if ".branch.0" in name]
    for name in inner:  # 9 branches of 2 layers: 9 ** (-1 / 2)
        expected = math.sqrt(2 / rows[name].fan_in) / 3
        assert rows[name].std == pytest.approx(expected, rel=0.1)


def test_the_fast_net_starts_as_identities_and_keeps_its_norm_scales(build):
    network = build("fast", depth=3)
    rows = initialize(network, "auto")
    assert {row.scheme for row in rows if row.name != "head"} == {"dirac"}
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert not module.weight.requires_grad


def test_the_same_generator_gives_the_same_weights_and_no_global_number_is_drawn(build):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, second, third = build("resnet8"), build("resnet8"), build("resnet8")
    torch.set_rng_state(before)
    initialize(first, generator=torch.Generator().manual_seed(5))
    initialize(second, generator=torch.Generator().manual_seed(5))
    initialize(third, generator=torch.Generator().manual_seed(6))
    assert torch.equal(torch.get_rng_state(), before)
    for (name, one), two in zip(first.state_dict().items(), second.state_dict().values()):
        assert torch.equal(one, two), name
    assert not torch.equal(first.head.weight, third.head.weight)


@pytest.mark.parametrize("scheme", ["zeros", "constant"])
def test_symmetric_layers_are_named_but_not_heads_zero_branches_or_depthwise(scheme, build):
    network = build("mlp", depth=2)
    initialize(network, scheme)
    assert symmetric_layers(network) == ["layers.2", "layers.4"]
    mobile = build("mobilenet")
    initialize(mobile, scheme)
    depthwise = [
        name
        for name, module in mobile.named_modules()
        if isinstance(module, nn.Conv2d) and module.groups > 1
    ]
    assert depthwise
    assert not set(symmetric_layers(mobile)) & set(depthwise)


def test_equal_rows_within_rounding_are_symmetric_and_different_rows_are_not():
    model = nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.randn(1, 8).expand(4, 8) * (1 + 1e-8))
    assert symmetric_layers(model) == ["0"]
    with torch.no_grad():
        model[0].weight[2, 3] += 0.01
    assert symmetric_layers(model) == []


def test_every_scheme_runs_on_every_kind_of_layer_and_a_wrong_name_is_refused():
    for make, *_ in LAYERS.values():
        for scheme in SCHEMES:
            model = followed_by(make(), "silu")
            shape = {nn.Linear: ()}.get(type(model[0]), (6,) * (model[0].weight.dim() - 2))
            batch = torch.randn(
                8, model[0].weight.shape[1] * getattr(model[0], "groups", 1), *shape
            )
            whole = nn.Sequential(model[0], model[1])  # the head would not fit every shape
            sample = batch if scheme in DATA_SCHEMES else None
            assert initialize(whole, scheme, sample=sample)[0].fan_in == fans(model[0])[0]
            assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
    with pytest.raises(InputError, match="kaiming-normal"):
        initialize(nn.Linear(2, 2), "kaimin-normal")


def test_norms_are_reset_with_their_running_statistics():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.PReLU(4))
    model(100 + torch.randn(8, 3, 8, 8))
    with torch.no_grad():
        model[1].weight.fill_(7)
        model[2].weight.fill_(7)
    initialize(model)
    assert not model[1].running_mean.any()
    assert (model[1].weight == 1).all()
    assert (model[2].weight == 0.25).all()
