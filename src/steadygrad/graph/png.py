"""A drawing as a PNG file, through matplotlib."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, Literal

from steadygrad.report.graph_shapes import (
    COLOURS,
    Curve,
    Drawing,
    Rectangle,
    Shape,
    Words,
    arrow_head,
)

DOTS = 2.0
"""Dots of the file per pixel of the drawing: sharp on paper and on dense screens."""
MOST_DOTS = 30_000
"""Along one side; matplotlib draws up to 65,536."""
ALIGNMENTS: dict[str, Literal["left", "center", "right"]] = {
    "start": "left",
    "middle": "center",
    "end": "right",
}
POINT = 72.0 / 100.0
"""Points of a font or line per pixel, at the hundred pixels to the inch used below."""


def png(drawing: Drawing) -> bytes:
    """The drawing as a PNG, white behind."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    dots = min(DOTS, MOST_DOTS / max(drawing.width, drawing.height))
    figure = Figure(figsize=(drawing.width / 100, drawing.height / 100), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, drawing.width)
    axes.set_ylim(drawing.height, 0)
    axes.axis("off")
    for layer, shape in enumerate(drawing.shapes):
        for artist in _artists(shape):
            artist.set_zorder(layer)
            axes.add_artist(artist)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100 * dots)
    return file.getvalue()


def _artists(shape: Shape) -> Iterable[Any]:
    if isinstance(shape, Rectangle):
        return [_rectangle(shape)]
    if isinstance(shape, Curve):
        return _curve(shape)
    return [_words(shape)]


def _rectangle(shape: Rectangle) -> Any:
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch(
        (shape.x, shape.y),
        shape.width,
        shape.height,
        boxstyle=f"round,pad=0,rounding_size={min(shape.radius, shape.width / 2)}",
        facecolor=COLOURS[shape.fill],
        edgecolor=COLOURS[shape.stroke] if shape.stroke else "none",
        linewidth=POINT,
    )


def _curve(curve: Curve) -> list[Any]:
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    codes = [Path.MOVETO] + [Path.CURVE4] * (len(curve.points) - 1)
    colour = COLOURS[curve.colour]
    line = PathPatch(
        Path(curve.points, codes),
        facecolor="none",
        edgecolor=colour,
        linewidth=curve.thickness * POINT,
    )
    head = [Polygon(arrow_head(curve), facecolor=colour, edgecolor="none")] if curve.arrow else []
    return [line, *head]


def _words(words: Words) -> Any:
    from matplotlib.patheffects import withStroke
    from matplotlib.text import Text

    text = Text(
        words.x,
        words.y,
        words.text,
        color=COLOURS[words.colour],
        fontsize=words.size * POINT,
        fontweight="bold" if words.bold else "normal",
        horizontalalignment=ALIGNMENTS[words.anchor],
        verticalalignment="baseline",
        parse_math=False,
    )
    if words.halo:
        text.set_path_effects([withStroke(linewidth=3 * POINT, foreground=COLOURS["page"])])
    return text
