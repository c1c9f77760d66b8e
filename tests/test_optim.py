import copy

import pytest
import torch
from torch import nn

from steadygrad.errors import InputError
from steadygrad.models.networks import MODELS
from steadygrad.optim import (
    OPTIMIZERS,
    Average,
    make_optimizer,
    orthogonalize,
    refresh_norm_statistics,
    scaled_lr,
)
from steadygrad.optim.groups import hidden_matrices
from steadygrad.optim.muon import NEWTON_SCHULZ_STEPS
from steadygrad.record import Recipe
from training_helpers import Digits, SmallClassifier

NAMES = sorted(OPTIMIZERS)


@pytest.fixture(scope="module")
def digits():
    return Digits()


def ids_of(optimizer):
    return [id(p) for group in optimizer.param_groups for p in group["params"]]


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_once_frozen_and_tied_ones_too(digits, name):
    model = SmallClassifier(digits)
    model.network.body[0].weight.requires_grad_(False)
    model.network.second = nn.Linear(16, 10)
    model.network.second.weight = model.network.head.weight  # tied
    optimizer = make_optimizer(model, Recipe(optimizer=name))
    assert sorted(ids_of(optimizer)) == sorted({id(p) for p in model.parameters()})


@pytest.mark.parametrize("name", NAMES)
def test_only_weights_decay(digits, name):
    model = SmallClassifier(digits)
    optimizer = make_optimizer(model, Recipe(optimizer=name, weight_decay=0.3))
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.3 if parameter.ndim >= 2 else 0.0)


def test_norm_biases_and_the_reused_backbone_have_their_own_rates(digits):
    model = SmallClassifier(digits)
    reused = {n for n, _ in model.named_parameters() if n.startswith("network.body")}
    recipe = Recipe(optimizer="nesterov", lr=0.5, bias_lr_factor=64, backbone_lr_factor=0.1)
    optimizer = make_optimizer(model, recipe, reused)
    names = {id(p): name for name, p in model.named_parameters()}
    factors = {
        names[id(p)]: group["lr_factor"]
        for group in optimizer.param_groups
        for p in group["params"]
    }
    assert factors["network.head.weight"] == 1.0
    assert factors["network.head.bias"] == 1.0  # a bias, but not a norm's
    assert factors["network.body.0.weight"] == 0.1
    assert factors["network.body.1.weight"] == 0.1
    assert factors["network.body.1.bias"] == pytest.approx(6.4)
    assert optimizer.param_groups[0]["lr"] == 0.5
    for group in optimizer.param_groups:
        assert group["lr"] == pytest.approx(0.5 * group["lr_factor"])


def test_the_models_own_list_of_reused_parameters_is_used(digits):
    model = SmallClassifier(digits)
    model.reused = {"network.body.0.weight"}
    groups = make_optimizer(model, Recipe()).param_groups
    assert [len(g["params"]) for g in groups if g["name"].startswith("backbone")] == [1]


def written_out(name, start, gradients, lr, decay):
    """The update rules as in the papers, in float64, one parameter."""
    w = start.double().clone()
    velocity, square, mean = (torch.zeros_like(w) for _ in range(3))
    for number, gradient in enumerate(gradients, 1):
        g = gradient.double()
        if name in ("adamw",):
            w = w * (1 - lr * decay)
        else:
            g = g + decay * w
        if name == "sgd":
            w = w - lr * g
        elif name == "momentum":
            velocity = 0.9 * velocity + g
            w = w - lr * velocity
        elif name == "nesterov":
            velocity = 0.9 * velocity + g
            w = w - lr * (g + 0.9 * velocity)
        elif name == "adagrad":
            square = square + g * g
            w = w - lr * g / (square.sqrt() + 1e-10)
        elif name == "rmsprop":
            square = 0.9 * square + 0.1 * g * g
            w = w - lr * g / (square.sqrt() + 1e-8)
        else:
            mean = 0.9 * mean + 0.1 * g
            square = 0.999 * square + 0.001 * g * g
            unbiased = mean / (1 - 0.9**number)
            w = w - lr * unbiased / ((square / (1 - 0.999**number)).sqrt() + 1e-8)
    return w


@pytest.mark.parametrize("name", [name for name in NAMES if name != "muon"])
def test_updates_match_the_rule_written_out(name):
    torch.manual_seed(0)
    model = nn.Linear(5, 4, bias=False)
    start = model.weight.detach().clone()
    optimizer = make_optimizer(model, Recipe(optimizer=name, lr=0.03, weight_decay=0.1))
    gradients, rule = [], torch.randn(20, 4, 5)
    for number in range(20):
        # The gradient depends on the weights only through the decay, so the rule stands alone.
        gradients.append(rule[number])
        model.weight.grad = rule[number].clone()
        optimizer.step()
    expected = written_out(name, start, gradients, 0.03, 0.1)
    assert torch.allclose(model.weight.double(), expected, atol=2e-6)


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (3, 16, 16), (1, 9)])
def test_orthogonalize_brings_singular_values_near_one(shape):
    torch.manual_seed(1)
    matrices = torch.randn(shape)
    found = orthogonalize(matrices, steps=8)
    values = torch.linalg.svdvals(found)
    assert values.max() < 1.3
    assert values.min() > 0.5
    # Same singular vectors: U^T X V of the result is diagonal, with positive entries.
    u, _, vh = torch.linalg.svd(matrices, full_matrices=False)
    core = u.mT @ found @ vh.mT
    off = core - torch.diag_embed(core.diagonal(dim1=-2, dim2=-1))
    assert off.abs().max() < 1e-3


@pytest.mark.parametrize("shape", [(32, 300), (300, 32), (4, 8, 8)])
def test_orthogonalize_is_the_plain_iteration_in_float64(shape):
    torch.manual_seed(2)
    matrices = torch.randn(shape) @ torch.diag(torch.logspace(0, -4, shape[-1]))
    x = matrices.double()
    x = x / x.norm(dim=(-2, -1), keepdim=True)
    for _ in range(NEWTON_SCHULZ_STEPS):
        square = x @ x.mT
        x = 3.4445 * x - 4.7750 * square @ x + 2.0315 * square @ square @ x
    assert (orthogonalize(matrices).double() - x).abs().max() < 1e-3


def test_orthogonalize_keeps_zero_finite_and_scale_out():
    assert torch.equal(orthogonalize(torch.zeros(3, 4)), torch.zeros(3, 4))
    matrix = torch.randn(4, 7)
    assert torch.allclose(orthogonalize(matrix), orthogonalize(1e-3 * matrix), atol=1e-3)


def muon_step(model, recipe):
    """One update with random gradients; the weights before and the gradients, by name."""
    optimizer = make_optimizer(model, recipe)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    return before


def test_muon_turns_filters_before_a_norm_on_a_sphere(digits):
    model = SmallClassifier(digits)
    matrices, sphere = hidden_matrices(model)
    body = model.network.body
    assert matrices == sphere == {id(body[3].weight), id(body[7].weight)}
    before = muon_step(model, Recipe(optimizer="muon", lr=0.1, weight_decay=0.3))
    name, weight = "network.body.3.weight", body[3].weight
    rows = len(weight)
    projected = before[name] * (rows**0.5 / before[name].norm())
    values = torch.linalg.svdvals((projected - weight.detach()).flatten(1)) / 0.1
    assert values.max() < 1.3
    assert values.min() > 0.5


def test_muon_scales_updates_where_no_norm_follows():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(9, 16), nn.Linear(16, 72), nn.Linear(72, 3))
    matrices, sphere = hidden_matrices(model)
    assert (matrices, sphere) == ({id(model[1].weight)}, set())
    before = muon_step(model, Recipe(optimizer="muon", lr=0.1, weight_decay=0.3))
    change = before["1.weight"] * (1 - 0.1 * 0.3) - model[1].weight.detach()
    values = torch.linalg.svdvals(change) / (0.1 * 0.2 * 72**0.5)
    assert values.max() < 1.3
    assert values.min() > 0.5


def test_muon_puts_no_filters_on_a_sphere_without_a_norm_behind_them():
    plain = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.Conv2d(4, 5, 3, bias=False),
        nn.ReLU(),
        nn.Conv2d(5, 6, 3, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(6),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 2),
    )
    matrices, sphere = hidden_matrices(plain)
    assert matrices == {id(plain[1].weight), id(plain[3].weight)}
    assert sphere == {id(plain[3].weight)}


def test_muon_takes_the_first_trained_layer_behind_a_whitening_stem():
    fast = MODELS["fast"](10, 3, image_size=16, width=8)
    matrices, _ = hidden_matrices(fast)
    convolutions = [m for m in fast.modules() if isinstance(m, nn.Conv2d)]
    assert matrices == {id(m.weight) for m in convolutions}


def test_muon_moves_the_rest_as_nesterov_does(digits):
    torch.manual_seed(0)
    ours, theirs = nn.Linear(6, 3), nn.Linear(6, 3)
    theirs.load_state_dict(ours.state_dict())
    recipe = Recipe(optimizer="muon", lr=0.01, weight_decay=0.2, momentum=0.8)
    mine = make_optimizer(ours, recipe)
    groups = [
        {"params": [theirs.weight], "weight_decay": 0.2},
        {"params": [theirs.bias], "weight_decay": 0.0},
    ]
    nesterov = torch.optim.SGD(groups, lr=0.01, momentum=0.8, nesterov=True)
    for _ in range(10):
        for parameter, twin in zip(ours.parameters(), theirs.parameters()):
            parameter.grad = torch.randn_like(parameter)
            twin.grad = parameter.grad.clone()
        mine.step()
        nesterov.step()
    for parameter, twin in zip(ours.parameters(), theirs.parameters()):
        assert torch.allclose(parameter, twin, atol=1e-6)


def test_muon_gives_the_same_in_both_memory_layouts(digits):
    torch.manual_seed(3)
    model = SmallClassifier(digits)
    twin = copy.deepcopy(model).to(memory_format=torch.channels_last)
    gradients = {n: torch.randn_like(p) for n, p in model.named_parameters()}
    for one in (model, twin):
        optimizer = make_optimizer(one, Recipe(optimizer="muon"))
        for _ in range(3):
            for name, parameter in one.named_parameters():
                parameter.grad = torch.empty_like(parameter).copy_(gradients[name])
            optimizer.step()
    for (name, one), other in zip(model.named_parameters(), twin.parameters()):
        assert torch.allclose(one, other, atol=1e-6), name


@pytest.mark.parametrize("name", NAMES)
def test_frozen_weights_stay_and_move_once_thawed(digits, name):
    model = SmallClassifier(digits)
    weight = model.network.body[3].weight.requires_grad_(False)
    optimizer = make_optimizer(model, Recipe(optimizer=name, lr=0.01))
    images = torch.rand(16, 1, 8, 8) * 255
    seen = []
    for frozen in (True, False):
        weight.requires_grad_(not frozen)
        before = weight.detach().clone()
        optimizer.zero_grad()
        model(images).square().mean().backward()
        optimizer.step()
        seen.append(torch.equal(before, weight.detach()))
    assert seen == [True, False]


def test_linear_scaling_is_stated():
    recipe = Recipe(optimizer="nesterov", lr=0.1, base_batch_size=256, batch_size=64)
    lr, sentence = scaled_lr(recipe)
    assert lr == pytest.approx(0.025)
    assert "0.025" in sentence
    assert "64" in sentence
    assert scaled_lr(recipe.replace(base_batch_size=0)) == (0.1, "")
    assert scaled_lr(recipe.replace(batch_size=256)) == (0.1, "")


def test_a_mistyped_optimizer_is_told():
    with pytest.raises(InputError, match="Did you mean 'nesterov'"):
        make_optimizer(nn.Linear(2, 2), Recipe(optimizer="nestrov"))


def test_average_matches_the_formula_written_out():
    torch.manual_seed(0)
    model = nn.BatchNorm1d(3)
    average = Average(model, decay=0.6)
    expected = model.weight.detach().double().clone()
    for number in range(30):
        with torch.no_grad():
            model.weight.copy_(torch.randn(3))
            model.num_batches_tracked += 1
        average.update(model)
        decay = min(0.6, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * model.weight.detach().double()
    assert torch.allclose(average.tensors["weight"].double(), expected, atol=1e-6)
    assert int(average.tensors["num_batches_tracked"]) == 30


def test_average_is_applied_for_a_while_and_undone_also_after_an_error(digits):
    model = SmallClassifier(digits)
    average = Average(model, decay=0.9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    own = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def look_inside():
        with average.applied(model):
            for name, tensor in model.named_parameters():
                assert torch.equal(tensor, average.tensors[name])
            raise RuntimeError("evaluation failed")

    with pytest.raises(RuntimeError, match="evaluation failed"):
        look_inside()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, own[name])
    average.copy_to(model)
    assert torch.equal(model.network.head.weight, average.tensors["network.head.weight"])


def test_refreshed_statistics_are_those_of_all_pictures():
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(0.5), nn.BatchNorm2d(2)).train()
    model[2].eval()
    for parameter in model[2].parameters():
        parameter.requires_grad_(False)
    frozen = model[2].running_mean.clone()
    batches = [torch.randn(8, 2, 4, 4) * 3 + 5 for _ in range(6)]
    flags = [module.training for module in model.modules()]
    assert refresh_norm_statistics(model, iter(batches)) == 1
    stacked = torch.stack(batches)
    means = stacked.mean(dim=(1, 3, 4)).mean(dim=0)
    variances = stacked.transpose(1, 2).flatten(2).var(dim=2).mean(dim=0)
    assert torch.allclose(model[0].running_mean, means, atol=1e-5)
    assert torch.allclose(model[0].running_var, variances, atol=1e-4)
    assert torch.equal(model[2].running_mean, frozen)
    assert [module.training for module in model.modules()] == flags
    assert model[0].momentum == 0.1
    before = model[0].running_mean.clone()
    assert refresh_norm_statistics(model, []) == 0
    assert torch.equal(model[0].running_mean, before)
