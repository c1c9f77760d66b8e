"""The table of layers: what each one is, and its latest numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from steadygrad.report import inside
from steadygrad.report.data import ReportData
from steadygrad.report.inside import Layer
from steadygrad.report.markup import Html, tag
from steadygrad.report.tables import numeric, sorting_head, table
from steadygrad.report.words import number, percent, plural, shorten

OPEN = 20
"""Rows up to which the table is open."""
MAX_ROWS = 400


class Column(NamedTuple):
    """A heading and what it means."""

    name: str
    help: str


COLUMNS = (
    Column("mean", "of the output, at the last watched step"),
    Column("std", "standard deviation of the output, at the last watched step"),
    Column("gradient", "RMS of the gradient by the output, at the last watched step"),
    Column("zeros", "share of outputs that are zero, at the last watched step"),
    Column("dead", "share of units that are zero for all examples lately"),
    Column("update ratio", "size of the last watched update by the size of the weight"),
)


def draw(data: ReportData) -> Html:
    """Every layer measured, in the order of computation; every column sorts."""
    found = inside.layers(data.record)
    if not found:
        return Html("")
    ratios = inside.latest_ratio(data.record)
    heads = [sorting_head("#", "order of computation", numbers=True)]
    heads += [sorting_head(name) for name in ("layer", "operation", "shape", "line")]
    heads += [sorting_head(*column, numbers=True) for column in COLUMNS]
    rows = [_row(layer, ratios) for layer in found[:MAX_ROWS]]
    body = table(heads, rows, class_="sortable layers")
    summary = tag("summary", f"{plural(len(found), 'layer')} with their latest numbers")
    note = tag("p", "Click a heading to sort.", class_="note")
    return tag("details", summary, note, body, class_="card", open=len(found) <= OPEN)


def _row(layer: Layer, ratios: Mapping[str, float]) -> list[object]:
    operation = layer.operation
    where = operation.where
    line = f"{(where.file or '').replace(chr(92), '/').rpartition('/')[2]}:{where.line}"
    name = tag("code", shorten(layer.name, 36))
    return [
        numeric(layer.number, layer.number),
        tag("th", name, scope="row", title=layer.name),
        operation.name,
        tag("td", " × ".join(map(str, operation.shape)), class_="shape"),
        tag("td", tag("code", shorten(line, 30)) if where.line else "", title=where.file),
        _size(layer.last("mean")),
        _size(layer.last("std")),
        _size(layer.last("grad_rms")),
        _share(layer.last("zero_fraction")),
        _share(layer.last("dead_fraction")),
        _size(ratios.get(where.parameter or "")),
    ]


def _size(value: float | None) -> Html:
    return numeric(number(value, 3), _sorted_as(value))


def _share(value: float | None) -> Html:
    return numeric(percent(value), _sorted_as(value))


def _sorted_as(value: float | None) -> float:
    """What is missing stands at one end of a sorted column, what is not finite at the other."""
    if value is None:
        return -1e300
    return value if math.isfinite(value) else 1e300
