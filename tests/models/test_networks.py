import pytest
import torch
from torch import nn

from steadygrad.errors import InputError
from steadygrad.models.fast import FastNet, FastShape, shape_for
from steadygrad.models.networks import MODELS
from steadygrad.nn.activations import ACTIVATIONS
from steadygrad.nn.blocks import Style
from steadygrad.nn.initialize import initialize
from steadygrad.nn.norms import NORMS, is_norm

NO_STYLE = ("logistic",)


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (32, 3)])
@pytest.mark.parametrize("name", MODELS)
def test_every_network_learns_from_pictures_of_any_size(name, size, channels, build):
    network = build(name, num_classes=7, in_channels=channels, image_size=size, width=8)
    initialize(network)
    network.train()
    images = torch.randn(4, channels, size, size, generator=torch.Generator().manual_seed(0))
    loss = nn.functional.cross_entropy(network(images), torch.arange(4))
    loss.backward()
    assert torch.isfinite(loss)
    missing = [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert missing == []
    network.eval()
    with torch.no_grad():
        for other in ((size, size), (size + 5, size + 3), (size // 2, size // 2)):
            assert network(torch.randn(2, channels, *other)).shape == (2, 7)
    assert isinstance(network.head, nn.Linear)
    assert network.head.out_features == 7


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["lenet", "vgg", "resnet8", "mobilenet", "fast", "mlp"])
def test_every_style_trains_in_every_kind_of_network(name, activation, norm, build):
    if name == "mlp" and norm == "instance":
        with pytest.raises(InputError, match="Instance norm"):
            build(name, norm=norm)
        return
    network = build(name, image_size=8, activation=activation, norm=norm, width=8)
    initialize(network)
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    network.train()(images).square().mean().backward()
    kinds = {type(module) for module in network.modules()}
    assert type(ACTIVATIONS[activation](1)) in kinds
    # Convolutions in front of a norm have no bias; those without have one.
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            assert (module.bias is None) == (norm != "none")
    if norm not in ("none", "instance"):
        assert any(is_norm(module) for module in network.modules())


def test_maxout_doubles_the_parameters_of_the_layer_before_it(build):
    relu = build("mlp", activation="relu", image_size=8)
    maxout = build("mlp", activation="maxout", image_size=8)
    hidden = sum(p.numel() for p in relu.parameters()) - sum(
        p.numel() for p in relu.head.parameters()
    )
    doubled = sum(p.numel() for p in maxout.parameters()) - sum(
        p.numel() for p in maxout.head.parameters()
    )
    assert doubled == 2 * hidden


@pytest.mark.parametrize(
    ("name", "options", "convolutions"),
    [
        ("resnet8", {}, 7 + 2),
        ("resnet20", {}, 19 + 2),
        ("resnet56", {}, 55 + 2),
        ("resnet20", {"depth": 32}, 31 + 2),
        ("resnet18", {}, 17 + 3),
        ("resnet34", {}, 33 + 3),
        ("resnet50", {}, 49 + 4),
        ("vgg", {"depth": 13}, 13),
        ("vgg", {}, 8),
    ],
)
def test_depth_counts_the_convolutions(name, options, convolutions, build):
    network = build(name, **options)
    found = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    assert found == convolutions  # of residual nets: plus 1x1 shortcuts, less the head


def test_a_depth_that_does_not_exist_offers_one_that_does(build):
    with pytest.raises(InputError, match="Take 20"):
        build("resnet20", depth=21)


def test_width_and_dropout_reach_the_network(build):
    for name in ("lenet", "vgg", "resnet8", "resnet18", "mobilenet", "fast", "mlp"):
        small = sum(p.numel() for p in build(name, width=8).parameters())
        large = sum(p.numel() for p in build(name, width=16).parameters())
        assert small < large
        rates = [m.p for m in build(name, dropout=0.3).modules() if isinstance(m, nn.Dropout)]
        assert rates == [0.3]


def test_photos_get_a_stem_that_shrinks_them_and_small_pictures_do_not(build):
    for name in ("resnet18", "mobilenet"):
        photo, small = build(name, image_size=128), build(name, image_size=32)
        strides = [
            sum(m.stride == (2, 2) for m in network.modules() if isinstance(m, nn.Conv2d))
            for network in (photo, small)
        ]
        assert strides[0] > strides[1]


def test_the_last_map_of_the_fast_net_is_three_by_three_where_the_picture_allows(build):
    for size, expected in ((8, 3), (28, 3), (32, 3), (64, 4), (96, 6), (128, 8)):
        network = build("fast", image_size=size).eval()
        sizes = []
        network.groups.register_forward_hook(
            lambda module, inputs, output, sizes=sizes: sizes.append(output.shape[-1])
        )
        network(torch.randn(1, 3, size, size))
        assert sizes == [expected]
    assert shape_for(8, 1).num_poolings == 1
    assert shape_for(28, 1).widths == (32, 128, 128)
    assert shape_for(96).widths == (64, 128, 256)


@pytest.mark.parametrize("halving", ["max", "average", "stride"])
@pytest.mark.parametrize("features", ["max", "average", "both"])
def test_every_shape_of_the_fast_net_runs(halving, features):
    shape = FastShape(
        widths=(8, 12),
        convs_per_group=3,
        num_poolings=2,
        residual=True,
        halving=halving,
        features=features,
        head_scale=0.5,
        trained_scale=True,
    )
    network = FastNet(5, 3, shape, Style("silu", "batch"))
    initialize(network)
    images = torch.randn(8, 3, 16, 16)
    logits = network(images)
    assert logits.shape == (8, 5)
    assert float(logits.detach().std()) < 1  # the head makes up for its scale
    network.head_scale = 1.0
    torch.testing.assert_close(network.eval()(images) * 0.5, _scaled(network, images, 0.5))


def _scaled(network, images, scale):
    network.head_scale = scale
    return network(images)


def test_depth_and_width_of_the_fast_net():
    shape = shape_for(32, depth=3, width=16)
    assert shape.residual
    assert shape.convs_per_group == 3
    assert shape.widths == (16, 64, 64)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_network_fits_a_handful_of_digits(name, build):
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = torch.from_numpy(digits.images[:64]).float()[:, None] / 8 - 1
    labels = torch.from_numpy(digits.target[:64])
    network = build(name, in_channels=1, image_size=8, width=16)
    initialize(network)
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(60):
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float((network(images).argmax(1) == labels).float().mean()) > 0.95
