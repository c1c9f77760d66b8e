"""The graph of an expression: value and gradient on every edge, local gradients at every node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, cast

from steadygrad.report.graph_labels import LONGEST_ON_LINE, Spot, free_spot
from steadygrad.report.graph_layout import OUT, Placed, Plan, Size, place, plan
from steadygrad.report.graph_shapes import (
    Curve,
    Drawing,
    Rectangle,
    Shape,
    Words,
    between,
    text_width,
)
from steadygrad.report.words import shorten

MARGIN, HEADING = 30.0, 64.0
COLUMN = 72.0
"""Between two columns, beside what the layout leaves: the numbers of an edge stand there."""
APART = 50.0
"""Between two edges from one node to another, with their numbers."""
LONGEST = 26


@dataclass
class Node:
    """A variable, a constant or an operation."""

    kind: str
    """"variable", "constant" or "operation"."""
    label: str
    text: str
    """The part of the expression it computes."""
    name: str
    """It was given; empty where it has none."""
    value: Any
    """A number or nested lists of numbers."""
    gradient: Any
    """Of the last value by this one; None for constants."""


@dataclass
class Edge:
    """One argument of an operation."""

    source: int
    target: int
    gradient: Any
    """The part of the source's gradient that comes back along this edge."""
    local: Any
    """Derivative of the operation by this argument: a number, a diagonal or a Jacobian."""


@dataclass
class Expression:
    """All nodes in the order they are computed, the result last."""

    text: str
    result: str
    """Name of the last value."""
    nodes: list[Node]
    edges: list[Edge]
    note: str = ""

    def gradients(self) -> dict[str, Any]:
        """Variable → gradient of the last value by it."""
        return {node.name: node.gradient for node in self.nodes if node.kind == "variable"}

    def to_dict(self) -> dict[str, Any]:
        """As `--json` writes it."""
        value = self.nodes[-1].value
        return asdict(self) | {"value": value, "gradients": self.gradients()}


def number_text(value: Any, digits: int = 4) -> str:
    """A value in a few digits: lists in brackets, cut where they are long.

    >>> number_text(-12.0), number_text([1.0, 0.5]), number_text([[1.0, 2.0], [3.0, 4.0]])
    ('-12', '[1, 0.5]', '[[1, 2], [3, 4]]')
    """
    if value is None:
        return "–"
    if isinstance(value, list):
        items = [number_text(item, digits) for item in cast("list[Any]", value)]
        kept = items if len(items) <= 4 else [*items[:2], "…", items[-1]]
        return f"[{', '.join(kept)}]"
    return f"{float(value) + 0.0:.{digits}g}"


def short_name(node: Node) -> str:
    """What a person calls a node: its name, or the text it computes."""
    return node.name or shorten(node.text, LONGEST)


def text(graph: Expression) -> str:
    """The graph as lines of text: each node with value, gradient and local gradients."""
    rows = [("node", "value", f"∂{graph.result}/∂node", "local gradients")]
    for number, node in enumerate(graph.nodes):
        title = short_name(node)
        if node.name and node.kind == "operation":
            title = f"{node.name} = {shorten(node.text, LONGEST)}"
        local = ", ".join(
            f"∂/∂{_inner(graph.nodes[e.source])} = {number_text(e.local)}"
            for e in graph.edges
            if e.target == number and e.gradient is not None
        )
        rows.append((title, number_text(node.value), number_text(node.gradient), local))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        "  ".join([*(word.ljust(width) for word, width in zip(row, widths)), row[3]]).rstrip()
        for row in rows
    ]
    found = [f"∂{graph.result}/∂{n} = {number_text(g)}" for n, g in graph.gradients().items()]
    return "\n".join([*lines, "", ", ".join(found), *([graph.note] if graph.note else [])])


def _inner(node: Node) -> str:
    name = short_name(node)
    return name if name.isidentifier() or node.kind != "operation" else f"({name})"


def drawing(graph: Expression) -> Drawing:
    """The graph from left to right: values in blue above each edge, gradients in orange below."""
    sizes = [_size(graph, number) for number in range(len(graph.nodes))]
    edges = [(e.source, e.target) for e in graph.edges]
    rows = plan(len(sizes), [*edges, (len(sizes) - 1, OUT)])
    # The layout goes down; here it goes to the right, so width and height change places.
    turned = [Size(s.height + 30, s.width, (s.height + 30) / 2, (s.height + 30) / 2) for s in sizes]
    placed = place(rows, turned)
    columns = _columns(graph, rows, placed)
    at = [
        (
            columns[_row_of(rows, i)] + (placed.rows[_row_of(rows, i)] - s.width) / 2,
            placed.xs[i] + 15,
        )
        for i, s in enumerate(sizes)
    ]
    shapes: list[Shape] = [Words(MARGIN, 28, shorten(graph.text, 100), size=16, bold=True)]
    shapes += [
        Words(MARGIN, 48, "value forward", "value", 11.5),
        Words(MARGIN + 92, 48, "gradient backward", "gradient", 11.5),
        Words(MARGIN + 212, 48, f"∂/∂…  local gradient at a node   {graph.note}", "soft", 11.5),
    ]
    at = [(x + MARGIN, y + HEADING) for x, y in at]
    columns = [x + MARGIN for x in columns]
    shapes += _edges(graph, (rows, placed, columns), sizes, at)
    for number, (x, y) in enumerate(at):
        shapes += _card(graph, number, sizes[number], x, y)
    end = columns[-1] + _result_width(graph)
    width = max(end + MARGIN, text_width(graph.text[:100], 16) + 2 * MARGIN, 620.0)
    return Drawing(width, placed.width + HEADING + MARGIN, shapes)


def _row_of(rows: Plan, item: int) -> int:
    return next(number for number, row in enumerate(rows.layers) if item in row)


def _result_width(graph: Expression) -> float:
    last = graph.nodes[-1]
    return max(text_width(number_text(v), 12) for v in (last.value, last.gradient)) + 20


def _columns(graph: Expression, rows: Plan, placed: Placed) -> list[float]:
    """Left side of each column: between two there is room for the widest numbers there."""
    starts, x = [0.0], 0.0
    for number, row in enumerate(rows.layers[:-1]):
        widest = 0.0
        for edge in graph.edges:
            if edge.source in row:
                words = (number_text(graph.nodes[edge.source].value), number_text(edge.gradient))
                widest = max(widest, *(text_width(word, 12) for word in words))
        x += placed.rows[number] + max(COLUMN, widest + 36)
        starts.append(x)
    return starts


def _local_lines(graph: Expression, number: int) -> list[str]:
    return [
        f"∂/∂{shorten(_inner(graph.nodes[e.source]), 18)} = {shorten(number_text(e.local), 34)}"
        for e in graph.edges
        if e.target == number and e.gradient is not None
    ]


def _size(graph: Expression, number: int) -> Size:
    node, lines = graph.nodes[number], _local_lines(graph, number)
    title = _title(node)
    width = max(text_width(title, 15), *(text_width(line, 11) for line in lines), 26.0) + 26
    height = 34.0 + 16 * len(lines)
    sources = [e.source for e in graph.edges if e.target == number]
    if len(set(sources)) < len(sources):  # x * x: the numbers of both edges need room
        height = max(height, APART * (len(sources) + 1))
    return Size(width, height)


def _title(node: Node) -> str:
    if node.kind == "operation":
        return f"{node.name} = {node.label}" if node.name else node.label
    return node.label


def _card(graph: Expression, number: int, size: Size, x: float, y: float) -> Iterator[Shape]:
    node = graph.nodes[number]
    fill = {"variable": "input", "constant": "module"}.get(node.kind, "card")
    yield Rectangle(x, y, size.width, size.height, fill, "line", radius=10)
    middle = x + size.width / 2
    yield Words(middle, y + 22, _title(node), size=15, anchor="middle", bold=True)
    for row, line in enumerate(_local_lines(graph, number)):
        yield Words(middle, y + 40 + 16 * row, line, "soft", 11, "middle")


def _edges(
    graph: Expression,
    layout: tuple[Plan, Placed, list[float]],
    sizes: list[Size],
    at: list[tuple[float, float]],
) -> Iterator[Shape]:
    rows, placed, columns = layout
    routes = {(route[0], route[-1]): route for route in rows.routes}
    arriving: dict[int, int] = {}
    taken: list[Spot] = []
    total = {n: sum(e.target == n for e in graph.edges) for n in range(len(sizes))}
    order = sorted(graph.edges, key=lambda e: placed.xs[routes[e.source, e.target][-2]])
    for edge in order:
        # Edges meet a node one below the other: x * x has two.
        place_in = arriving[edge.target] = arriving.get(edge.target, 0) + 1
        share = place_in / (total[edge.target] + 1)
        x, y = at[edge.target]
        end = (x, y + sizes[edge.target].height * share)
        yield from _edge(
            graph, edge, routes[edge.source, edge.target], (layout, sizes, at, end, taken)
        )
    last = graph.nodes[-1]
    x, y = at[-1][0] + sizes[-1].width, at[-1][1] + sizes[-1].height / 2
    stop = columns[-1] + _result_width(graph)
    yield Curve([(x, y), (x, y), ((x + stop) / 2, y), (stop, y)], "edge", arrow=True)
    yield from _numbers((x + stop - 8) / 2, y, last.value, last.gradient)


def _edge(graph: Expression, edge: Edge, route: list[int], where: Any) -> Iterator[Shape]:
    (rows, placed, columns), sizes, at, end, taken = where
    x, y = at[edge.source]
    start = (x + sizes[edge.source].width, y + sizes[edge.source].height / 2)
    points = [(start[1], start[0], start[0])]
    for item in route[1:-1]:
        number = _row_of(rows, item)
        left = columns[number]
        points.append((placed.xs[item] + HEADING, left, left + placed.rows[number]))
    points.append((end[1], end[0], end[0]))
    yield Curve([(b, a) for a, b in between(points)], "edge", arrow=True)
    # In the gap before the target, where edges of one source have parted.
    before = route[-2]
    from_x = start[0] if before == edge.source else columns[_row_of(rows, before)]
    from_x = max(
        from_x, columns[_row_of(rows, route[-1]) - 1] + placed.rows[_row_of(rows, route[-1]) - 1]
    )
    from_y = start[1] if before == edge.source else placed.xs[before] + HEADING
    texts = (graph.nodes[edge.source].value, edge.gradient)
    half = max(text_width(number_text(text), 12) for text in texts) / 2
    yield from _numbers(*free_spot((from_x, from_y), end, half, taken), *texts)


def _numbers(x: float, y: float, value: Any, gradient: Any) -> Iterator[Shape]:
    rows = [(number_text(value), "value", y - 6)]
    if gradient is not None:
        rows.append((number_text(gradient), "gradient", y + 15))
    for text, colour, line in rows:
        width = text_width(text, 12)
        if len(text) > LONGEST_ON_LINE:  # a curve would run through the middle of it
            yield Rectangle(x - width / 2, line - 10, width, 13, "page", radius=2)
        yield Words(x, line, text, colour, 12, "middle", bold=True, halo=True)
