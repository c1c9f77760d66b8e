"""The update rules as the papers write them, to hold the library's optimisers against."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from steadygrad.optim.make import OPTIMIZERS

MOMENTUM = 0.9
SQUARE_DECAY = 0.999  # of Adam's second moment
RMSPROP_DECAY = 0.9
EPSILON = 1e-8
ADAGRAD_EPSILON = 1e-10  # torch's default


def sgd(lr: float) -> Callable[[Tensor], Tensor]:
    """Gradient descent: -lr g."""
    return lambda gradient: -lr * gradient


def momentum(lr: float, nesterov: bool = False) -> Callable[[Tensor], Tensor]:
    """v <- 0.9 v + g, then -lr v; Nesterov's form looks ahead: -lr (g + 0.9 v)."""
    velocity = torch.zeros(())

    def change(gradient: Tensor) -> Tensor:
        nonlocal velocity
        velocity = MOMENTUM * velocity + gradient
        return -lr * (gradient + MOMENTUM * velocity if nesterov else velocity)

    return change


def adagrad(lr: float) -> Callable[[Tensor], Tensor]:
    """s <- s + g^2, then -lr g / sqrt(s) (Duchi et al. 2011)."""
    squares = torch.zeros(())

    def change(gradient: Tensor) -> Tensor:
        nonlocal squares
        squares = squares + gradient.square()
        return -lr * gradient / (squares.sqrt() + ADAGRAD_EPSILON)

    return change


def rmsprop(lr: float) -> Callable[[Tensor], Tensor]:
    """s <- 0.9 s + 0.1 g^2, then -lr g / sqrt(s) (Tieleman, Hinton 2012)."""
    squares = torch.zeros(())

    def change(gradient: Tensor) -> Tensor:
        nonlocal squares
        squares = RMSPROP_DECAY * squares + (1 - RMSPROP_DECAY) * gradient.square()
        return -lr * gradient / (squares.sqrt() + EPSILON)

    return change


def adam(lr: float, corrected: bool = True) -> Callable[[Tensor], Tensor]:
    """Means of g and g^2, both divided by what they lack at the start (Kingma, Ba 2015).

    Without the correction the first steps are too large: sqrt(1 - 0.999) is smaller than 1 - 0.9.
    """
    mean, squares, step = torch.zeros(()), torch.zeros(()), 0

    def change(gradient: Tensor) -> Tensor:
        nonlocal mean, squares, step
        step += 1
        mean = MOMENTUM * mean + (1 - MOMENTUM) * gradient
        squares = SQUARE_DECAY * squares + (1 - SQUARE_DECAY) * gradient.square()
        if not corrected:
            return -lr * mean / (squares.sqrt() + EPSILON)
        first, second = mean / (1 - MOMENTUM**step), squares / (1 - SQUARE_DECAY**step)
        return -lr * first / (second.sqrt() + EPSILON)

    return change


RULES: dict[str, Callable[[float], Callable[[Tensor], Tensor]]] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": lambda lr: momentum(lr, nesterov=True),
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
}
"""By the names the library's optimisers have."""


def library_optimizer(name: str, weights: Tensor, lr: float) -> Optimizer:
    """The optimiser that `steadygrad train` would use, on one bare tensor."""
    parameter = weights if isinstance(weights, nn.Parameter) else nn.Parameter(weights)
    return OPTIMIZERS[name]([{"params": [parameter], "lr": lr, "weight_decay": 0.0}], lr, MOMENTUM)


def largest_difference(name: str, gradients: Tensor, lr: float = 0.01) -> float:
    """How far the library's weights ever are from the formula's, for given gradients (T, size).

    Relative to the distance gone so far; float64, so 1e-12 and less is rounding.
    """
    parameter = nn.Parameter(torch.zeros_like(gradients[0]))
    optimizer, rule = library_optimizer(name, parameter, lr), RULES[name](lr)
    expected, worst = torch.zeros_like(gradients[0]), 0.0
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
        expected = expected + rule(gradient)
        gone = max(float(expected.abs().max()), lr)
        worst = max(worst, float((parameter.detach() - expected).abs().max()) / gone)
    return worst


def adam_start(steps: int, corrected: bool, noise: float = 0.0, seed: int = 0) -> list[float]:
    """Sizes of Adam's first steps in units of the learning rate, for a gradient around 1."""
    generator = torch.Generator().manual_seed(seed)
    rule = adam(1.0, corrected)
    sizes: list[float] = []
    for _ in range(steps):
        gradient = 1.0 + noise * torch.randn((), generator=generator, dtype=torch.float64)
        sizes.append(float(rule(gradient).abs()))
    return sizes


def uncorrected_start(step: int) -> float:
    """What theory says of it without noise: (1 - 0.9^t) / sqrt(1 - 0.999^t).

    >>> round(uncorrected_start(1), 3)
    3.162
    """
    return (1 - MOMENTUM**step) / math.sqrt(1 - SQUARE_DECAY**step)
