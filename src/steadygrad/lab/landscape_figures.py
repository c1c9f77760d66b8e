"""Paths of optimisers over the contours of a landscape."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure

from steadygrad.lab import drawing
from steadygrad.lab.landscapes import Landscape, Path


def draw_paths(
    landscape: Landscape, paths: dict[str, Path], half: tuple[float, float], what: str
) -> Figure:
    """One panel for each optimiser, its path over the contours."""
    caption = f"Paths in the {what}, one panel for each optimiser."
    drawn, axes = drawing.figure(2, 3, height=5.6, caption=caption, sharex=True, sharey=True)
    x, y = np.linspace(-half[0], half[0], 121), np.linspace(-half[1], half[1], 121)
    grid = torch.tensor(np.stack(np.meshgrid(x, y)))
    heights = landscape(grid.reshape(2, -1)).reshape(121, 121).numpy()
    levels = np.quantile(heights, np.linspace(0.02, 0.98, 12))
    for order, (panel, (name, path)) in enumerate(zip(axes.flat, paths.items())):
        panel.contour(x, y, heights, levels, colors=drawing.GRAY, linewidths=0.6)
        inside = np.clip(path.points, (-2 * half[0], -2 * half[1]), (2 * half[0], 2 * half[1]))
        panel.plot(*inside.T, ".-", color=drawing.COLOURS[order], markersize=3, linewidth=1.2)
        panel.set_xlim(-half[0], half[0])
        panel.set_ylim(-half[1], half[1])
        count = f"{path.arrived} steps" if path.arrived else f"not in {len(path.heights) - 1} steps"
        panel.set_title(f"{name}, rate {path.lr:.2g}: {count}", fontsize=9.5)
        panel.grid(False)
    drawn.supxlabel("weight x")
    drawn.supylabel("weight y")
    return drawn
