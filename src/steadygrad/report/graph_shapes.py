"""What a static drawing of a graph is made of, and its SVG; `graph.png` draws the same shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from steadygrad.report.markup import Html, tag

COLOURS = {
    "page": "#ffffff",
    "card": "#ffffff",
    "module": "#eef2f7",
    "open": "#f7f9fb",
    "input": "#e7f3ee",
    "ink": "#18202b",
    "soft": "#596475",
    "line": "#b9c2ce",
    "edge": "#8a95a5",
    "value": "#1268b3",
    "gradient": "#b34700",
    "level-2": "#0b4a8f",
    "level-1": "#6aaee0",
    "level0": "#c3cad4",
    "level1": "#f2a765",
    "level2": "#c9500a",
    "level3": "#7b2d8b",
}
"""Blue for too small and orange for too large: told apart with every colour blindness, and by
lightness from the usual gray."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
WIDE = 0.56
"""Mean width of a character by the font's size, on the safe side for sans-serif fonts."""


@dataclass
class Rectangle:
    """A rectangle with round corners."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    """Key of COLOURS."""
    stroke: str = ""
    radius: float = 6.0


@dataclass
class Curve:
    """A line through points, smooth between rows; `arrow` puts a head at its end."""

    points: list[tuple[float, float]]
    """A start, then for each piece of a cubic two controls and an end."""
    colour: str
    thickness: float = 1.6
    arrow: bool = False


@dataclass
class Words:
    """One line of text; `y` is its baseline."""

    x: float
    y: float
    text: str
    colour: str = "ink"
    size: float = 12.0
    anchor: str = "start"
    """start, middle or end."""
    bold: bool = False
    halo: bool = False
    """With a rim in the page's colour, to be read on top of lines."""


Shape = Rectangle | Curve | Words


@dataclass
class Drawing:
    """Shapes on a page, in the order they are painted."""

    width: float
    height: float
    shapes: list[Shape] = field(default_factory=list["Shape"])


def text_width(text: str, size: float = 12.0) -> float:
    """Pixels that a line of text takes, about."""
    return len(text) * size * WIDE


def between(points: Sequence[tuple[float, float, float]]) -> list[tuple[float, float]]:
    """Smooth way through places `(x, upper, lower)`: straight down through each, curved between."""
    x, start, y = points[0]
    path = [(x, start)]
    if y > start:
        path += [(x, start), (x, y), (x, y)]
    for to_x, upper, lower in points[1:]:
        middle = (y + upper) / 2
        path += [(x, middle), (to_x, middle), (to_x, upper)]
        if lower > upper:
            path += [(to_x, upper), (to_x, lower), (to_x, lower)]
        x, y = to_x, lower
    return path


def svg(drawing: Drawing, label: str) -> Html:
    """The drawing as SVG with every colour in it: fit for a page and for a file of its own."""
    size = {"width": drawing.width, "height": drawing.height}
    return tag(
        "svg",
        tag("title", label),
        tag("rect", **size, fill=COLOURS["page"]),
        *(_element(shape) for shape in drawing.shapes),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {drawing.width:g} {drawing.height:g}",
        **size,
        role="img",
        aria_label=label,
        font_family=FONT,
    )


def _element(shape: Shape) -> Html:
    if isinstance(shape, Rectangle):
        return tag(
            "rect",
            x=shape.x,
            y=shape.y,
            width=shape.width,
            height=shape.height,
            rx=shape.radius,
            fill=COLOURS[shape.fill],
            stroke=COLOURS[shape.stroke] if shape.stroke else None,
        )
    if isinstance(shape, Curve):
        return _curve(shape)
    return tag(
        "text",
        shape.text,
        x=shape.x,
        y=shape.y,
        font_size=shape.size,
        fill=COLOURS[shape.colour],
        text_anchor=shape.anchor,
        font_weight="600" if shape.bold else None,
        stroke=COLOURS["page"] if shape.halo else None,
        stroke_width=3.0 if shape.halo else None,
        paint_order="stroke" if shape.halo else None,
    )


def _curve(curve: Curve) -> Html:
    (x, y), *rest = curve.points
    pieces = [rest[i : i + 3] for i in range(0, len(rest), 3)]
    path = f"M{x:.1f} {y:.1f}" + "".join(
        "C" + " ".join(f"{a:.1f} {b:.1f}" for a, b in piece) for piece in pieces
    )
    colour = COLOURS[curve.colour]
    line = tag("path", d=path, fill="none", stroke=colour, stroke_width=curve.thickness)
    if not curve.arrow:
        return line
    corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in arrow_head(curve))
    return tag("g", line, tag("polygon", points=corners, fill=colour))


def arrow_head(curve: Curve, size: float = 7.0) -> list[tuple[float, float]]:
    """Corners of the head at the end of a curve that ends straight down or to the right."""
    (a, b), (x, y) = curve.points[-2], curve.points[-1]
    if abs(x - a) > abs(y - b):
        return [(x, y), (x - size, y - size / 2), (x - size, y + size / 2)]
    return [(x, y), (x - size / 2, y - size), (x + size / 2, y - size)]
