"""The look of every figure: white, labelled, colour-blind-safe, readable in print."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito 2008 ("Color Universal Design"), told apart by all kinds of colour vision. Yellow
# comes last: it is faint on white.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, BLACK, YELLOW = COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#000000",
    "#F0E442",
)
LINES = ("-", "--", "-.", ":")
"""Line styles to go with the colours, for print without colour."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
GRAY = "#767676"
FILLED = "cividis"
"""Colour map for values from small to large."""
SIGNED = "RdBu_r"
"""Colour map for values around 0."""

WIDTH = 8.0
"""Inches: 1200 pixels at `DPI`."""
DPI = 150

_STYLE: dict[str, Any] = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "figure.titlesize": 12.0,
    "axes.labelsize": 10.0,
    "legend.fontsize": 9.0,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "svg.hashsalt": "steadygrad",  # the same figure gives the same file
    "path.simplify": True,
}


def style() -> AbstractContextManager[None]:
    """A block in which figures are made in the lab's look; `run_experiment` opens it."""
    return mpl.rc_context(_STYLE)  # pyright: ignore[reportArgumentType]


def figure(
    rows: int = 1,
    columns: int = 1,
    *,
    height: float = 0.0,
    caption: str = "",
    **subplots: Any,
) -> tuple[Figure, np.ndarray]:
    """A figure 8 inches wide and its axes, (rows, columns) of them.

    `height` is in inches (0: 3.2 a row). `caption` stands under it in the gallery and is its text
    for those who can't see it. No pyplot: nothing stays open behind it.
    """
    drawn = Figure(figsize=(WIDTH, height or 3.2 * rows), dpi=DPI, layout="constrained")
    FigureCanvasAgg(drawn)
    drawn.set_label(caption)
    return drawn, drawn.subplots(rows, columns, squeeze=False, **subplots)


def label(axes: Axes, x: str, y: str, title: str = "", *, legend: bool = False) -> None:
    """Name both axes, with their units, and say in the title what is seen."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if title:
        axes.set_title(title)
    if legend:
        axes.legend()


def picture(axes: Axes, image: np.ndarray, title: str = "") -> None:
    """Show a picture (H, W) or (H, W, C), uint8 or stretched to its own range, without axes."""
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        image = (image - low) / (high - low if high > low else 1.0)
    axes.imshow(image, cmap="gray" if image.ndim == 2 else None, interpolation="nearest")
    axes.set_axis_off()
    if title:
        axes.set_title(title)


def legend_below(axes: Axes, *, columns: int = 1, title: str = "") -> None:
    """Put the legend under the axes, for curves that leave no room between them."""
    axes.legend(title=title, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=columns)


def look(order: int, *, marker: bool = False) -> dict[str, Any]:
    """Colour and line style number `order`, and a marker where asked: told apart without colour."""
    chosen: dict[str, Any] = {"color": COLOURS[order % 7], "linestyle": LINES[order % 4]}
    return {**chosen, "marker": MARKERS[order % 8]} if marker else chosen


def curve(axes: Axes, values: Any, name: str, order: int, *, first: int = 1, **more: Any) -> None:
    """Draw values against `first`, `first` + 1, … in the colour and line style number `order`."""
    steps = np.arange(first, first + len(values))
    axes.plot(steps, values, label=name, **{**look(order), **more})


def points(axes: Axes, x: Any, y: Any, name: str, order: int) -> None:
    """Draw measured points, joined, in the colour, line style and marker number `order`."""
    axes.plot(x, y, label=name, **look(order, marker=True))


HATCHES = ("", "///", "...", "xx")
"""To tell bars apart in print without colour."""


def bars(axes: Axes, names: list[str], values: dict[str, list[float]], show: Any = None) -> None:
    """Lying bars, the first name on top: one for each key of `values`, hatched from the second on.

    `show` turns a value into the text at the bar's end (None: no text).
    """
    height = 0.8 / len(values)
    for order, (key, lengths) in enumerate(values.items()):
        places = np.arange(len(names))[::-1] + (len(values) - 1) * height / 2 - order * height
        look_of: dict[str, Any] = {"color": (BLUE, ORANGE, GREEN)[order], "hatch": HATCHES[order]}
        drawn = axes.barh(places, lengths, height * 0.9, label=key, edgecolor="white", **look_of)
        if show is not None:
            axes.bar_label(drawn, [show(value) for value in lengths], padding=3, fontsize=9)
    axes.set_yticks(np.arange(len(names))[::-1], names)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.15)  # room for the text at the longest bar
