"""How the size of a signal changes from layer to layer: measured, and predicted by theory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from steadygrad.nn.activations import ACTIVATIONS, gain
from steadygrad.nn.initialize import initialize

HISTOGRAM_BINS = 60
# Var[f(z)^2] / E[f(z)^2]^2 for z normal: 5 for relu; 2 for linear, and less for what saturates.
EXCESS = {"linear": 2.0, "tanh": 2.0, "sigmoid": 2.0}
LARGEST_EXCESS = 5.0
SPREADS = 3.0  # accepted distance from theory, in standard deviations of a network of that width


@dataclass(frozen=True)
class Setting:
    """A stack of equal layers: the activation ("linear": none), the scheme and its std."""

    title: str
    activation: str
    scheme: str
    std: float = 0.01

    def gain(self, width: int) -> float:
        """The std of a layer's sums for inputs of mean square 1: weight std x sqrt(fan_in)."""
        if self.scheme.startswith("xavier"):
            return 1.0
        if self.scheme.startswith("kaiming"):
            return gain(self.activation)
        return self.std * math.sqrt(width)


@dataclass(frozen=True)
class LayerSignal:
    """What came out of one layer; `counts` over `edges` is its histogram."""

    layer: int
    mean: float
    std: float
    mean_slope: float
    counts: list[int]
    edges: list[float]


def layer_of(width: int, setting: Setting, generator: Generator) -> nn.Sequential:
    """One bias-free linear layer with its activation, its weights drawn by the library's scheme."""
    layer = nn.Sequential(nn.Linear(width, width, bias=False))
    if setting.activation != "linear":
        layer.append(ACTIVATIONS[setting.activation](width))
    initialize(layer, setting.scheme, std=setting.std, generator=generator)
    return layer


@torch.no_grad()
def outputs(inputs: Tensor, depth: int, setting: Setting, seed: int) -> Iterator[Tensor]:
    """What each of `depth` layers puts out for `inputs` (N, width), one layer alive at a time."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(depth):
        inputs = layer_of(inputs.shape[1], setting, generator)(inputs)
        yield inputs


def measure_layers(
    width: int, depth: int, setting: Setting, seed: int, num_inputs: int = 16
) -> list[LayerSignal]:
    """Statistics and histogram of what each layer puts out for standard normal inputs."""
    inputs = torch.randn(num_inputs, width, generator=torch.Generator().manual_seed(seed + 1))
    found: list[LayerSignal] = []
    for number, values in enumerate(outputs(inputs, depth, setting, seed), start=1):
        extent = max(1.0, float(values.abs().max()))
        low = -extent if bool((values < 0).any()) else 0.0
        counts = torch.histc(values, HISTOGRAM_BINS, low, extent)
        edges = torch.linspace(low, extent, HISTOGRAM_BINS + 1)
        found.append(
            LayerSignal(
                number,
                float(values.mean()),
                float(values.std(correction=0)),
                _mean_slope(values, setting.activation),
                [int(count) for count in counts],
                edges.tolist(),
            )
        )
    return found


def _mean_slope(outputs: Tensor, activation: str) -> float:
    """The mean derivative of the activation, where its outputs tell it; else NaN."""
    if activation == "tanh":
        return float((1 - outputs.square()).mean())
    return float((outputs > 0).float().mean()) if activation == "relu" else math.nan


def predicted_stds(depth: int, activation: str, gain: float) -> list[float]:
    """The std of each layer's outputs in an infinitely wide network, inputs of mean square 1.

    q -> E[f(gain sqrt(q) z)^2] for z standard normal, the mean-field map of Poole et al. 2016; the
    std takes the mean off.

    >>> [round(std, 3) for std in predicted_stds(2, "linear", 0.5)]
    [0.5, 0.25]
    """
    points = torch.linspace(-10.0, 10.0, 8001, dtype=torch.float64)
    density = torch.exp(-points.square() / 2) / math.sqrt(2 * math.pi)
    function = nn.Identity() if activation == "linear" else ACTIVATIONS[activation](1)
    mean_square, stds = 1.0, list[float]()
    for _ in range(depth):
        values = function(gain * math.sqrt(mean_square) * points)
        mean = float(torch.trapezoid(values * density, points))
        mean_square = float(torch.trapezoid(values.square() * density, points))
        stds.append(math.sqrt(max(0.0, mean_square - mean**2)))
    return stds


def width_tolerance(width: int, depth: int, activation: str = "relu") -> float:
    """How far (as a factor, minus 1) the std may lie from that of an infinitely wide network.

    The logarithm of the mean square takes a random step of variance at most 5 / width in a layer.

    >>> round(width_tolerance(4096, 6), 2)
    0.14
    """
    excess = EXCESS.get(activation, LARGEST_EXCESS)
    return math.exp(SPREADS * 0.5 * math.sqrt(excess * depth / width)) - 1.0


@dataclass(frozen=True)
class Extremes:
    """The stds by layer, and where the signal left float32: the layer, or None if it never did."""

    stds: list[float]
    first_nan: int | None
    first_zero: int | None

    @property
    def last_std(self) -> float:
        """What is left after the last layer."""
        return self.stds[-1]


def measure_extremes(width: int, depth: int, setting: Setting, seed: int) -> Extremes:
    """Send one standard normal input through the stack and note where NaN or 0 come."""
    inputs = torch.randn(1, width, generator=torch.Generator().manual_seed(seed + 1))
    nan, zero, stds = None, None, list[float]()
    for number, values in enumerate(outputs(inputs, depth, setting, seed), start=1):
        stds.append(float(values.std(correction=0)))
        nan = nan or (number if bool(values.isnan().any()) else None)
        zero = zero or (number if not bool(values.any()) else None)
    return Extremes(stds, nan, zero)


@torch.no_grad()
def one_layer_growth(width: int, activation: str, repeats: int, seed: int) -> float:
    """Root mean square of one layer's outputs with weights and inputs of std 1."""
    setting = Setting("", activation, "normal", 1.0)
    generator = torch.Generator().manual_seed(seed)
    total = 0.0
    for _ in range(repeats):
        inputs = torch.randn(1, width, generator=generator)
        total += float(layer_of(width, setting, generator)(inputs).square().mean())
    return math.sqrt(total / repeats)


def identity_growth(factor: float, depth: int, width: int = 8) -> tuple[float, float]:
    """Growth of signal and of gradient through `depth` layers W = factor x I, in float64."""
    inputs = torch.ones(1, width, dtype=torch.float64, requires_grad=True)
    weight, values = factor * torch.eye(width, dtype=torch.float64), inputs
    for _ in range(depth):
        values = values @ weight
    (gradient,) = torch.autograd.grad(values.sum(), inputs)
    return float(values.detach().mean()), float(gradient.mean())


@torch.no_grad()
def convolution_growth(
    channels: int, kernel_size: int, depth: int, scheme: str, std: float, seed: int
) -> float:
    """The mean factor by which a convolution with ReLU changes the root mean square.

    Padding is circular, so that the border dilutes nothing.
    """
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(8, channels, 12, 12, generator=generator)
    sizes: list[float] = []
    for _ in range(depth):
        conv = nn.Conv2d(
            channels, channels, kernel_size, padding="same", padding_mode="circular", bias=False
        )
        layer = nn.Sequential(conv, nn.ReLU())
        initialize(layer, scheme, std=std, generator=generator)
        maps = layer(maps)
        sizes.append(float(maps.square().mean().sqrt()))
    return (sizes[-1] / sizes[0]) ** (1.0 / (depth - 1))
