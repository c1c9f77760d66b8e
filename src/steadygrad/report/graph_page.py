"""A graph as a page of its own: one file that loads nothing and works from anywhere."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from steadygrad.report.graph_picture import figure
from steadygrad.report.graph_tree import Box
from steadygrad.report.markup import Html, tag
from steadygrad.report.words import plural


def page(root: Box, title: str, notes: list[str], depth: int | None = None) -> str:
    """The page as text.

    >>> "<h1><bdi>&lt;net&gt;</bdi></h1>" in page(Box("g", "net", "module"), "<net>", [])
    True
    """
    style = f"{_asset('page.css')}\n{_asset('graph.css')}"
    script = _asset("graph.js")
    words = f"{plural(root.parameters, 'parameter')}, {plural(root.operations, 'operation')}"
    header = tag(
        "header",
        tag("p", "Computational graph", class_="kicker"),
        tag("h1", tag("bdi", title)),
        tag("p", words, class_="subtitle"),
        *(tag("p", note, class_="note") for note in notes),
    )
    body = tag(
        "body",
        tag("main", header, figure(root, depth)),
        tag("footer", tag("p", "Written by Steadygrad. This page is one file and loads nothing.")),
        tag("script", Html(script)),
    )
    return f"<!DOCTYPE html>\n{tag('html', _head(title, style, script), body, lang='en')}\n"


def _head(title: str, style: str, script: str) -> Html:
    # Only this very style and script run, as in report.html.
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; "
        f"script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{title} – Steadygrad"),
        tag("link", rel="icon", href="data:,"),
        tag("style", Html(style)),
    )


@cache
def _asset(name: str) -> str:
    return resources.files("steadygrad.report").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
