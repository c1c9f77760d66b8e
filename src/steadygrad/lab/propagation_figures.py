"""Pictures of signals through depth: histograms by layer, and stds on the lines of theory."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from steadygrad.lab import drawing
from steadygrad.lab.propagation import LayerSignal, Setting

RELU_SHOWN = 3.0  # right end of the histograms; std 1 would reach it with 0.3 % of its units


def draw_histograms(settings: list[Setting], layers: list[list[LayerSignal]]) -> Figure:
    """One row for each stack, one histogram for each layer."""
    depth = len(layers[0])
    caption = "Outputs of each layer for each way of drawing the weights (ReLU's zeros are cut)."
    drawn, axes = drawing.figure(
        len(settings), depth, height=1.25 * len(settings) + 0.7, caption=caption
    )
    for row, (setting, found) in enumerate(zip(settings, layers)):
        for column, signal in enumerate(found):
            panel = axes[row, column]
            widths = np.diff(signal.edges)
            panel.bar(
                signal.edges[:-1],
                signal.counts,
                widths,
                align="edge",
                color=drawing.COLOURS[row % 7],
            )
            panel.grid(False)
            panel.set_yticks([])
            panel.set_title(f"std {signal.std:.2g}", fontsize=9)
            if setting.activation == "tanh":
                panel.set_xlim(-1.05, 1.05)
            elif setting.activation == "relu":
                panel.set_xlim(0, RELU_SHOWN)
                panel.set_ylim(0, 2.0 * max(signal.counts[1:]))  # the zeros go through the roof
            if row == len(settings) - 1:
                panel.set_xlabel(f"output, layer {column + 1}")
        axes[row, 0].set_ylabel(
            setting.title.replace(", ", "\n"), rotation=0, ha="right", va="center"
        )
    return drawn


def draw_stds(rows: list[dict[str, Any]]) -> Figure:
    """Measured stds as marks, theory as lines."""
    drawn, axes = drawing.figure(
        height=4.2, caption="Std of each layer's outputs: measured marks on the lines of theory."
    )
    panel = axes[0, 0]
    for order, title in enumerate(dict.fromkeys(row["network"] for row in rows)):
        own = [row for row in rows if row["network"] == title]
        layers = [row["layer"] for row in own]
        colour = drawing.COLOURS[order % 7]
        panel.semilogy(layers, [row["std, theory"] for row in own], color=colour)
        panel.semilogy(
            layers,
            [row["std"] for row in own],
            drawing.MARKERS[order % 8],
            color=colour,
            label=title,
        )
    drawing.label(panel, "layer", "standard deviation of the outputs")
    panel.legend(title="marks: measured; lines: theory", loc="lower left")
    return drawn
