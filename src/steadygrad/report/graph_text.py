"""The graph of a network as a tree of text: modules, shapes, parameters, std and gradient."""

from __future__ import annotations

import math
from typing import Any

from steadygrad.report.graph_box import LEVEL_WORDS, Box
from steadygrad.report.graph_words import MARKS, flow, operation_words, short_number
from steadygrad.report.markup import visible
from steadygrad.report.words import count, plural, shorten

MANY_LINES = 70
"""Lines a tree opens to by itself, at most."""
HEADINGS = ("module", "operation", "output", "parameters", "std", "∇ RMS")


def text(root: Box, depth: int | None = None) -> str:
    """The tree, opened `depth` levels deep (None: as deep as MANY_LINES allow)."""
    depth = text_depth(root) if depth is None else depth
    rows = [HEADINGS, *(row for child in root.children for row in _rows(child, depth, 0))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
    lines: list[str] = []
    for row in rows:
        left = [word.ljust(width) for word, width in zip(row[:3], widths)]
        right = [word.rjust(width) for word, width in zip(row[3:6], widths[3:])]
        lines.append("  ".join([*left, *right, *row[6:]]).rstrip())
    total = f"{plural(root.parameters, 'parameter')}, {plural(root.operations, 'operation')}"
    return "\n".join([*lines, "", f"{visible(root.title)}: {total}"])


def text_depth(root: Box) -> int:
    """The deepest level whose tree has at most MANY_LINES lines, and at least one level."""
    depth = 1
    while _lines(root, depth) < _lines(root, depth + 1) <= MANY_LINES:
        depth += 1
    return depth


def _lines(box: Box, depth: int) -> int:
    return 1 + sum(_lines(child, depth - 1) for child in box.children if depth)


def _rows(box: Box, depth: int, indent: int) -> list[tuple[str, ...]]:
    closed = bool(box.children) and depth <= 1
    what = plural(box.operations, "operation") if closed else ""
    if box.kind == "operation":
        what = operation_words(box)
    # An open module's worst level is its operations' own, told there.
    levels = (0, 0) if box.children and not closed else (box.signal_level, box.gradient_level)
    remarks = [
        f"{MARKS[level]} {name} {LEVEL_WORDS[level]}"
        for name, level in zip(("signal", "gradient"), levels)
        if level
    ]
    if math.prod(box.shape) == 1 and (forward := flow(box)[0]):
        remarks.insert(0, forward)
    std, grad = box.values.get("std"), box.values.get("grad_rms")
    row = (
        "  " * indent + shorten(visible(box.title), 40),
        "" if what == box.title else what,
        "×".join(map(str, box.shape)),
        count(box.parameters) if box.parameters else "",
        "" if std is None or math.prod(box.shape) == 1 else short_number(std),
        "" if grad is None else short_number(grad),
        "  ".join(remarks),
    )
    inside = box.children if depth > 1 else []
    return [row, *(r for child in inside for r in _rows(child, depth - 1, indent + 1))]


def to_dict(box: Box) -> dict[str, Any]:
    """A box and all inside it, as `--json` writes them."""
    value: dict[str, Any] = {
        "name": box.title,
        "kind": box.kind,
        "operation": box.operation,
        "module": box.path,
        "output_shape": box.shape,
        "parameters": box.parameters,
        "operations": box.operations,
        "signal": LEVEL_WORDS[box.signal_level],
        "gradient": LEVEL_WORDS[box.gradient_level],
        "values": box.values,
        "attributes": box.attributes,
        "line": box.line,
    }
    if box.children:
        value["children"] = [to_dict(child) for child in box.children]
        value["edges"] = [list(edge) for edge in box.edges]
    return value
