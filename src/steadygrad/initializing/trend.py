"""How a size changes through depth: a straight line through its logarithm."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from itertools import pairwise

SMALL_HEAD = 1 / 3
"""Step to the last layer by the median step before it, under which the head starts small on purpose
(as in rule init-scale): `auto` makes the logits a tenth of the features."""


@dataclass(frozen=True)
class Trend:
    """A size that changes by the same factor from layer to layer, fitted to its logarithm."""

    factor: float
    layers: int
    r_squared: float
    """Share of the logarithm's variance that the straight line explains."""

    @property
    def total(self) -> float:
        """The factor over all layers."""
        return math.exp(min(700.0, math.log(self.factor) * (self.layers - 1)))


def fit(sizes: list[float]) -> Trend | None:
    """The straight line through the logarithms; layers that nothing reaches are left out."""
    points = [(i, math.log(s)) for i, s in enumerate(sizes) if 0.0 < s < math.inf]
    if len(points) < 3:
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points)
    slope /= sum((x - mean_x) ** 2 for x, _ in points)
    total = sum((y - mean_y) ** 2 for _, y in points)
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    return Trend(math.exp(slope), len(sizes), 1.0 - rest / total if total > 0 else 1.0)


def starts_small(sizes: list[float]) -> bool:
    """Whether the last of them falls from the one before as none does between the others."""
    last, carrying = sizes[-1:], [size for size in sizes[:-1] if 0 < size < math.inf]
    steps = [after / before for before, after in pairwise([*carrying, *last])]
    return len(steps) > 1 and steps[-1] < SMALL_HEAD * min(1.0, statistics.median(steps[:-1]))
