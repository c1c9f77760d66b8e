"""Pictures of signals through depth: histograms by layer, and stds on the lines of theory."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from steadygrad.lab import drawing
from steadygrad.lab.propagation import Extremes, LayerSignal, Setting, predicted_stds

MOST_COLUMNS = 6
CLOSER = (0.01, 10.0)
FLOOR, CEILING = 1e-48, 1e42  # a little more than float32 holds
RELU_SHOWN = 3.0  # right end of the histograms; std 1 would reach it with 0.3 % of its units


def draw_histograms(settings: list[Setting], layers: list[list[LayerSignal]]) -> Figure:
    """One row for each stack, one histogram for each layer."""
    depth = len(layers[0])
    shown = sorted({round(place) for place in np.linspace(0, depth - 1, min(depth, MOST_COLUMNS))})
    caption = "How often each output occurs, by layer and way of drawing the weights; the height "
    caption += "is each panel's own, and ReLU's zeros are cut."
    drawn, axes = drawing.figure(
        len(settings), len(shown), height=1.25 * len(settings) + 0.7, caption=caption
    )
    for row, (setting, found) in enumerate(zip(settings, layers)):
        for column, signal in enumerate(found[place] for place in shown):
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
                panel.set_xlabel(f"output, layer {signal.layer}")
        axes[row, 0].set_ylabel(
            setting.title.replace(", ", "\n"), rotation=0, ha="right", va="center"
        )
    drawn.supylabel("how often (outputs in a bin)", fontsize=10)
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
        look = drawing.look(order, marker=True)
        theory = {**look, "marker": ""}
        panel.semilogy(layers, [row["std, theory"] for row in own], **theory)
        measured = {**look, "linestyle": ""}
        panel.semilogy(layers, [row["std"] for row in own], **measured, label=title)
    drawing.label(panel, "layer", "standard deviation of the outputs (no unit)")
    panel.legend(title="marks: measured; lines: theory", loc="lower left")
    return drawn


def draw_deep(settings: dict[str, Setting], found: dict[str, list[Extremes]], width: int) -> Figure:
    """Stds through the deep stacks: one line for each draw, theory dotted."""
    drawn, axes = drawing.figure(
        1,
        2,
        height=4.4,
        caption=f"Std of each layer's outputs, {width} units wide, one line for each draw of the "
        "weights; dotted in black, what theory says. A line that ends has left float32: upwards "
        "to NaN, downwards to exactly 0. Right: the same between 0.01 and 10.",
    )
    for order, (name, setting) in enumerate(settings.items()):
        layers = range(1, len(found[name][0].stds) + 1)
        theory = predicted_stds(len(layers), setting.activation, setting.gain(width))
        look = {**drawing.look(order, marker=True), "linewidth": 1.2, "markersize": 5}
        look["markevery"] = (8 * order % 15, 15)
        for panel in axes[0]:
            panel.semilogy(layers, theory, ":", color=drawing.BLACK, linewidth=1)
            for draw, one in enumerate(found[name]):
                kept = [std if 0 < std < np.inf else np.nan for std in one.stds]
                panel.semilogy(layers, kept, **look, label=setting.title if draw == 0 else None)
    left, right = axes[0]
    left.set_ylim(FLOOR, CEILING)
    right.set_ylim(*CLOSER)
    drawing.label(left, "layer", "standard deviation of the outputs (no unit)")
    drawing.label(right, "layer", "")
    handles, names = left.get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside lower center", ncols=len(names))
    return drawn
