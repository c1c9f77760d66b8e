"""Figures of the batch-norm experiment: the grid, the losses, training against testing."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from steadygrad.lab import drawing
from steadygrad.lab.batch_norm_runs import LEARNED, Cell
from steadygrad.lab.training import smoothed


def draw_grid(cells: list[Cell]) -> Figure:
    """Accuracy over rates and scales, without and with the norm."""
    rates = sorted({cell.lr for cell in cells})
    scales = sorted({cell.scale for cell in cells})
    drawn, axes = drawing.figure(
        1,
        2,
        height=3.9,
        sharey=True,
        caption="Accuracy over learning rates and initial scales, without and with batch norm; "
        f"in bold what learned ({LEARNED} or more).",
    )
    image = None
    for panel, norm, title in zip(axes[0], ("none", "batch"), ("no norm", "batch norm")):
        values = np.zeros((len(rates), len(scales)))
        for cell in cells:
            if cell.norm == norm:
                values[rates.index(cell.lr), scales.index(cell.scale)] = cell.accuracy
        image = panel.imshow(values, cmap=drawing.FILLED, vmin=0, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            colour = "white" if value < 0.55 else "black"
            weight = "bold" if value >= LEARNED else "normal"
            look = {"ha": "center", "va": "center", "color": colour, "weight": weight}
            panel.text(column, row, f"{value:.2f}", **look)
        panel.set_xticks(range(len(scales)), [f"{scale:g}" for scale in scales])
        panel.set_yticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        panel.grid(False)
        drawing.label(panel, "initial weights (Kaiming's = 1)", "", title)
    axes[0, 0].set_ylabel("learning rate")
    if image is not None:
        drawn.colorbar(image, ax=axes, label="accuracy on unseen pictures")
    return drawn


def draw_curves(cells: list[Cell], differences: dict[int, float]) -> Figure:
    """Losses at Kaiming's own scale for each rate, and the gap between training and testing."""
    drawn, axes = drawing.figure(
        1,
        3,
        height=3.7,
        caption="Left and middle: losses from Kaiming's own weights, each point the mean of 10 "
        "steps; a curve that leaves at the top and does not come back broke. Right: training's "
        "answer against testing's.",
    )
    scale = min({cell.scale for cell in cells}, key=lambda one: abs(math.log(one)))
    for panel, norm, title in zip(axes[0], ("none", "batch"), ("no norm", "batch norm")):
        own = [cell for cell in cells if cell.norm == norm and cell.scale == scale]
        for order, cell in enumerate(own):
            drawing.curve(panel, smoothed(cell.losses), f"rate {cell.lr:g}", order)
        panel.set_ylim(0, 3)
        drawing.label(panel, "step", "loss (nats)", title)
    sizes = sorted(differences)
    panel = axes[0, 2]
    panel.loglog(
        sizes, [math.sqrt(1.5 / size) for size in sizes], color=drawing.GRAY, label="√(1.5 / n)"
    )
    panel.loglog(sizes, [differences[size] for size in sizes], "o", label="measured")
    panel.set_xticks(sizes, [str(size) for size in sizes])
    panel.minorticks_off()
    drawing.label(
        panel, "batch size n", "difference (std of outputs)", "training vs testing", legend=True
    )
    handles, names = axes[0, 0].get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside lower left", ncols=len(names))
    return drawn
