"""A page as one file that loads nothing: its style and scripts inside, and nothing else allowed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources

from steadygrad.report.markup import Html, tag

FOOTER = "Written by Steadygrad. This page is one file and loads nothing."


def document(
    title: str, parts: Sequence[Html], styles: Sequence[str], scripts: Sequence[str]
) -> str:
    """The whole page as text; `styles` and `scripts` name files of this package.

    >>> "<title>a &lt;b&gt; – Steadygrad</title>" in document("a <b>", [], ["page.css"], [])
    True
    """
    style, script = ("\n".join(_asset(name) for name in names) for names in (styles, scripts))
    body = tag(
        "body",
        *parts,
        tag("footer", tag("p", FOOTER)),
        tag("script", Html(script)),
    )
    return f"<!DOCTYPE html>\n{tag('html', _head(title, style, script), body, lang='en')}\n"


def _head(title: str, style: str, script: str) -> Html:
    # Only this very style and script run: whatever a name smuggles in is refused by the browser.
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
