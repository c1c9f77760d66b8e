"""What must hold for every page the program writes."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from steadygrad.report.markup import VOID


class Document(HTMLParser):
    """A page read strictly: every element closed in order, texts and attributes kept."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts, self.scripts = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        assert len(dict(attributes)) == len(attributes), f"an attribute twice in {name}"
        if name not in VOID:
            self.open.append(name)
        if name == "script":
            self.scripts.append((dict(attributes), ""))

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, text):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + text)
        elif self.open and self.open[-1] != "style":
            self.texts.append(text)

    @property
    def text(self):
        return "\n".join(self.texts)

    def all(self, name):
        return [attributes for element, attributes in self.elements if element == name]


def check_well_formed(page, beside=()):
    """Every element closed, every id once, everything named for those who can't see it.

    `beside`: pages in the same folder it may link to.
    """
    document = Document(page)
    ids = [a["id"] for _, a in document.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert all(image.get("alt") for image in document.all("img"))
    assert all(head.get("scope") in ("row", "col") for head in document.all("th"))
    labelled = [svg for svg in document.all("svg") if svg.get("aria-hidden") != "true"]
    assert all(svg.get("aria-label") and svg.get("role") == "img" for svg in labelled)
    targets = {link["href"] for link in document.all("a")} - set(beside)
    assert targets <= {f"#{name}" for name in ids}


def check_closed(page, beside=()):
    """Nothing is loaded from anywhere, nothing runs but the page's own script."""
    document = Document(page)
    for name, attributes in document.elements:
        assert not [key for key in attributes if key.startswith("on") or key == "style"], name
        for key in ("src", "href", "action", "data", "srcset", "xlink:href"):
            value = attributes.get(key) or "#"
            linked = name == "a" and value in beside
            assert linked or value.startswith(("#", "data:")), f"{name} {key}={value}"
    assert "http:" not in page
    assert "https:" not in page
    assert "@import" not in page
    assert "url(http" not in page
    runnable = [text for a, text in document.scripts if a.get("type") != "application/json"]
    assert len(runnable) == 1
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)
    policy = next(
        a["content"]
        for a in document.all("meta")
        if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    for text, kind in ((runnable[0], "script"), (style.group(1), "style")):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def check_strict_json(page):
    """Its data blocks are JSON, and none can end its element."""
    for attributes, text in Document(page).scripts:
        if attributes.get("type") == "application/json":
            json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
            assert "<" not in text
