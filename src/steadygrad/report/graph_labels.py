"""Where the numbers of an edge stand, so that those of edges that cross can all be read."""

from __future__ import annotations

Spot = tuple[float, float, float]
"""Middle of an edge's numbers and half their width."""
LONGEST_ON_LINE = 8
"""Characters of a number that a rim alone keeps readable on a line."""
HEIGHT = 36.0
"""Of the two lines on an edge."""
ALONG = (0.5, 0.65, 0.8, 0.9, 1.0, 0.35, 0.2)
"""Where on an edge its numbers may stand, the best first; lines of one source part further on."""


def free_spot(
    start: tuple[float, float], end: tuple[float, float], half: float, taken: list[Spot]
) -> tuple[float, float]:
    """Middle of the numbers, `half` of them wide to each side, on an edge that bends from `start`
    to `end`, where they cover least of those in `taken`; they are put there.

    >>> taken = []
    >>> free_spot((0, 0), (100, 0), 10, taken), free_spot((0, 0), (100, 80), 10, taken)[1] > 30
    ((46.0, 0.0), True)
    """
    wide, high = end[0] - start[0], end[1] - start[1]
    middle, room = (start[0] + end[0]) / 2 - 4, max(0.0, wide / 2 - half)
    spots: list[Spot] = []
    for t in ALONG:
        x = start[0] + wide * (1.5 * t * (1 - t) + t**3) - 4
        y = start[1] + high * t * t * (3 - 2 * t)
        spots.append((min(max(x, middle - room), middle + room), y, half))
    best = min(spots, key=lambda spot: sum(_overlap(spot, other) for other in taken))
    taken.append(best)
    return best[:2]


def _overlap(one: Spot, other: Spot) -> float:
    across = one[2] + other[2] - abs(one[0] - other[0])
    return max(0.0, across) * max(0.0, HEIGHT - abs(one[1] - other[1]))
