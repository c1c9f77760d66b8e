"""What batch normalisation does to one layer, each fact measured by itself."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from steadygrad.nn.fold import fold

MAPS = (32, 8, 6, 6)  # N, C, H, W of the maps measured on


def _maps(seed: int, shape: tuple[int, ...] = MAPS) -> Tensor:
    """Maps whose channels have different means and sizes."""
    generator = torch.Generator().manual_seed(seed)
    channels = torch.arange(1, shape[1] + 1).view(1, -1, 1, 1)
    return channels * torch.randn(shape, generator=generator) + 3.0 * channels


def identity_error(seed: int) -> float:
    """How far the output is from the input once gamma is the input's std and beta its mean.

    Relative to the largest input; gamma takes the epsilon in, as the norm itself does.
    """
    maps = _maps(seed)
    norm = nn.BatchNorm2d(maps.shape[1])
    variance, mean = torch.var_mean(maps, (0, 2, 3), correction=0)
    with torch.no_grad():
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean)
        return float((norm(maps) - maps).abs().max() / maps.abs().max())


@torch.no_grad()
def output_moments(seed: int) -> tuple[float, float]:
    """(largest |mean|, largest |std - 1|) of the channels of a fresh norm's output."""
    maps = _maps(seed)
    variance, mean = torch.var_mean(nn.BatchNorm2d(maps.shape[1])(maps), (0, 2, 3), correction=0)
    return float(mean.abs().max()), float((variance.sqrt() - 1).abs().max())


def scaled_gradient_ratio(factor: float, seed: int, normed: bool = True) -> tuple[float, float]:
    """(gradient's norm at factor x W over that at W, largest change of the loss).

    The layer is a convolution in float64, behind it the norm (or none) and a fixed target.
    """
    generator = torch.Generator().manual_seed(seed)
    maps = _maps(seed).double()
    conv = nn.Conv2d(MAPS[1], 6, 3, bias=False).double()
    with torch.no_grad():
        conv.weight.normal_(0.0, 0.2, generator=generator)
    # With torch's epsilon the invariance holds only while the variance is much larger.
    norm = nn.BatchNorm2d(6, eps=1e-12).double() if normed else nn.Identity()
    layer = nn.Sequential(conv, norm)
    target = torch.randn(layer(maps).shape, generator=generator, dtype=torch.float64)
    found: list[tuple[float, float]] = []
    for scale in (1.0, factor):
        with torch.no_grad():
            conv.weight.mul_(scale)
        conv.weight.grad = None
        loss = (layer(maps) - target).square().mean()
        loss.backward()
        assert conv.weight.grad is not None
        found.append((float(conv.weight.grad.norm()), float(loss.detach())))
    (before, loss_before), (after, loss_after) = found
    return after / before, abs(loss_after - loss_before)


def bias_effect(bias: float, seed: int) -> tuple[float, float]:
    """What a bias before the norm does: (change of the output, gradient of the bias).

    Both relative: to the largest output, and to the gradient of the weights.
    """
    maps = _maps(seed).double()
    conv = nn.Conv2d(MAPS[1], 6, 3).double()
    layer = nn.Sequential(conv, nn.BatchNorm2d(6).double())
    plain = layer(maps).detach()
    assert conv.bias is not None
    with torch.no_grad():
        conv.bias.add_(bias)
    moved = layer(maps)
    (moved * torch.linspace(-1, 1, moved.numel()).view_as(moved).double()).sum().backward()
    assert conv.bias.grad is not None
    assert conv.weight.grad is not None
    change = float((moved.detach() - plain).abs().max() / plain.abs().max())
    return change, float(conv.bias.grad.norm() / conv.weight.grad.norm())


def running_means(momentum: float, steps: int, seed: int) -> list[float]:
    """The share of a constant batch's mean that the running mean still lacks after each step."""
    maps = _maps(seed).double()
    norm = nn.BatchNorm2d(maps.shape[1], momentum=momentum).double()
    wanted, lacking = maps.mean((0, 2, 3)), list[float]()
    for _ in range(steps):
        norm(maps)
        assert norm.running_mean is not None
        lacking.append(float(((wanted - norm.running_mean) / wanted).mean()))
    return lacking


def running_variance_ratio(num_values: int, seed: int) -> float:
    """The running variance over the biased one it normalises with, for batches of that size."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(num_values, 1, generator=generator, dtype=torch.float64)
    norm = nn.BatchNorm1d(1, momentum=1.0).double()
    norm(values)
    assert norm.running_var is not None
    return float(norm.running_var / values.var(0, correction=0))


@torch.no_grad()
def train_and_test_difference(batch_size: int, repeats: int, seed: int) -> float:
    """Root mean square difference between training's and testing's answer, settled statistics.

    Batches of vectors drawn from one distribution; in units of the output's std.
    """
    generator = torch.Generator().manual_seed(seed)
    norm = nn.BatchNorm1d(16, momentum=None).double()  # None: the plain mean of all batches
    for _ in range(20):
        norm(torch.randn(2048, 16, generator=generator, dtype=torch.float64))
    total = 0.0
    for _ in range(repeats):
        batch = torch.randn(batch_size, 16, generator=generator, dtype=torch.float64)
        tested = norm.eval()(batch)
        total += float((_in_training(norm, batch) - tested).square().mean())
    return math.sqrt(total / repeats)


def _in_training(norm: nn.BatchNorm1d, batch: Tensor) -> Tensor:
    """The norm's answer from the batch's own statistics, leaving the running ones alone."""
    return nn.functional.batch_norm(
        batch, None, None, norm.weight, norm.bias, training=True, eps=norm.eps
    )


@torch.no_grad()
def folding_errors(seed: int) -> dict[str, float]:
    """How far the folded network's answers are from the original's, relative, float64."""
    generator = torch.Generator().manual_seed(seed)
    maps, vectors = _maps(seed).double(), torch.randn(32, 12, generator=generator).double()
    networks = {
        "convolution": (
            nn.Sequential(nn.Conv2d(MAPS[1], 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU()),
            maps,
        ),
        "linear": (nn.Sequential(nn.Linear(12, 6), nn.BatchNorm1d(6), nn.ReLU()), vectors),
    }
    errors: dict[str, float] = {}
    for name, (network, inputs) in networks.items():
        network.double().train()
        for _ in range(3):
            network(inputs)  # running statistics of its own
        expected = network.eval()(inputs)
        folded = fold(network)
        if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in folded.modules()):  # pyright: ignore[reportPrivateUsage]
            errors[name] = math.inf
            continue
        errors[name] = float((folded(inputs) - expected).abs().max() / expected.abs().max())
    return errors
