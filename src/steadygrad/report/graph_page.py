"""A graph as a page of its own: one file that loads nothing and works from anywhere."""

from __future__ import annotations

from steadygrad.report.document import document
from steadygrad.report.graph_box import Box
from steadygrad.report.graph_picture import figure
from steadygrad.report.markup import tag
from steadygrad.report.words import plural


def page(root: Box, title: str, notes: list[str], depth: int | None = None) -> str:
    """The page as text.

    >>> "<h1><bdi>&lt;net&gt;</bdi></h1>" in page(Box("g", "net", "module"), "<net>", [])
    True
    """
    words = f"{plural(root.parameters, 'parameter')}, {plural(root.operations, 'operation')}"
    header = tag(
        "header",
        tag("p", "Computational graph", class_="kicker"),
        tag("h1", tag("bdi", title)),
        tag("p", words, class_="subtitle"),
        *(tag("p", note, class_="note") for note in notes),
    )
    main = tag("main", header, figure(root, depth))
    return document(title, [main], ["page.css", "graph.css"], ["graph.js"])
