"""Layered layout of one level of a graph: who stands in which row, in which order, and where.

The rows (`plan`) depend on the edges only, the places (`place`) on sizes too; so a page that opens
and closes boxes repeats `place` alone. graph.js holds the same `place`: change both
(tests/report/test_graph_browser.py compares them).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

IN, OUT = -1, -2
"""Ends of an edge: the upper and the lower border of the box that is laid out."""
SWEEPS = 12
"""Passes down and up that order the rows; crossings stop falling after half as many."""
PLACINGS = 16
"""Passes that straighten the lines, down and up in turn."""
GAP_X, GAP_BEND = 26.0, 14.0
"""Between two boxes of a row; beside a line that passes through the row."""
GAP_Y, GAP_PORT = 42.0, 16.0
"""Below a row of boxes, whose numbers are written there; below a row without any."""


@dataclass
class Plan:
    """Rows of items: those below `count` are boxes, the others ports and bends of long edges."""

    count: int
    layers: list[list[int]]
    routes: list[list[int]]
    """Each edge as the items it passes, from its source to its target."""
    top: int = -1
    """The item where edges from above come in; -1: none do."""
    bottom: int = -1


@dataclass
class Size:
    """Extent of an item and where edges meet its upper and lower border, from its left."""

    width: float = 0.0
    height: float = 0.0
    enter: float = 0.0
    leave: float = 0.0


@dataclass
class Placed:
    """Left upper corners of all items, and the extent of them together."""

    xs: list[float]
    ys: list[float]
    width: float
    height: float
    rows: list[float] = field(default_factory=list[float])
    """Height of each row."""


def plan(count: int, edges: Sequence[tuple[int, int]]) -> Plan:
    """Rows for `count` boxes in topological order, with edges between them, IN and OUT.

    A box stands as high as the longest path to it allows; the order within rows keeps crossings
    few (barycentres, Sugiyama et al. 1981).

    >>> plan(2, [(IN, 0), (0, 1), (IN, 1), (1, OUT)]).layers
    [[2], [0, 4], [1], [3]]
    """
    edges = list(dict.fromkeys(edges))
    total = count
    top = bottom = -1
    if any(source == IN for source, _ in edges):
        top, total = total, total + 1
    if any(target == OUT for _, target in edges):
        bottom, total = total, total + 1
    ends = [(top if a == IN else a, bottom if b == OUT else b) for a, b in edges]
    ranks = _ranks(total, ends, top, bottom)
    layers: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for item in range(total):
        layers[ranks[item]].append(item)
    routes: list[list[int]] = []
    for source, target in ends:
        route = [source]
        for rank in range(ranks[source] + 1, ranks[target]):
            layers[rank].append(total)
            route.append(total)
            total += 1
        routes.append([*route, target])
    return Plan(count, _ordered(layers, routes, total), routes, top, bottom)


def _ranks(total: int, ends: list[tuple[int, int]], top: int, bottom: int) -> list[int]:
    ranks = [0] * total
    order = [top] * (top >= 0) + [i for i in range(total) if i not in (top, bottom)]
    after: list[list[int]] = [[] for _ in range(total)]
    entered = [False] * total
    for source, target in ends:
        after[source].append(target)
        entered[target] = True
    for item in order:
        for target in after[item]:
            ranks[target] = max(ranks[target], ranks[item] + 1)
    if bottom >= 0:
        ranks[bottom] = 1 + max((rank for i, rank in enumerate(ranks) if i != bottom), default=0)
    # What nothing leads to stands right above the first that takes it.
    for item in order:
        if not entered[item] and after[item] and item != top:
            ranks[item] = min(ranks[target] for target in after[item]) - 1
    return ranks


def neighbours(routes: Sequence[Sequence[int]], total: int) -> tuple[list[list[int]], ...]:
    """For each item those it is linked with in the row above, and in the row below."""
    above: list[list[int]] = [[] for _ in range(total)]
    below: list[list[int]] = [[] for _ in range(total)]
    for route in routes:
        for upper, lower in itertools.pairwise(route):
            above[lower].append(upper)
            below[upper].append(lower)
    return above, below


def _ordered(layers: list[list[int]], routes: list[list[int]], total: int) -> list[list[int]]:
    above, below = neighbours(routes, total)
    best, fewest = [list(layer) for layer in layers], crossings(layers, below)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        links = above if down else below
        for number in range(len(layers)) if down else range(len(layers) - 1, -1, -1):
            beside = number - 1 if down else number + 1
            if 0 <= beside < len(layers):
                layers[number] = _by_barycentre(layers[number], layers[beside], links)
        found = crossings(layers, below)
        if found < fewest:
            best, fewest = [list(layer) for layer in layers], found
    return best


def _by_barycentre(layer: list[int], beside: list[int], links: list[list[int]]) -> list[int]:
    at = {item: float(index) for index, item in enumerate(beside)}
    keys: dict[int, float] = {}
    for index, item in enumerate(layer):
        linked = [at[other] for other in links[item] if other in at]
        keys[item] = sum(linked) / len(linked) if linked else float(index)
    return sorted(layer, key=lambda item: keys[item])


def crossings(layers: list[list[int]], below: list[list[int]]) -> int:
    """How often links between neighbouring rows cross."""
    number = 0
    for upper, lower in itertools.pairwise(layers):
        at = {item: index for index, item in enumerate(lower)}
        lines = [(i, at[t]) for i, item in enumerate(upper) for t in below[item] if t in at]
        number += sum(
            (a - c) * (b - d) < 0 for k, (a, b) in enumerate(lines) for c, d in lines[k + 1 :]
        )
    return number


def place(plan: Plan, sizes: Sequence[Size]) -> Placed:
    """Places for items of these sizes (ports and bends have none): lines as straight as can be."""
    total = 1 + max((item for layer in plan.layers for item in layer), default=-1)
    sizes = [*sizes, *(Size() for _ in range(total - len(sizes)))]
    xs, ys = [0.0] * total, [0.0] * total
    rows: list[float] = []
    y = 0.0
    for layer in plan.layers:
        height = max(sizes[item].height for item in layer)
        rows.append(height)
        for item in layer:
            ys[item] = y + (height - sizes[item].height) / 2
        y += height + (GAP_Y if height else GAP_PORT)
    above, below = neighbours(plan.routes, total)
    for layer in plan.layers:
        _spread(layer, xs, sizes, plan.count)
    chains = _chains(above, below)
    for turn in range(PLACINGS):
        for layer in plan.layers if turn % 2 == 0 else reversed(plan.layers):
            _pull(layer, xs, sizes, (above, below), turn)
            _spread(layer, xs, sizes, plan.count)
        if turn % 2:
            _straighten(chains, xs, sizes)
            for layer in plan.layers:
                _spread(layer, xs, sizes, plan.count)
    left = min(xs, default=0.0)
    xs = [x - left for x in xs]
    width = max((x + size.width for x, size in zip(xs, sizes)), default=0.0)
    last = GAP_Y if rows and rows[-1] else GAP_PORT
    return Placed(xs, ys, width, max(0.0, y - last), rows)


def _pull(
    layer: list[int],
    xs: list[float],
    sizes: Sequence[Size],
    links: tuple[list[list[int]], list[list[int]]],
    turn: int,
) -> None:
    """Move each item to where its lines would be straight, whatever stands there."""
    above, below = links
    last = turn >= PLACINGS - 2
    for item in layer:
        wanted: list[float] = []
        if turn % 2 == 0 or last:
            wanted += [xs[o] + sizes[o].leave - sizes[item].enter for o in above[item]]
        if turn % 2 == 1 or last:
            wanted += [xs[o] + sizes[o].enter - sizes[item].leave for o in below[item]]
        if wanted:
            xs[item] = sum(wanted) / len(wanted)


def _chains(above: list[list[int]], below: list[list[int]]) -> list[list[int]]:
    """Stretches where each item has one follower, and that one no other before it."""
    after = {i: b[0] for i, b in enumerate(below) if len(b) == 1 == len(above[b[0]])}
    inner = set(after.values())
    chains: list[list[int]] = []
    for item in sorted(set(after) - inner):
        chain = [item]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        chains.append(chain)
    return chains


def _straighten(chains: list[list[int]], xs: list[float], sizes: Sequence[Size]) -> None:
    """Put the items of each chain below each other, in the middle of where they were."""
    for chain in chains:
        offsets = [0.0]
        for upper, lower in zip(chain, chain[1:]):  # noqa: RUF007
            offsets.append(offsets[-1] + sizes[upper].leave - sizes[lower].enter)
        middle = sum(xs[item] - shift for item, shift in zip(chain, offsets)) / len(chain)
        for item, shift in zip(chain, offsets):
            xs[item] = middle + shift


def _spread(layer: list[int], xs: list[float], sizes: Sequence[Size], count: int) -> None:
    """Part what overlaps, moving all as little as possible (isotonic regression)."""
    offset, offsets = 0.0, [0.0]
    for item, other in itertools.pairwise(layer):
        offset += sizes[item].width + (GAP_X if max(item, other) < count else GAP_BEND)
        offsets.append(offset)
    blocks: list[tuple[float, int]] = []
    for item, shift in zip(layer, offsets):
        mean, number = xs[item] - shift, 1
        while blocks and blocks[-1][0] > mean:
            other, size = blocks.pop()
            mean, number = (mean * number + other * size) / (number + size), number + size
        blocks.append((mean, number))
    at = [mean for mean, number in blocks for _ in range(number)]
    for item, shift, mean in zip(layer, offsets, at):
        xs[item] = mean + shift
