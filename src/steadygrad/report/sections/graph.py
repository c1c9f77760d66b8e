"""The computational graph of the first training pass."""

from __future__ import annotations

from steadygrad.report.data import ReportData
from steadygrad.report.graph_picture import draw as draw_graph
from steadygrad.report.markup import Html


def draw(data: ReportData) -> Html:
    """Modules as boxes that open, coloured by the gradient that reaches them; empty without one."""
    graph = next((g for g in data.record.graphs if g.kind == "train" and g.operations), None)
    if graph is None:
        return Html("")
    models = data.record.loop.models
    name = str(models[0]["name"]) if models else ""
    return draw_graph(graph, data.record.signals, data.record.loop.parameters, name)
