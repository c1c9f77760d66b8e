"""The report: one HTML file that needs nothing else, from anywhere, at any time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from steadygrad.record.store import write_text
from steadygrad.report.data import ReportData
from steadygrad.report.document import document
from steadygrad.report.markup import Html, tag
from steadygrad.report.sections import (
    calibration,
    classes,
    confusion,
    curves,
    findings,
    graph,
    header,
    layers,
    loop,
    network,
    pictures,
    recipe,
    signals,
    time,
    updates,
)

Section = tuple[str, str, Callable[[ReportData], Html]]

SECTIONS: tuple[Section, ...] = (
    ("findings", "Findings", findings.draw),
    ("curves", "Learning curves", curves.draw),
    ("signals", "Inside the network", signals.draw),
    ("updates", "Updates", updates.draw),
    ("layers", "Layers", layers.draw),
    ("loop", "The loop", loop.draw),
    ("classes", "Classes", classes.draw),
    ("confusion", "Confusion", confusion.draw),
    ("calibration", "Calibration", calibration.draw),
    ("data", "Data", pictures.draw),
    ("network", "Network", network.draw),
    ("graph", "Computational graph", graph.draw),
    ("time", "Time and speed", time.draw),
    ("recipe", "Recipe", recipe.draw),
)
"""Anchor, heading and drawing of each part, in the page's order; empty parts are left out."""


def write_report(path: str | Path, data: ReportData) -> None:
    """Write report.html, whole or not at all; a file that is there is replaced."""
    write_text(path, render(data))


def render(data: ReportData) -> str:
    """The page as text.

    >>> from steadygrad.record import Record
    >>> "<h1><bdi>digits</bdi></h1>" in render(ReportData(Record(), "digits"))
    True
    """
    drawn = [(anchor, title, draw(data)) for anchor, title, draw in SECTIONS]
    drawn = [part for part in drawn if part[2]]
    links = [tag("a", title, href=f"#{anchor}") for anchor, title, _ in drawn]
    parts = [
        tag("a", "Skip to the report", href="#main", class_="skip"),
        tag("nav", tag("div", *links), aria_label="Parts of the report"),
        tag("main", header.draw(data), *(_section(*part) for part in drawn), id="main"),
    ]
    return document(data.title, parts, ["page.css", "graph.css"], ["page.js", "graph.js"])


def _section(anchor: str, title: str, content: Html) -> Html:
    heading = tag("h2", title, id=f"{anchor}-heading")
    return tag("section", heading, content, id=anchor, aria_labelledby=f"{anchor}-heading")
