"""What the drawing of a graph says about a box: on its card, on its edge, in its tooltip."""

from __future__ import annotations

import math
from typing import Any, cast

from steadygrad.report.graph_box import LEVEL_WORDS, Box
from steadygrad.report.markup import visible
from steadygrad.report.words import plural, short_count, shorten

MARKS = {-2: "▼▼", -1: "▼", 0: "", 1: "▲", 2: "▲▲", 3: "✕"}
"""Beside the colour: the levels in print, and for who sees no colour."""
LONGEST_TITLE, LONGEST_LINE = 34, 40
TOLD = {
    "value": "value",
    "mean": "mean",
    "std": "std",
    "rms": "RMS",
    "min": "smallest",
    "max": "largest",
    "zero_fraction": "share of zeros",
    "saturated_fraction": "share saturated",
    "dead_fraction": "share of dead units",
    "non_finite_fraction": "share NaN or infinite",
    "grad_rms": "gradient RMS",
}
"""Keys of `LayerSignals.values` in the order they are told."""


def lines(box: Box) -> list[str]:
    """What a card says: its name, what it does where that says more, what comes out."""
    shape = "×".join(str(n) for n in box.shape) if box.shape else "one number"
    what = box.operation and operation_words(box)
    if box.kind == "module":
        what = plural(box.operations, "operation")
    if box.parameters:
        what = f"{what} · {short_count(box.parameters)} parameters"
    title = shorten(visible(box.title), LONGEST_TITLE)
    return [title, *([shorten(what, LONGEST_LINE)] if what not in ("", title) else []), shape]


def operation_words(box: Box) -> str:
    """The operation with what tells it from others of its name: kernel, stride, groups."""
    kernel, stride = box.attributes.get("kernel"), box.attributes.get("stride")
    words = [box.operation]
    if isinstance(kernel, list | tuple):
        words.append("×".join(str(n) for n in cast("list[Any]", kernel)))
    if isinstance(stride, list | tuple):
        steps = cast("list[Any]", stride)
        words += [f"/{steps[0]}"] if any(n != 1 for n in steps) else []
    if box.attributes.get("groups", 1) not in (1, None):
        words.append(f"groups {box.attributes['groups']}")
    return " ".join(words)


def flow(box: Box) -> tuple[str, str]:
    """What stands on the edge that leaves a box: the size of what flows, and of its gradient."""
    values, grad = box.values, box.values.get("grad_rms")
    std = values.get("std")
    if math.prod(box.shape) == 1:
        alone = values.get("value", values.get("mean", values.get("max")))
        forward = f"= {short_number(alone)}" if alone is not None else ""
    else:
        forward = f"std {short_number(std)}" if std is not None else ""
    return forward, f"∇ {short_number(grad)}" if grad is not None else ""


def short_number(value: float) -> str:
    """Three digits, or nan and inf."""
    return f"{value:.3g}" if math.isfinite(value) else str(value)


def heading(box: Box) -> str:
    """What the title bar of an open module says."""
    title = shorten(visible(box.title), LONGEST_TITLE)
    return f"{title} · {short_count(box.parameters)} parameters" if box.parameters else title


def tip(box: Box) -> list[str]:
    """All that is known of a box, line by line."""
    name = {"input": "input", "module": box.path or box.title}.get(box.kind, box.operation)
    rows = [name if name == box.path or not box.path else f"{name} in {box.path}"]
    if box.shape:
        rows.append("output " + " × ".join(str(n) for n in box.shape))
    if box.parameters:
        rows.append(plural(box.parameters, "parameter"))
    if box.kind == "module":
        rows.append(plural(box.operations, "operation"))
    for key, words in TOLD.items():
        if (number := box.values.get(key)) is not None:
            rows.append(f"{words} {number:.4g}")
    if box.signal_level:
        rows.append(f"activations: {LEVEL_WORDS[box.signal_level]}")
    if box.gradient_level:
        rows.append(f"gradient: {LEVEL_WORDS[box.gradient_level]}")
    rows += [f"{key} = {item}" for key, item in box.attributes.items() if item is not None]
    return [visible(row) for row in [*rows, *([box.line] if box.line else [])]]
