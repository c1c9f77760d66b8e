"""The nonlinearities by name, and the gain each one asks of the layer before it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from steadygrad.errors import choose

LEAKY_SLOPE = 0.01
PRELU_START = 0.25  # slope PReLU starts from (He et al. 2015, section 2.1)


class Maxout(nn.Module):
    """The larger of two linear pieces: (N, 2 C, ...) -> (N, C, ...).

    The layer before it is twice as wide, so it has twice the parameters (Goodfellow et al. 2013).

    >>> Maxout()(torch.tensor([[1.0, 5.0, 3.0, 4.0]]))
    tensor([[3., 5.]])
    """

    def forward(self, features: Tensor) -> Tensor:
        """The maximum over the two halves of dimension 1."""
        first, second = features.chunk(2, dim=1)
        return torch.maximum(first, second)


# No activation works in place: the monitor and anybody's hooks read what goes in.
ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "sigmoid": lambda _: nn.Sigmoid(),
    "tanh": lambda _: nn.Tanh(),
    "relu": lambda _: nn.ReLU(),
    "leaky-relu": lambda _: nn.LeakyReLU(LEAKY_SLOPE),
    "prelu": lambda num_features: nn.PReLU(num_features, init=PRELU_START),
    "elu": lambda _: nn.ELU(),
    "maxout": lambda _: Maxout(),
    "gelu": lambda _: nn.GELU(),
    "silu": lambda _: nn.SiLU(),
}

# The module types each name stands for, users' own models included.
ACTIVATION_TYPES: dict[type[nn.Module], str] = {
    nn.Sigmoid: "sigmoid",
    nn.Tanh: "tanh",
    nn.ReLU: "relu",
    nn.ReLU6: "relu",
    nn.LeakyReLU: "leaky-relu",
    nn.PReLU: "prelu",
    nn.ELU: "elu",
    Maxout: "maxout",
    nn.GELU: "gelu",
    nn.SiLU: "silu",
}


def activation_name(module: nn.Module) -> str | None:
    """The name of an activation module, or None when `module` is something else."""
    return ACTIVATION_TYPES.get(type(module))


def widen(name: str) -> int:
    """How many times wider the layer before the activation must be: 2 for maxout, else 1."""
    choose("activation", name, ACTIVATIONS)
    return 2 if name == "maxout" else 1


@functools.cache
def gain(name: str) -> float:
    """What Kaiming's rule multiplies the weights by, so that the signal keeps its size.

    1 / sqrt(E[f(z)^2]) for z standard normal (He et al. 2015, equation 10, for any f). Rectifiers
    have it in closed form; sigmoid, ELU, GELU and SiLU are integrated numerically in float64;
    tanh keeps the 5/3 everybody uses (LeCun et al. 1998; the integral gives 1.593). Maxout over
    two independent pieces has E[max^2] = 1. "linear" means that no activation follows.

    >>> round(gain("relu"), 4), round(gain("gelu"), 4), gain("maxout")
    (1.4142, 1.5335, 1.0)
    """
    if name in ("linear", "maxout"):
        return 1.0
    choose("activation", name, ACTIVATIONS)
    slopes = {"relu": 0.0, "leaky-relu": LEAKY_SLOPE, "prelu": PRELU_START}
    if name in slopes:
        return math.sqrt(2.0 / (1.0 + slopes[name] ** 2))
    if name == "tanh":
        return 5.0 / 3.0
    return 1.0 / math.sqrt(mean_square(ACTIVATIONS[name](1)))


def mean_square(activation: Callable[[Tensor], Tensor]) -> float:
    """E[f(z)^2] for z ~ N(0, 1): the trapezoid rule on [-12, 12], good to 1e-9."""
    points = torch.linspace(-12.0, 12.0, 24001, dtype=torch.float64)
    density = torch.exp(-points.square() / 2) / math.sqrt(2 * math.pi)
    return float(torch.trapezoid(activation(points).square() * density, points))
