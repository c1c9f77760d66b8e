"""Paths of optimisers over the contours of a landscape; Adam's start; what noise leaves."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure

from steadygrad.lab import drawing
from steadygrad.lab.landscapes import Landscape, Path
from steadygrad.lab.update_rules import adam_start

START_STEPS = 200


def draw_paths(
    landscape: Landscape,
    paths: dict[str, Path],
    half: tuple[float, float],
    minima: list[tuple[float, float]],
    caption: str,
) -> Figure:
    """One panel for each optimiser, its path over the contours."""
    drawn, axes = drawing.figure(2, 3, height=5.8, caption=caption, sharex=True, sharey=True)
    x, y = np.linspace(-half[0], half[0], 121), np.linspace(-half[1], half[1], 121)
    grid = torch.tensor(np.stack(np.meshgrid(x, y)))
    heights = landscape(grid.reshape(2, -1)).reshape(121, 121).numpy()
    levels = np.quantile(heights, np.linspace(0.02, 0.98, 12))
    for order, (panel, (name, path)) in enumerate(zip(axes.flat, paths.items())):
        panel.contour(x, y, heights, levels, colors=drawing.GRAY, linewidths=0.6)
        inside = np.clip(path.points, (-2 * half[0], -2 * half[1]), (2 * half[0], 2 * half[1]))
        panel.plot(*inside.T, ".-", color=drawing.COLOURS[order], markersize=3, linewidth=1.2)
        black = {"color": drawing.BLACK, "linestyle": ""}
        panel.plot(*inside[0], marker="o", markersize=6, label="start", **black)
        panel.plot(*np.array(minima).T, marker="*", markersize=9, label="minimum", **black)
        panel.set_xlim(-half[0], half[0])
        panel.set_ylim(-half[1], half[1])
        count = f"{path.arrived} steps" if path.arrived else f"not in {len(path.heights) - 1} steps"
        panel.set_title(f"{name}, rate {path.lr:.2g}:\n{count}", fontsize=9.5)
        panel.grid(False)
    drawn.supxlabel("weight x (no unit)", fontsize=10)
    drawn.supylabel("weight y (no unit)", fontsize=10)
    handles, names = axes[0, 0].get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside lower right", ncols=2)
    return drawn


def draw_start(spreads: dict[str, float], rate: float) -> Figure:
    """Adam's first steps with and without correction; the variance left by noise."""
    drawn, axes = drawing.figure(
        1,
        2,
        height=3.6,
        caption="Left: the sizes of Adam's first steps where every gradient is 1. Right: the "
        "variance around the minimum after 300 steps with gradients x + N(0, 1).",
    )
    left, right = axes[0]
    drawing.curve(left, adam_start(START_STEPS, False), "without bias correction", 3)
    drawing.curve(left, adam_start(START_STEPS, True), "with bias correction", 0)
    left.set_ylim(0)
    drawing.label(left, "step", "step size (learning rates)", "Adam, gradient 1", legend=True)
    drawing.bars(right, list(spreads), {"variance": list(spreads.values())}, "{:.2g}".format)
    right.set_xscale("log")
    right.set_xlim(min(spreads.values()) / 3, 4 * max(spreads.values()))
    drawing.label(
        right, "variance around the minimum (log scale)", "", f"Noisy gradient, rate {rate:g}"
    )
    return drawn
