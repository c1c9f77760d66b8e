"""The page of a search: one file that says what was tried, what was found, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from steadygrad.report import (
    search_curves,
    search_found,
    search_importance,
    search_parallel,
    search_slices,
    search_stages,
    search_trials,
)
from steadygrad.report.document import document
from steadygrad.report.markup import Html, tag
from steadygrad.report.search_data import Searched, read

Section = tuple[str, str, Callable[[Searched], Html]]

SECTIONS: tuple[Section, ...] = (
    ("found", "What was found", search_found.draw),
    ("stages", "Stages", search_stages.draw),
    ("curves", "Learning curves", search_curves.draw),
    ("importance", "What mattered", search_importance.draw),
    ("parallel", "Trials side by side", search_parallel.draw),
    ("slices", "Slices", search_slices.draw),
    ("trials", "All trials", search_trials.draw),
)
"""Anchor, heading and drawing of each part, in the page's order; empty parts are left out."""


def page(found: Mapping[str, Any]) -> str:
    """The page as text; `found` is what search.json holds, and any of it may be missing.

    >>> "<h1><bdi>digits</bdi></h1>" in page({"data": "digits"})
    True
    """
    searched = read(found)
    drawn = [(anchor, title, draw(searched)) for anchor, title, draw in SECTIONS]
    drawn = [part for part in drawn if part[2]]
    links = [tag("a", title, href=f"#{anchor}") for anchor, title, _ in drawn]
    parts = [
        tag("a", "Skip to the report", href="#main", class_="skip"),
        tag("nav", tag("div", *links), aria_label="Parts of the report"),
        tag("main", search_found.header(searched), *(_section(*part) for part in drawn), id="main"),
    ]
    title = f"Search on {searched.title}"
    return document(title, parts, ["page.css", "search.css"], ["page.js", "search.js"])


def _section(anchor: str, title: str, content: Html) -> Html:
    heading = tag("h2", title, id=f"{anchor}-heading")
    return tag("section", heading, content, id=anchor, aria_labelledby=f"{anchor}-heading")
