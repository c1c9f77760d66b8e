"""The graph of a network drawn: modules as boxes in boxes, numbers on edges, levels in colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from steadygrad.record import Graph, LayerSignals, Parameter
from steadygrad.report.graph_box import LEVEL_WORDS, Box
from steadygrad.report.graph_layout import Placed, Plan, Size, place, plan
from steadygrad.report.graph_shapes import (
    Curve,
    Drawing,
    Rectangle,
    Shape,
    Words,
    between,
    svg,
    text_width,
)
from steadygrad.report.graph_tree import tree
from steadygrad.report.graph_words import MARKS, flow, heading, lines, tip
from steadygrad.report.markup import Html, data_script, tag, visible
from steadygrad.report.words import plural, short_count

PADDING, HEADING = 16.0, 26.0
CARD_HEIGHT, CARD_LINE, STRIPE = 43.0, 15.0, 6.0
"""A card of two lines, what a third adds, and the bar at its left that shows the level."""
STRAIGHT = 20.0
"""An edge goes straight down for so long: the numbers stand beside it."""
MARGIN, LEGEND = 24.0, 56.0
NARROWEST = 800.0
"""Room for the legend."""
MANY = 40
"""Cards a picture opens to by itself, at most; more are one click away."""


@dataclass
class Laid:
    """A box with its size, and those inside it with their places."""

    box: Box
    size: Size
    plan: Plan | None = None
    placed: Placed | None = None
    inside: list[Laid] = field(default_factory=list["Laid"])
    shift: float = 0.0
    """Of what is inside from the box's left."""


def draw(
    graph: Graph,
    signals: Iterable[LayerSignals] = (),
    parameters: Sequence[Parameter] = (),
    model: str = "",
) -> Html:
    """The graph as a figure for a page: a picture at once, boxes that open where graph.js runs.

    `parameters` and `model` (the first of `Loop.models`) come from the Record's `loop`.
    """
    return figure(tree(graph, signals, parameters, model))


def figure(root: Box, depth: int | None = None) -> Html:
    """The boxes as a figure, opened `depth` levels deep."""
    depth = default_depth(root) if depth is None else depth
    name = f"Computational graph of {visible(root.title)}"
    return tag(
        "figure",
        _legend_list(),
        tag("div", class_="graph-tools"),
        tag("div", picture(root, depth), class_="graph-view"),
        data_script(_plain(root, depth), class_="graph-data"),
        class_="graph card",
        aria_label=name,
    )


def _legend_list() -> Html:
    rows = [tag("li", "std of what flows", class_="value")]
    rows.append(tag("li", "∇ RMS of its gradient", class_="gradient"))
    for level in (-2, -1, 1, 2, 3):
        words = f"{MARKS[level]} {LEVEL_WORDS[level]}"
        rows.append(tag("li", tag("span"), words, class_=f"level{level}"))
    return tag("ul", *rows, class_="graph-legend")


def picture(root: Box, depth: int | None = None) -> Html:
    """The boxes as one static SVG."""
    return svg(drawing(root, depth), f"Computational graph of {visible(root.title)}")


def drawing(root: Box, depth: int | None = None) -> Drawing:
    """The boxes as shapes, opened `depth` levels deep (None: as deep as stays readable)."""
    laid = _lay(root, default_depth(root) if depth is None else depth, outermost=True)
    width = max(laid.size.width + 2 * MARGIN, NARROWEST)
    height = laid.size.height + 2 * MARGIN + LEGEND
    left = (width - laid.size.width) / 2
    shapes = [*_legend(root), *_inside(laid, left, MARGIN + LEGEND)]
    return Drawing(width, height, shapes)


def default_depth(root: Box) -> int:
    """The deepest level that shows at most MANY cards, and at least one level.

    >>> default_depth(Box("g", "", "module", children=[Box("a", "a", "operation")]))
    1
    """
    depth = 1
    while _cards(root, depth) < _cards(root, depth + 1) <= MANY:
        depth += 1
    return depth


def _cards(box: Box, depth: int) -> int:
    if not depth or not box.children:
        return 1
    return sum(_cards(child, depth - 1) for child in box.children)


def card_width(box: Box) -> float:
    """Pixels a closed card needs."""
    title, *below = lines(box)
    words = max(text_width(title, 13.5) + 26, *(text_width(line, 11) for line in below))
    return max(100.0, words + 30, text_width("   ".join(flow(box)), 10.5) + 16)


def card_height(box: Box) -> float:
    """Pixels of a closed card: two lines or three."""
    return CARD_HEIGHT + CARD_LINE * (len(lines(box)) - 2)


def _lay(box: Box, depth: int, outermost: bool = False) -> Laid:
    if not depth or not box.children:
        width = card_width(box)
        return Laid(box, Size(width, card_height(box), width / 2, width / 2))
    inside = [_lay(child, depth - 1) for child in box.children]
    rows = plan(len(inside), box.edges)
    placed = place(rows, [laid.size for laid in inside])
    if outermost:
        return Laid(box, Size(placed.width, placed.height), rows, placed, inside)
    width = max(placed.width + 2 * PADDING, text_width(heading(box), 12.5) + 40)
    shift = (width - placed.width) / 2
    enter = shift + placed.xs[rows.top] if rows.top >= 0 else width / 2
    leave = shift + placed.xs[rows.bottom] if rows.bottom >= 0 else width / 2
    size = Size(width, placed.height + HEADING + PADDING, enter, leave)
    return Laid(box, size, rows, placed, inside, shift)


def _inside(laid: Laid, x: float, y: float) -> Iterator[Shape]:
    """Shapes of all that is inside an open box whose contents begin at (x, y)."""
    if laid.plan is None or laid.placed is None:
        return
    at = [(x + a, y + b) for a, b in zip(laid.placed.xs, laid.placed.ys)]
    yield from _edges(laid, at)
    for child, (left, top) in zip(laid.inside, at):
        yield from _card(child, left, top) if child.plan is None else _frame(child, left, top)
    for child, (left, top) in zip(laid.inside, at):
        if child.plan is None:  # an open module's last operation says it already
            yield from _flow(child, left, top)


def _edges(laid: Laid, at: list[tuple[float, float]]) -> Iterator[Shape]:
    rows, placed = laid.plan, laid.placed
    assert rows is not None
    assert placed is not None
    heights = {item: height for row, height in zip(rows.layers, placed.rows) for item in row}
    for route, level in zip(rows.routes, laid.box.edge_levels):
        points: list[tuple[float, float, float]] = []
        for item in route:
            left, top = at[item]
            if item < rows.count:
                size = laid.inside[item].size
                end = item == route[-1]
                across = left + (size.enter if end else size.leave)
                foot = top + size.height
                points.append((across, top, top) if end else (across, foot, foot + STRAIGHT))
            elif item == rows.top:
                points.append((left, top - HEADING, top))
            elif item == rows.bottom:
                points.append((left, top, top + PADDING))
            else:
                points.append((left, top - heights[item] / 2, top + heights[item] / 2))
        yield Curve(
            between(points),
            f"level{level}" if level else "edge",
            2.6 if level else 1.6,
            arrow=route[-1] < rows.count,
        )


def _card(laid: Laid, x: float, y: float) -> Iterator[Shape]:
    box, size = laid.box, laid.size
    fill = {"input": "input", "module": "module"}.get(box.kind, "card")
    title, *below = lines(box)
    yield Rectangle(x, y, size.width, size.height, fill, "line")
    yield Rectangle(x, y, STRIPE, size.height, f"level{box.level}", radius=3)
    yield Words(x + 16, y + 20, title, size=13.5, bold=True)
    for number, line in enumerate(below):
        yield Words(x + 16, y + 35 + CARD_LINE * number, line, "soft", 11)
    if box.kind == "module":
        yield Words(x + size.width - 10, y + 19, "+", "soft", 14, "end")


def _frame(laid: Laid, x: float, y: float) -> Iterator[Shape]:
    size = laid.size
    yield Rectangle(x, y, size.width, size.height, "open", "line")
    yield Rectangle(x, y, STRIPE, size.height, f"level{laid.box.level}", radius=3)
    yield from _inside(laid, x + laid.shift, y + HEADING)
    yield Words(x + 16, y + 18, heading(laid.box), "soft", 12.5, bold=True, halo=True)


def _flow(laid: Laid, x: float, y: float) -> Iterator[Shape]:
    """The numbers on the edge that leaves a box, right below it."""
    box = laid.box
    forward, backward = flow(box)
    across, below = x + laid.size.leave, y + laid.size.height + 14
    if forward:
        words = f"{forward} {MARKS[box.leaving[0]]}".strip()
        yield Words(across - 6, below, words, "value", 10.5, "end", halo=True)
    if backward:
        words = f"{backward} {MARKS[box.leaving[1]]}".strip()
        yield Words(across + 6, below, words, "gradient", 10.5, halo=True)


def _legend(root: Box) -> Iterator[Shape]:
    total = f"{short_count(root.parameters)} parameters · {plural(root.operations, 'operation')}"
    yield Words(MARGIN, 26, visible(root.title), size=16, bold=True)
    yield Words(MARGIN + text_width(root.title, 16) + 26, 26, total, "soft", 12)
    yield Words(MARGIN, 46, "std of what flows", "value", 11)
    x = MARGIN + text_width("std of what flows", 11) + 12
    yield Words(x, 46, "∇ RMS of its gradient", "gradient", 11)
    x += text_width("∇ RMS of its gradient", 11) + 12
    for level in (-2, -1, 1, 2, 3):
        words = f"{MARKS[level]} {LEVEL_WORDS[level]}"
        yield Rectangle(x, 36, 12, 12, f"level{level}", radius=2)
        yield Words(x + 17, 46, words, "soft", 11)
        x += text_width(words, 11) + 32


def _plain(box: Box, depth: int) -> dict[str, Any]:
    """A box for the page's script: what it says, its rows, which are open."""
    forward, backward = flow(box)
    value: dict[str, Any] = {
        "key": box.key,
        "kind": box.kind,
        "lines": lines(box),
        "height": card_height(box),
        "heading": heading(box),
        "headingWidth": text_width(heading(box), 12.5) + 40,
        "width": card_width(box),
        "level": box.level,
        "flow": [
            f"{forward} {MARKS[box.leaving[0]]}".strip() if forward else "",
            f"{backward} {MARKS[box.leaving[1]]}".strip() if backward else "",
        ],
        "tip": tip(box),
    }
    if box.children:
        rows = plan(len(box.children), box.edges)
        value |= {"children": [_plain(child, depth - 1) for child in box.children]}
        value |= {"open": depth > 0, "layers": rows.layers, "routes": rows.routes}
        value |= {"levels": box.edge_levels, "name": visible(box.title)}
        value |= {"top": rows.top, "bottom": rows.bottom}
    return value
