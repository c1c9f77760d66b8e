"""Each scheme against the property its paper states."""

import math
import statistics

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from steadygrad.errors import InputError
from steadygrad.nn.activations import ACTIVATIONS
from steadygrad.nn.initialize import DATA_SCHEMES, fans, initialize, left_alone, random_walk_gain


def seeded(number):
    return torch.Generator().manual_seed(number)


def pictures(number=64, channels=3, size=16):
    """Smooth pictures: neighbouring pixels and the channels are correlated, as in photos."""
    coarse = torch.randn(number, 1, size // 4, size // 4, generator=seeded(5))
    smooth = F.interpolate(coarse, size=(size, size), mode="bilinear")
    return smooth + 0.3 * torch.randn(number, channels, size, size, generator=seeded(6))


def plain(depth=8, width=24, activation="relu"):
    layers = [nn.Conv2d(3, width, 3, padding=1), ACTIVATIONS[activation](width)]
    for _ in range(depth - 2):
        layers += [nn.Conv2d(width, width, 3, padding=1), ACTIVATIONS[activation](width)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


class Branched(nn.Module):
    """A skip, a norm, groups, a transposed convolution, functions, one layer called twice."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 16, 3, padding=1, groups=4)
        self.twice = nn.Conv2d(16, 16, 1)
        self.up = nn.ConvTranspose2d(16, 8, 4, stride=2, groups=2)
        self.last = nn.Linear(8, 4)

    def forward(self, images):
        maps = F.relu(self.norm(self.first(images)))
        maps = self.grouped(maps)
        maps = maps + F.dropout(self.twice(F.gelu(self.twice(maps))), training=self.training)
        return self.last(torch.tanh(self.up(maps)).mean((2, 3)))


def outputs(model, sample):
    """Each layer's first output, measured apart from the code under test."""
    found = {}
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):

            def keep(_module, _inputs, output, name=name):
                found.setdefault(name, output.detach())

            handles.append(module.register_forward_hook(keep))
    with torch.no_grad():
        model(sample)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize(
    "make", [plain, lambda: plain(30), lambda: plain(12, activation="tanh"), Branched]
)
def test_lsuv_gives_every_layer_unit_variance_within_its_tolerance(make):
    model, sample = make(), pictures()
    initialize(model, "xavier-normal")
    before = [float(output.var(correction=0)) for output in outputs(model, sample).values()]
    rows = initialize(model, "lsuv", sample=sample)
    after = {n: float(o.var(correction=0)) for n, o in outputs(model, sample).items()}
    assert len(after) == len(rows)
    assert max(abs(variance - 1) for variance in before) > 0.3
    assert max(abs(variance - 1) for variance in after.values()) < 0.1, after


def test_lsuv_only_scales_the_orthonormal_weights():
    model, sample = plain(), pictures()
    initialize(model, "lsuv", sample=sample)
    rows = model[2].weight.detach().flatten(1)
    product = rows @ rows.T
    torch.testing.assert_close(product / product[0, 0], torch.eye(24), atol=1e-4, rtol=1e-4)


def test_lsuv_leaves_a_layer_without_signal_alone_and_says_so():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    rows = initialize(model, "lsuv", sample=torch.zeros(8, 4))
    assert [row.note for row in rows] == ["output variance 0: left as drawn"] * 2
    assert all(torch.isfinite(p).all() for p in model.parameters())


def change_rates(model, sample, number):
    """Krähenbühl's rate by its definition: per-example gradients of a random linear function."""
    weights = {n: p for n, p in model.named_parameters() if n.endswith("weight") and p.dim() > 1}
    squares = dict.fromkeys(weights, 0.0)
    generator = seeded(number)
    for image in sample[:32]:
        output = model(image[None])
        loss = (output * torch.randn(output.shape, generator=generator)).sum()
        gradients = torch.autograd.grad(loss, list(weights.values()))
        for name, gradient in zip(weights, gradients, strict=True):
            squares[name] += float(gradient.square().sum() / weights[name].detach().square().sum())
    return [math.sqrt(square) for square in squares.values()]


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "tanh"])
def test_krahenbuhl_makes_all_layers_change_at_equal_rates(activation):
    model, sample = plain(10, activation=activation), pictures()
    spread = {}
    for scheme in ("normal", "xavier-normal", "krahenbuhl"):
        initialize(model, scheme, sample=sample)
        rates = change_rates(model, sample, 11)
        spread[scheme] = max(rates) / min(rates)
    assert spread["krahenbuhl"] < 1.5, spread
    assert spread["xavier-normal"] > 1.5 * spread["krahenbuhl"], spread
    assert spread["normal"] > 3 * spread["krahenbuhl"], spread


def test_krahenbuhl_gives_the_units_of_a_layer_mean_zero_and_equal_variance():
    model, sample = plain(), pictures()
    initialize(model, "krahenbuhl", sample=sample)
    for name, output in outputs(model, sample).items():
        units = output.movedim(1, 0).flatten(1)
        stds = units.std(1, correction=0)
        assert float(units.mean(1).abs().max()) < 1e-3 * float(stds.mean()), name
        assert float(stds.max() / stds.min()) < 1.01, name
    last = outputs(model, sample)["16"]  # balancing leaves the output as it was: of variance 1
    assert float(last.var(0, correction=0).mean()) == pytest.approx(1, abs=0.1)


def test_krahenbuhl_balances_a_network_with_skips_norms_and_layers_called_twice():
    model, sample = Branched().eval(), pictures()
    rows = initialize(model, "krahenbuhl", sample=sample)
    assert all("within a factor 1." in row.note for row in rows), [row.note for row in rows]
    rates = change_rates(model, pictures(), 11)
    assert max(rates) / min(rates) < 1.6, rates


@pytest.mark.parametrize("depth", [20, 100])
def test_orthogonal_makes_a_deep_linear_network_an_isometry(depth):
    model = nn.Sequential(*[nn.Linear(48, 48) for _ in range(depth)]).double()
    jacobians = {}
    for scheme in ("orthogonal", "xavier-normal"):
        # The sample tells that nothing nonlinear follows.
        initialize(model, scheme, sample=torch.zeros(1, 48, dtype=torch.float64))
        jacobian = torch.autograd.functional.jacobian(model, torch.zeros(48, dtype=torch.float64))
        jacobians[scheme] = torch.linalg.svdvals(jacobian)
    assert float((jacobians["orthogonal"] - 1).abs().max()) < 1e-4
    assert float(jacobians["xavier-normal"].max() / jacobians["xavier-normal"].min()) > 1e4


def test_orthogonal_transposed_convolutions_keep_the_size_of_the_signal():
    for stride, kernel in ((1, 3), (2, 4), (2, 2)):
        layer = nn.ConvTranspose2d(64, 64, kernel, stride=stride)
        for scheme in ("orthogonal", "xavier-in-normal", "lsuv"):
            images = torch.randn(8, 64, 24, 24, generator=seeded(1))
            initialize(nn.Sequential(layer), scheme, sample=images)
            inner = layer(images).detach()[..., 4:-4, 4:-4]
            assert float(inner.std()) == pytest.approx(1, abs=0.1), (scheme, stride)
        assert fans(layer)[0] == 64 * kernel**2 // stride**2


def log_growth(scheme, activation, width, depth, seed):
    """Log of the norm of the gradient at the first layer by that at the last."""
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(width, width, bias=False), ACTIVATIONS[activation](width)]
    model = nn.Sequential(*layers).double()
    initialize(model, scheme, generator=seeded(seed))
    signal = torch.randn(1, width, generator=seeded(seed + 1), dtype=torch.float64)
    signal.requires_grad_()
    probe = torch.randn(1, width, generator=seeded(seed + 2), dtype=torch.float64)
    (model(signal) * probe).sum().backward()
    return math.log(float(signal.grad.norm() / probe.norm()))


def test_random_walk_keeps_the_gradient_norm_through_two_hundred_relu_layers():
    width, depth, seeds = 64, 200, range(0, 60, 3)
    typical = {
        scheme: statistics.mean(log_growth(scheme, "relu", width, depth, s) for s in seeds)
        for scheme in ("random-walk", "kaiming-normal", "xavier-normal")
    }
    # One walk has the std sqrt(5 depth / 4 width) = 2.0; the mean of twenty 0.44.
    assert abs(typical["random-walk"]) < 3 * 0.44, typical
    # Kaiming drifts by 5 / 4N a layer (-3.9), Xavier loses another sqrt(2) in each (-73).
    assert typical["kaiming-normal"] < typical["random-walk"] - 2.5, typical
    assert typical["xavier-normal"] < -60, typical


def test_random_walk_keeps_the_gradient_of_tanh_and_leaky_layers():
    # tanh bends, so its slope is a little under 1: 200 layers lose a factor of 30, not a million.
    for activation, factor in (("tanh", 100), ("leaky-relu", 4), ("prelu", 4)):
        grown = [log_growth("random-walk", activation, 128, 200, s) for s in range(0, 24, 3)]
        assert abs(statistics.mean(grown)) < math.log(factor), (activation, grown)


def test_the_random_walk_gain_is_that_of_the_paper():
    assert random_walk_gain(256, "linear", 1.0) == math.exp(1 / 512)
    assert random_walk_gain(256, "relu", 2**0.5) == 2**0.5 * math.exp(1.2 / (256 - 2.4))
    assert random_walk_gain(3, "relu", 2**0.5) == 2**0.5 * math.exp(1.2 / (6 - 2.4))
    # The general rectifier form meets the linear one at slope 1 and is near the paper's at slope 0.
    leaky = random_walk_gain(256, "leaky-relu", 1.0)
    assert leaky == pytest.approx(math.exp(1.25 / 256), rel=1e-3)


def test_identity_passes_vectors_through_any_depth_unchanged():
    model = nn.Sequential(*[m for _ in range(50) for m in (nn.Linear(16, 16), nn.ReLU())])
    initialize(model, "identity")
    vectors = torch.rand(4, 16, generator=seeded(0))
    assert torch.equal(model(vectors), vectors)


@pytest.mark.parametrize("units", [12, 27, 64])
def test_patch_whitening_makes_the_first_layer_s_outputs_uncorrelated(units):
    model = nn.Sequential(nn.Conv2d(3, units, 3), nn.ReLU(), nn.Conv2d(units, 8, 3))
    images = pictures(256)
    rows = initialize(model, "patch-whitening", sample=images)
    half = min(27, (units + 1) // 2)
    maps = model[0](images).detach()[:, :half].movedim(1, 0).flatten(1)
    torch.testing.assert_close(torch.cov(maps), torch.eye(half), atol=0.05, rtol=0)
    assert rows[0].note == f"{min(units, 54)} of {units} filters whiten the patches"
    initialize(model, "kaiming-normal", sample=images)
    drawn = torch.corrcoef(model[0](images).detach().movedim(1, 0).flatten(1))
    assert float((drawn - drawn.diag().diag()).abs().max()) > 0.5


def test_patch_whitening_of_a_padded_layer_holds_inside_its_border():
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU())
    images = pictures(256)
    initialize(model, "patch-whitening", sample=images)
    inside = model[0](images).detach()[:, :8, 1:-1, 1:-1].movedim(1, 0).flatten(1)
    torch.testing.assert_close(torch.cov(inside), torch.eye(8), atol=0.08, rtol=0)


def test_patch_whitening_says_where_there_are_no_patches():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    rows = initialize(model, "patch-whitening", sample=torch.randn(4, 8))
    assert "no patches" in rows[0].note


@pytest.mark.parametrize("scheme", DATA_SCHEMES)
def test_one_seed_gives_the_same_weights_and_nothing_else_changes(scheme):
    torch.manual_seed(3)
    first, second, third = Branched(), Branched(), Branched()
    before = torch.get_rng_state()
    for model, seed in ((first, 5), (second, 5), (third, 6)):
        initialize(model, scheme, sample=pictures(), generator=seeded(seed))
    assert torch.equal(torch.get_rng_state(), before)
    for (name, one), two in zip(first.state_dict().items(), second.state_dict().values()):
        assert torch.equal(one, two), name
    assert not torch.equal(first.grouped.weight, third.grouped.weight)
    assert first.training
    assert not first.norm.running_mean.any()
    assert int(first.norm.num_batches_tracked) == 0
    assert all(parameter.grad is None for parameter in first.parameters())


@pytest.mark.parametrize("scheme", DATA_SCHEMES)
def test_a_scheme_that_looks_at_data_needs_clean_data(scheme):
    model = nn.Sequential(nn.Linear(2, 2))
    weights = model[0].weight.detach().clone()
    with pytest.raises(InputError, match="sample=batch"):
        initialize(model, scheme)
    with pytest.raises(InputError, match="NaN"):
        initialize(model, scheme, sample=torch.tensor([[1.0, math.nan]]))
    assert torch.equal(model[0].weight, weights)


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.memory = nn.LSTM(8, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.scale = nn.Parameter(torch.ones(8))
        self.wide = nn.utils.parametrizations.weight_norm(nn.Linear(8, 16))
        self.narrow = nn.Linear(16, 8)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        states, _ = self.memory(self.embedding(tokens))
        states, _ = self.attention(states, states, states)
        return self.head(self.narrow(F.relu(self.wide(states * self.scale))))


@pytest.mark.parametrize("scheme", ["kaiming-normal", "lsuv", "krahenbuhl"])
def test_what_is_no_layer_is_left_alone_with_a_word(scheme):
    torch.manual_seed(0)
    model = Words()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    tokens = torch.randint(20, (8, 6), generator=seeded(2))
    rows = {row.name: row for row in initialize(model, scheme, sample=tokens)}
    words = left_alone(model)
    for name in ("memory.weight_ih_l0", "attention.in_proj_weight", "scale"):
        assert torch.equal(model.state_dict()[name], before[name])
        assert words[name]
    assert "gates" in words["memory.weight_hh_l0"]
    assert "also embedding's" in rows["head"].note
    # A parameterised weight takes what is drawn, too.
    assert not torch.equal(model.wide.weight, before["wide.parametrizations.weight.original1"])
    assert rows["wide"].std == pytest.approx(float(model.wide.weight.std(correction=0)), rel=1e-5)
    if scheme == "lsuv":
        found = outputs(model, tokens)
        assert float(found["wide"].var(correction=0)) == pytest.approx(1, abs=0.1)
        assert "not called" in rows["attention.out_proj"].note


def test_two_layers_that_share_a_weight_are_set_once():
    model = nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 16))
    model[2].weight = model[0].weight
    sample = torch.randn(64, 16, generator=seeded(0))
    rows = initialize(model, "lsuv", sample=sample)
    assert [row.name for row in rows] == ["0"]
    assert float(model[0](sample).var(correction=0)) == pytest.approx(1, abs=0.1)


def test_lazy_layers_are_refused_with_advice():
    with pytest.raises(InputError, match="run one batch"):
        initialize(nn.Sequential(nn.LazyLinear(4)))
