"""The schemes that need no data: what one layer's weights are drawn from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from steadygrad.nn.activations import LEAKY_SLOPE, PRELU_START
from steadygrad.nn.order import TRANSPOSED_TYPES, Layer

RECTIFIER_SLOPES = {"relu": 0.0, "leaky-relu": LEAKY_SLOPE, "prelu": PRELU_START}
"""Of the negative side."""
SMALLEST_FAN = 6
"""Sussillo, Abbott 2014 measured their ReLU form for widths of 6 and more."""


@dataclass(frozen=True)
class Draw:
    """What a scheme may use: the fans, the gain, the user's `std`, the groups and the generator."""

    fan_in: int
    fan_out: int
    gain: float
    std: float
    groups: int
    generator: Generator
    activation: str = "linear"

    def normal(self, weight: Tensor, std: float) -> Tensor:
        """Fill with N(0, std^2)."""
        return weight.normal_(0.0, std, generator=self.generator)

    def uniform(self, weight: Tensor, std: float) -> Tensor:
        """Fill with the uniform distribution of that standard deviation (bound: sqrt(3) std)."""
        bound = math.sqrt(3.0) * std
        return weight.uniform_(-bound, bound, generator=self.generator)

    @property
    def average_std(self) -> float:
        """Glorot, Bengio 2010, equation 12: sqrt(2 / (fan_in + fan_out))."""
        return math.sqrt(2.0 / (self.fan_in + self.fan_out))

    @property
    def fan_in_std(self) -> float:
        """sqrt(1 / fan_in): what keeps the size of a linear network's signal."""
        return math.sqrt(1.0 / self.fan_in)


def _orthogonal(weight: Tensor, draw: Draw, gain: float | None = None) -> Tensor:
    """Orthonormal rows (columns where there are more rows) times the gain (Saxe et al. 2014)."""
    # A strided transposed convolution uses one in prod(stride) of a row's numbers at a time.
    spread = math.sqrt(weight[0].numel() / draw.fan_in)
    gain = spread * (draw.gain if gain is None else gain)
    for block in weight.chunk(draw.groups):  # each group is a map of its own
        nn.init.orthogonal_(block, gain, generator=draw.generator)
    return weight


def _dirac(weight: Tensor, draw: Draw) -> Tensor:
    """The identity for as many units as there are inputs; units beyond those are drawn small.

    The rest has variance 1 / (3 fan_in), torch's own default, as in airbench (Jordan 2024).
    """
    draw.uniform(weight, math.sqrt(1.0 / (3.0 * draw.fan_in)))
    centre = tuple(size // 2 for size in weight.shape[2:])
    for block in weight.chunk(draw.groups):
        for unit in range(min(block.shape[0], block.shape[1])):
            block[unit] = 0.0
            block[(unit, unit, *centre)] = 1.0
    return weight


def random_walk_gain(fan_in: int, activation: str, gain: float) -> float:
    """The gain at which the log of a back-propagated gradient's norm drifts neither way.

    Sussillo, Abbott 2014: exp(1 / 2N) for linear nets and sqrt(2) exp(1.2 / (N - 2.4)) for ReLU,
    N being the width. Keeping the mean square, as Kaiming's rule does, lets the typical gradient
    fade: each layer multiplies its norm by a random number whose log has a negative mean. The paper
    has no form for the others: leaky rectifiers get v / 4N, v being the variance of a term (2 for
    linear, 5 for ReLU: 1.25 / N); tanh starts as the identity and takes the linear form; whatever
    else, its own gain times the linear form.

    >>> round(random_walk_gain(100, "linear", 1.0), 4), round(random_walk_gain(100, "relu", 1.4), 4)
    (1.005, 1.4317)
    """
    if activation == "relu":
        return math.sqrt(2.0) * math.exp(1.2 / (max(fan_in, SMALLEST_FAN) - 2.4))
    if activation in RECTIFIER_SLOPES:
        square = RECTIFIER_SLOPES[activation] ** 2
        variance = 6.0 * (1.0 + square**2) / (1.0 + square) ** 2 - 1.0
        return gain * math.exp(variance / (4.0 * max(fan_in, SMALLEST_FAN)))
    return (1.0 if activation == "tanh" else gain) * math.exp(1.0 / (2.0 * fan_in))


def _random_walk(weight: Tensor, draw: Draw) -> Tensor:
    gain = random_walk_gain(draw.fan_in, draw.activation, draw.gain)
    return draw.normal(weight, gain * draw.fan_in_std)


def _kaiming(weight: Tensor, draw: Draw) -> Tensor:
    return draw.normal(weight, draw.gain * draw.fan_in_std)


SCHEMES: dict[str, Callable[[Tensor, Draw], Tensor]] = {
    "auto": _kaiming,
    "zeros": lambda w, _: w.zero_(),
    "constant": lambda w, draw: w.fill_(draw.std),
    "normal": lambda w, draw: draw.normal(w, draw.std),
    "xavier-normal": lambda w, draw: draw.normal(w, draw.average_std),
    "xavier-uniform": lambda w, draw: draw.uniform(w, draw.average_std),
    "xavier-in-normal": lambda w, draw: draw.normal(w, draw.fan_in_std),
    "xavier-in-uniform": lambda w, draw: draw.uniform(w, draw.fan_in_std),
    "kaiming-normal": _kaiming,
    "kaiming-uniform": lambda w, draw: draw.uniform(w, draw.gain * draw.fan_in_std),
    "orthogonal": _orthogonal,
    "dirac": _dirac,
    "identity": _dirac,
    "random-walk": _random_walk,
    # What the schemes that look at data start from.
    "lsuv": lambda w, draw: _orthogonal(w, draw, gain=1.0),
    "krahenbuhl": lambda w, draw: draw.normal(w, draw.fan_in_std),
    "patch-whitening": _kaiming,
}


def fans(layer: Layer) -> tuple[int, int]:
    """(fan_in, fan_out) of a layer.

    A transposed convolution with stride s in each of d dimensions gives to an output from one in
    s^d of the kernel's positions, so its fan_in is k^d * Cin / groups / s^d.

    >>> fans(nn.Conv2d(8, 16, 3, groups=4)), fans(nn.ConvTranspose2d(8, 16, 4, stride=2))
    ((18, 36), (32, 256))
    """
    weight = layer.weight
    if isinstance(layer, TRANSPOSED_TYPES):
        taps = weight.shape[0] // layer.groups * math.prod(layer.kernel_size)
        return max(1, round(taps / math.prod(layer.stride))), weight[0].numel()
    return weight[0].numel(), weight.numel() // (weight.shape[1] * groups_of(layer))


def groups_of(layer: Layer) -> int:
    """Independent maps side by side; 1 for a linear layer."""
    return 1 if isinstance(layer, nn.Linear) else layer.groups


def rows_of(layer: Layer) -> Tensor:
    """The weights, one row per unit: (Cout, Cin / groups, ...), for a transposed convolution too.

    >>> tuple(rows_of(nn.ConvTranspose2d(8, 6, 4, groups=2)).shape)
    (6, 4, 4, 4)
    """
    weight = layer.weight.detach()
    if not isinstance(layer, TRANSPOSED_TYPES):
        return weight
    parts = weight.unflatten(0, (layer.groups, -1))
    return parts.transpose(1, 2).flatten(0, 1)


@torch.no_grad()
def put_rows(layer: Layer, rows: Tensor) -> None:
    """Set the weights from `rows_of`'s form."""
    if isinstance(layer, TRANSPOSED_TYPES):
        rows = rows.unflatten(0, (layer.groups, -1)).transpose(1, 2).flatten(0, 1)
    if parametrize.is_parametrized(layer, "weight"):
        layer.weight = rows.to(layer.weight)  # pyright: ignore[reportAttributeAccessIssue]
    else:
        layer.weight.copy_(rows)
