"""Initialisation by name: what the weights are drawn from, for every layer of any network.

fan_in is the number of inputs one unit sums over: k * k * Cin / groups for a convolution, the
number of features for a linear layer; fan_out is k * k * Cout / groups. docs/initialisation.md has
the variance each scheme gives and why.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from steadygrad.errors import choose
from steadygrad.nn.activations import PRELU_START, gain
from steadygrad.nn.norms import is_norm
from steadygrad.nn.order import Layer, branch_ends, following_activations, head_name, layers_of

HEAD_LOGIT_STD = 0.1  # of the first logits, for features of size 1: the loss starts 0.005 over ln C
EQUAL_ROWS = 1e-6  # rows that differ by less, relative to the largest weight, are the same unit


@dataclass(frozen=True)
class LayerInit:
    """What one layer was given; `std` is that of the weights as drawn, `gain` what was aimed at."""

    name: str
    kind: str
    fan_in: int
    fan_out: int
    activation: str
    gain: float
    std: float
    scheme: str


@dataclass(frozen=True)
class Draw:
    """What a scheme may use: the fans, the gain, the user's `std`, the groups and the generator."""

    fan_in: int
    fan_out: int
    gain: float
    std: float
    groups: int
    generator: Generator

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


def _orthogonal(weight: Tensor, draw: Draw) -> Tensor:
    """Orthonormal rows (columns where there are more rows) times the gain (Saxe et al. 2014)."""
    for block in weight.chunk(draw.groups):  # each group is a map of its own
        nn.init.orthogonal_(block, draw.gain, generator=draw.generator)
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


SCHEMES: dict[str, Callable[[Tensor, Draw], Tensor]] = {
    "auto": lambda w, draw: draw.normal(w, draw.gain * draw.fan_in_std),
    "zeros": lambda w, _: w.zero_(),
    "constant": lambda w, draw: w.fill_(draw.std),
    "normal": lambda w, draw: draw.normal(w, draw.std),
    "xavier-normal": lambda w, draw: draw.normal(w, draw.average_std),
    "xavier-uniform": lambda w, draw: draw.uniform(w, draw.average_std),
    "xavier-in-normal": lambda w, draw: draw.normal(w, draw.fan_in_std),
    "xavier-in-uniform": lambda w, draw: draw.uniform(w, draw.fan_in_std),
    "kaiming-normal": lambda w, draw: draw.normal(w, draw.gain * draw.fan_in_std),
    "kaiming-uniform": lambda w, draw: draw.uniform(w, draw.gain * draw.fan_in_std),
    "orthogonal": _orthogonal,
    "dirac": _dirac,
}


def fans(layer: Layer) -> tuple[int, int]:
    """(fan_in, fan_out) of a layer.

    >>> fans(nn.Conv2d(8, 16, 3, groups=4))
    (18, 36)
    """
    fan_in = layer.weight[0].numel()
    groups = 1 if isinstance(layer, nn.Linear) else layer.groups
    return fan_in, layer.weight.numel() // (layer.weight.shape[1] * groups)


@torch.no_grad()
def initialize(
    model: nn.Module,
    scheme: str = "auto",
    *,
    std: float = 0.01,
    generator: Generator | None = None,
    sample: Tensor | None = None,
) -> list[LayerInit]:
    """Draw every weight of `model` by `scheme` and say what each layer was given.

    Biases become 0, norms 1 and 0, PReLU slopes 0.25. `std` serves "normal" and, as the value,
    "constant". Kaiming schemes use the gain of the activation that follows the layer; `sample`, an
    input batch, lets one forward pass find it where functions stand for modules. "auto" is
    kaiming-normal, and besides: the head starts small, so that the first loss is ln C; the last
    norm scale of each residual branch starts at 0 (Goyal et al. 2017, section 5.1), or without
    norms the last convolution does and the others are scaled down (Zhang et al. 2019, Fixup); a
    network's own wish (`init_scheme`, set by the fast net) is honoured.
    The same `generator` state (default: seed 0) gives the same weights on every device.

    >>> network = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    >>> [row.gain for row in initialize(network, "kaiming-normal")] == [2**0.5, 1.0]
    True
    """
    choose("initialisation", scheme, SCHEMES)
    generator = generator or torch.Generator().manual_seed(0)
    _reset_rest(model)
    activations = following_activations(model, sample)
    hidden = scheme if scheme != "auto" else getattr(model, "init_scheme", "auto")
    head = head_name(model)
    rows: list[LayerInit] = []
    for name, layer in layers_of(model).items():
        activation = activations[name]
        draw = _draw_for(layer, activation, std, generator)
        _fill(layer.weight, SCHEMES[scheme if name == head else hidden], draw)
        rows.append(
            LayerInit(
                name,
                type(layer).__name__,
                draw.fan_in,
                draw.fan_out,
                activation,
                draw.gain,
                0.0,
                scheme if name == head else hidden,
            )
        )
    if scheme == "auto":
        _start_residuals(model, hidden)
        _shrink_head(model, head)
    return [_measured(model, row) for row in rows]


def _draw_for(layer: Layer, activation: str, std: float, generator: Generator) -> Draw:
    fan_in, fan_out = fans(layer)
    groups = 1 if isinstance(layer, nn.Linear) else layer.groups
    return Draw(fan_in, fan_out, gain(activation), std, groups, generator)


def _fill(weight: Tensor, scheme: Callable[[Tensor, Draw], Tensor], draw: Draw) -> None:
    drawn = torch.empty(weight.shape, dtype=torch.float32)  # on the CPU: one stream for all devices
    weight.copy_(scheme(drawn, draw))


def _measured(model: nn.Module, row: LayerInit) -> LayerInit:
    weight: Tensor = model.get_submodule(row.name).weight  # pyright: ignore[reportAssignmentType]
    spread = float(weight.float().std(correction=0))
    return LayerInit(**{**row.__dict__, "std": spread})


def _reset_rest(model: nn.Module) -> None:
    for module in model.modules():
        if is_norm(module) and getattr(module, "weight", None) is not None:
            nn.init.ones_(module.weight)  # pyright: ignore[reportArgumentType]
        if isinstance(module, nn.modules.batchnorm._NormBase):  # pyright: ignore[reportPrivateUsage]
            module.reset_running_stats()
        if isinstance(module, nn.PReLU):
            nn.init.constant_(module.weight, PRELU_START)
        bias = getattr(module, "bias", None)
        if isinstance(bias, nn.Parameter):
            nn.init.zeros_(bias)


def _start_residuals(model: nn.Module, hidden: str) -> None:
    """Start every residual branch at 0; a dirac network's branches already start as they should."""
    ends = branch_ends(model)
    for block in ends.values():
        branch = model.get_submodule(f"{block}.branch" if block else "branch")
        norms = [module for module in branch.modules() if is_norm(module)]
        if norms and norms[-1].weight.requires_grad and hidden == "auto":  # pyright: ignore
            nn.init.zeros_(norms[-1].weight)  # pyright: ignore[reportArgumentType]
        elif not norms:
            inner = list(layers_of(branch).values())
            nn.init.zeros_(inner[-1].weight)
            for layer in inner[:-1]:  # Fixup, section 3: L^(-1 / (2m - 2)) for m layers a branch
                layer.weight.mul_(len(ends) ** (-1.0 / (2 * len(inner) - 2)))


def _shrink_head(model: nn.Module, head: str | None) -> None:
    if head is None:
        return
    weight: Tensor = model.get_submodule(head).weight  # pyright: ignore[reportAssignmentType]
    scale = float(getattr(model, "head_scale", 1.0))  # what the network multiplies its logits by
    weight.mul_(HEAD_LOGIT_STD / scale)


def symmetric_layers(model: nn.Module) -> list[str]:
    """The layers whose units all start the same, and so would stay the same for ever.

    Left out: the head (its units get different gradients), residual branches that start at zero on
    purpose, and layers with one unit to a group, such as depthwise convolutions.

    >>> network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> _ = initialize(network, "constant"); symmetric_layers(network)
    ['0']
    """
    head, ends = head_name(model), branch_ends(model)
    found: list[str] = []
    for name, layer in layers_of(model).items():
        if name == head or (name in ends and not layer.weight.any()):
            continue
        groups = 1 if isinstance(layer, nn.Linear) else layer.groups
        units = layer.weight.detach().reshape(groups, -1, layer.weight[0].numel())
        spread = (units - units[:, :1]).abs().max()
        if units.shape[1] > 1 and spread <= EQUAL_ROWS * units.abs().max():
            found.append(name)
    return found
