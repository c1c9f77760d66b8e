"""The network, layer by layer."""

from __future__ import annotations

from typing import Any

from steadygrad.report.data import ReportData
from steadygrad.report.markup import Html, tag
from steadygrad.report.tables import bar, numeric, numeric_head, table
from steadygrad.report.words import count, number_or_none, plural, short_count


def draw(data: ReportData) -> Html:
    """Layer table with output shapes, parameters and multiply-adds; closed when it is long."""
    layers = data.record.facts.layers
    if not layers:
        return Html("")
    parameters = sum(number_or_none(row.get("parameters")) or 0.0 for row in layers)
    work = sum(number_or_none(row.get("multiply_adds")) or 0.0 for row in layers)
    rows = [_row(row, parameters, work) for row in layers]
    rows.append(
        [
            tag("th", "all layers", scope="row"),
            tag("td"),
            tag("td"),
            numeric(count(parameters)),
            numeric(count(work)),
        ]
    )
    heads: list[object] = ["name", "kind", "output shape"]
    heads += [numeric_head("parameters"), numeric_head("multiply-adds")]
    summary = (
        f"{plural(len(layers), 'layer')}, {short_count(parameters)} parameters, "
        f"{short_count(work)} multiply-adds per picture"
    )
    body = table(heads, rows, class_="layers")
    return tag("details", tag("summary", summary), body, class_="card", open=len(layers) <= 12)


def _row(row: dict[str, Any], parameters: float, work: float) -> list[object]:
    shape: Any = row.get("output_shape") or ""
    if isinstance(shape, list | tuple):
        shape = " × ".join(map(str, shape))  # pyright: ignore[reportUnknownArgumentType]
    return [
        tag("th", tag("code", row.get("name", "")), scope="row"),
        str(row.get("kind", "")),
        tag("td", str(shape), class_="shape"),
        _share(row.get("parameters"), parameters, "blue"),
        _share(row.get("multiply_adds"), work, "green"),
    ]


def _share(value: Any, total: float, tone: str) -> Html:
    if not number_or_none(value):
        return numeric("–")
    return numeric(count(value), float(value), bar(float(value) / total if total else 0.0, tone))
