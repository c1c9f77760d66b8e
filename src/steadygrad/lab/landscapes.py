"""Three landscapes for optimisers: a ravine, a saddle and a bowl seen through noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from steadygrad.lab.update_rules import MOMENTUM, library_optimizer

Landscape = Callable[[Tensor], Tensor]
TOO_HIGH = 1e3  # times the start's height: the walk is given up as diverging


@dataclass(frozen=True)
class Path:
    """Where an optimiser went: (T + 1, 2) points, heights, the first step that was far enough."""

    optimizer: str
    lr: float
    points: np.ndarray
    heights: list[float]
    arrived: int | None


def ravine(condition: float) -> Landscape:
    """(x^2 + condition y^2) / 2: steep across, flat along; minimum 0 at the origin."""
    return lambda at: 0.5 * (at[0].square() + condition * at[1].square())


def rotated(landscape: Landscape, degrees: float = 45.0) -> Landscape:
    """The same landscape with its axes turned."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = torch.tensor([[cosine, sine], [-sine, cosine]], dtype=torch.float64)
    return lambda at: landscape(turn @ at)


def saddle(at: Tensor) -> Tensor:
    """(x^2 - y^2) / 2 + y^4 / 4: a saddle at the origin, height 0; minima of -1/4 at y = ±1."""
    return 0.5 * (at[0].square() - at[1].square()) + 0.25 * at[1] ** 4


def walk(
    name: str,
    lr: float,
    landscape: Landscape,
    start: tuple[float, float],
    target: float,
    steps: int,
) -> Path:
    """Follow the library's optimiser until the height is below `target`, or `steps` are over."""
    at = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = library_optimizer(name, at, lr)
    points, heights = [at.detach().numpy().copy()], [float(landscape(at).detach())]
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        landscape(at).backward()
        optimizer.step()
        height = float(landscape(at).detach())
        points.append(at.detach().numpy().copy())
        heights.append(height)
        if not height < TOO_HIGH * max(heights[0], 1.0) or height <= target:
            return Path(name, lr, np.array(points), heights, step if height <= target else None)
    return Path(name, lr, np.array(points), heights, None)


def best_walk(
    name: str,
    rates: tuple[float, ...],
    landscape: Landscape,
    start: tuple[float, float],
    target: float,
    steps: int,
) -> Path:
    """The walk that arrives first, over all the rates; if none does, the one that ends lowest."""
    found: list[Path] = []
    for lr in sorted(rates, reverse=True):
        path = walk(name, lr, landscape, start, target, steps)
        found.append(path)
        steps = path.arrived or steps  # who needs more need not be followed
    return min(found, key=lambda path: (path.arrived or math.inf, path.heights[-1]))


def decay_factor(path: Path, skip: int) -> float:
    """The factor a step leaves of the distance, from the slope of the height's logarithm."""
    steps = np.arange(len(path.heights))[skip:]
    slope = np.polyfit(steps, np.log(path.heights[skip:]), 1)[0]
    return math.exp(slope / 2)  # heights go with the distance squared


def best_sgd_rate(condition: float) -> float:
    """2 / (1 + condition): both directions then shrink alike, by (k - 1) / (k + 1) a step.

    >>> best_sgd_rate(3.0)
    0.5
    """
    return 2.0 / (1.0 + condition)


def sgd_steps(condition: float, share: float) -> float:
    """Steps until the height is `share` of the start's, by that factor."""
    return math.log(share) / (2 * math.log((condition - 1) / (condition + 1)))


def heavy_ball_factor(condition: float, lr: float, momentum: float = MOMENTUM) -> float:
    """The factor a step of momentum leaves of the slowest direction, in the long run.

    The largest root of z^2 - (1 + momentum - lr h) z + momentum over the curvatures h = 1 and
    `condition` (Polyak 1964); sqrt(momentum) where the roots are complex.
    """
    factors: list[float] = []
    for curvature in (1.0, condition):
        middle = 1.0 + momentum - lr * curvature
        roots = np.roots([1.0, -middle, momentum])
        factors.append(float(np.abs(roots).max()))
    return max(factors)


def bowl(at: Tensor) -> Tensor:
    """(x^2 + y^2) / 2: as steep in every direction."""
    return 0.5 * at.square().sum(0)


def noisy_walk(
    name: str, lr: float, start: tuple[float, float], near: float, steps: int, seed: int
) -> Path:
    """Follow the optimiser through the bowl with N(0, 1) on every gradient, for all `steps`.

    It arrives where the distance from the minimum is first under `near`, and goes on.
    """
    generator = torch.Generator().manual_seed(seed)
    at = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = library_optimizer(name, at, lr)
    points = [at.detach().numpy().copy()]
    for _ in range(steps):
        at.grad = at.detach() + torch.randn(2, generator=generator, dtype=torch.float64)
        optimizer.step()
        points.append(at.detach().numpy().copy())
    distances = np.linalg.norm(points, axis=1)
    inside = np.flatnonzero(distances < near)
    heights = [float(height) for height in distances**2 / 2]
    return Path(name, lr, np.array(points), heights, int(inside[0]) if len(inside) else None)


@torch.no_grad()
def noisy_spread(name: str, lr: float, noise: float, chains: int, steps: int, seed: int) -> float:
    """Variance around the minimum of x^2 / 2 after `steps` with gradients x + N(0, noise^2)."""
    generator = torch.Generator().manual_seed(seed)
    at = nn.Parameter(torch.zeros(chains, dtype=torch.float64))
    optimizer = library_optimizer(name, at, lr)
    for _ in range(steps):
        wobble = torch.randn(chains, generator=generator, dtype=torch.float64)
        at.grad = at.detach() + noise * wobble
        optimizer.step()
    return float(at.square().mean())


def predicted_spread(lr: float, noise: float, momentum: float = 0.0) -> float:
    """The same in theory: lr noise^2 (1 + m) / ((1 - m) (2 (1 + m) - lr)), m being the momentum.

    The stationary variance of the two-term recursion; without momentum lr noise^2 / (2 - lr).

    >>> round(predicted_spread(0.1, 1.0), 4)
    0.0526
    """
    return lr * noise**2 * (1 + momentum) / ((1 - momentum) * (2 * (1 + momentum) - lr))
