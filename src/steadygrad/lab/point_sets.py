"""Point sets that no straight line parts, and the best that a line can do on them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steadygrad.errors import InputError

NUM_ANGLES = 360
MODES = ((-0.6, -0.5), (0.6, -0.4), (0.0, 0.6))
MODE_RADIUS = 0.28
RING = (0.4, 0.8)
"""Radii between which the ring lies: one to two, as the lecture draws it, on a square of side 5."""


@dataclass(frozen=True)
class Line:
    """The straight line x cos a + y sin a = offset, and the share of points it gets right."""

    right: float
    angle: float
    offset: float


def quadrants(points: Tensor) -> Tensor:
    """Class 1 in the first and third quadrant, XOR of the signs: distance from the border."""
    return points.prod(dim=1).sign() * points.abs().min(dim=1).values


def ring(points: Tensor) -> Tensor:
    """Class 1 between two circles: distance from the border, negative outside."""
    radius = points.norm(dim=1)
    return torch.minimum(radius - RING[0], RING[1] - radius)


def three_modes(points: Tensor) -> Tensor:
    """Class 1 inside three discs: distance from the border, negative outside."""
    return MODE_RADIUS - torch.cdist(points, torch.tensor(MODES)).min(dim=1).values


CASES = {"quadrants": quadrants, "ring": ring, "three modes": three_modes}


def draw_points(name: str, values: dict[str, Any], salt: int) -> tuple[Tensor, Tensor]:
    """Points uniform on the square from -1 to 1, none nearer to the border than the margin."""
    generator = torch.Generator().manual_seed(2 * values["seed"] + salt)
    points = torch.rand(3 * values["num_points"], 2, generator=generator) * 2 - 1
    distance = CASES[name](points)
    kept = (distance.abs() >= values["margin"]).nonzero()[: values["num_points"], 0]
    labels = (distance[kept] > 0).long()
    if len(labels.unique()) < 2:
        raise InputError(
            f"--margin is {values['margin']:g}: it leaves no points of one class; expected less."
        )
    return points[kept], labels


def quadrants_bound(margin: float) -> float:
    """The best a line can do on the quadrants: 2/3 without a margin.

    The line x + y = c gives up a triangle of side c - 2 m in one quadrant and wins triangles of
    side 1 - c - m in two; the sum is best at c = 2/3, whatever the margin m.
    """
    return 0.75 * (1 - ((1 / 3 - margin) / (1 - margin)) ** 2)


def best_line(points: Tensor, labels: Tensor) -> Line:
    """The best straight line: every offset at 360 angles, both sides tried."""
    best = Line(0.0, 0.0, 0.0)
    signs = np.where(labels.numpy() == 1, 1, -1)
    for angle in np.arange(NUM_ANGLES) * math.pi / NUM_ANGLES:
        along = points.numpy() @ np.array([math.cos(angle), math.sin(angle)])
        order = np.argsort(along)
        # After the k-th point the line has won every 1 below it and every 0 above it.
        won = np.concatenate([[0], np.cumsum(signs[order])])
        right = (won + (signs == -1).sum()) / len(signs)
        place = int(np.maximum(right, 1 - right).argmax())
        share = float(max(right[place], 1 - right[place]))
        if share > best.right:
            best = Line(share, float(angle), float(along[order[max(0, place - 1)]]))
    return best
