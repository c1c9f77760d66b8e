"""Every number the run depends on, how to repeat it, how to use what came out."""

from __future__ import annotations

import shlex
from itertools import groupby
from typing import Any

from steadygrad.report.data import ReportData
from steadygrad.report.markup import Html, tag, visible
from steadygrad.report.measure import RecipeRow, recipe_rows
from steadygrad.report.tables import table
from steadygrad.report.text import parity_words

BADGES = {
    "given": "given by you",
    "chosen": "chosen automatically",
    "default": "default",
}
PYTHON = """\
import numpy, onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession({model!r})
pixels = numpy.asarray(Image.open("photo.jpg").convert("RGB"))[None]  # uint8, any size
probabilities = session.run(None, {{session.get_inputs()[0].name: pixels}})[0]"""


def draw(data: ReportData) -> Html:
    """Use it, repeat it, every number of it, and the versions it ran on."""
    parts = [_use(data), _repeat(data), _numbers(data), _versions(data)]
    return tag("div", *parts) if any(parts) else Html("")


def _use(data: ReportData) -> Html | None:
    if not data.folder:
        return None
    model = f"{data.folder.rstrip('/')}/model.onnx"
    parity = parity_words(data.summary.get("parity"))
    proof = tag("p", f"Proven: {parity}.") if parity else None
    return tag(
        "div",
        tag("h3", "Use the model"),
        proof,
        tag("pre", tag("code", f"steadygrad predict {_quoted(model)} PICTURES…")),
        tag("p", "Or from any program with onnxruntime; resizing and preprocessing are inside:"),
        tag("pre", tag("code", PYTHON.format(model=visible(model)))),
        class_="card prose",
    )


def _quoted(text: str) -> str:
    return shlex.quote(visible(text))


def _repeat(data: ReportData) -> Html | None:
    parts: list[Html] = []
    if data.command:
        parts.append(tag("pre", tag("code", data.command)))
    seed = data.summary.get("seed", data.resolved.get("seed"))
    words = [] if seed is None else [f"Seed {seed}."]
    if data.fingerprint:
        words.append("The data and its settings have the fingerprint ")
    if words or parts:
        mark = tag("code", data.fingerprint, class_="long") if data.fingerprint else None
        line = tag("p", " ".join(words), mark)
        return tag("div", tag("h3", "Repeat the run"), *parts, line, class_="card prose")
    return None


def _numbers(data: ReportData) -> Html | None:
    rows = recipe_rows(data.asked, data.resolved)
    if not rows:
        return None
    legend = tag("p", *(_badge(kind, BADGES[kind]) for kind in BADGES), class_="legend")
    groups = [
        _group(name, list(members)) for name, members in groupby(rows, key=lambda row: row.group)
    ]
    grid = tag("div", *groups, class_="recipe")
    return tag("div", tag("h3", "Every number"), legend, grid, class_="card")


def _group(name: str, rows: list[RecipeRow]) -> Html:
    return tag(
        "div",
        tag("h4", name.capitalize()),
        table(["field", "value", "origin"], [_row(row) for row in rows]),
    )


def _row(row: RecipeRow) -> list[object]:
    asked = ""
    if row.origin == "chosen" and row.asked not in (None, row.value):
        asked = f"asked for: {_value(row.asked)}"
    return [
        tag("th", tag("code", row.name), scope="row", data_tip=row.help or None),
        tag("td", _value(row.value), class_="value"),
        tag("td", _badge(row.origin, row.origin), class_="origin", data_tip=asked or None),
    ]


def _badge(kind: str, text: str) -> Html:
    return tag("span", text, class_=f"badge {kind}")


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "“”" if value == "" else str(value)


def _versions(data: ReportData) -> Html | None:
    rows = [*data.versions.items(), *data.record.facts.machine.items()]
    if not rows:
        return None
    pairs = [(tag("dt", name), tag("dd", str(value))) for name, value in rows]
    return tag(
        "div", tag("h3", "Versions and machine"), tag("dl", *pairs, class_="facts"), class_="card"
    )
