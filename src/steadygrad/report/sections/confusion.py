"""Which classes are taken for which, with the pictures behind it."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

from steadygrad.report import reading
from steadygrad.report.data import ConfusedPair, Picture, ReportData
from steadygrad.report.markup import Html, data_script, tag
from steadygrad.report.measure import Pair, confused_pairs
from steadygrad.report.picture import within
from steadygrad.report.png import Colour, png
from steadygrad.report.sections.gallery import gallery
from steadygrad.report.tables import bar, numeric, numeric_head, table
from steadygrad.report.words import count, percent, plural, shorten

MAX_LABELLED = 25
"""Above this many classes the matrix is a picture without labels."""
MAX_PAIRS = 12
MAX_CELLS = 20_000
"""Cells whose numbers the large matrix knows for its tooltip."""
MAX_CELL_PICTURES, MAX_WORST_CELLS, MAX_MISTAKES = 6, 12, 40
WORST_BYTES, MISTAKE_BYTES = 600_000, 500_000
"""Of pictures, before base64 makes them a third larger: the page stays below 3 MB."""
RIGHT, WRONG = (24, 118, 190), (213, 94, 0)
"""Blue and vermilion, told apart under every colour blindness (Okabe and Ito, 2008)."""


def draw(data: ReportData) -> Html:
    """The matrix, its worst cells with pictures, the most confident mistakes."""
    split, evaluation = data.scored or ("", {})
    confusion = reading.confusion(evaluation)
    classes = data.record.facts.classes
    parts: list[Html] = []
    if confusion and len(confusion) == len(classes):
        # The list stands beside the matrix, and is about as high.
        pairs = confused_pairs(confusion, min(max(len(classes) - 2, 6), MAX_PAIRS))
        draw_matrix = labelled if len(classes) <= MAX_LABELLED else compact
        listed = _list(pairs, classes) if pairs else None
        matrix = draw_matrix(confusion, classes)
        words = tag("p", _words(confusion, split), class_="note")
        parts.append(tag("div", words, tag("div", matrix, listed, class_="beside"), class_="card"))
    if cells := _worst_cells(data.worst_cells):
        parts += [tag("h3", "Pictures behind the worst cells"), cells]
    if data.mistakes:
        parts.append(tag("h3", "Most confident mistakes"))
        parts.append(tag("div", *_mistakes(data.mistakes), class_="card"))
    return tag("div", *parts) if parts else Html("")


def _words(confusion: list[list[int]], split: str) -> str:
    total = sum(map(sum, confusion))
    right = sum(row[index] for index, row in enumerate(confusion))
    if right == total:
        return f"Every one of the {plural(total, f'{split} picture')} is right."
    return (
        f"{count(total - right)} of {plural(total, f'{split} picture')} are wrong. A row is a "
        "true class, a column what the network said; the colour is the share of the row: blue on "
        "the diagonal is right, orange is wrong."
    )


def labelled(confusion: Sequence[Sequence[int]], classes: list[str]) -> Html:
    """The matrix as a table with class names at both sides."""
    long = any(len(name) > 3 for name in classes)
    heads = [
        tag(
            "th",
            tag("bdi", shorten(name, 20)),
            scope="col",
            title=name,
            class_="up" if long else None,
        )
        for name in classes
    ]
    corner = tag("th", "true ↓  said →", class_="corner", scope="col")
    rows = [
        tag(
            "tr",
            tag("th", tag("bdi", shorten(name, 20)), scope="row", title=name),
            *(_cell(confusion, classes, true, predicted) for predicted in range(len(classes))),
        )
        for true, name in enumerate(classes)
    ]
    body = tag(
        "table", tag("thead", tag("tr", corner, *heads)), tag("tbody", *rows), class_="matrix"
    )
    return tag("div", body, class_="scroll")


def _cell(confusion: Sequence[Sequence[int]], classes: list[str], true: int, said: int) -> Html:
    value, total = confusion[true][said], sum(confusion[true])
    if not value:
        return tag("td", "·" if true != said else "0", class_="none")
    fraction = value / total
    # Square root for mistakes: 2 % of a row is what one looks for, and has to be seen.
    strength = fraction if true == said else math.sqrt(fraction)
    level = min(10, max(1, math.ceil(10 * strength)))
    kind = "right" if true == said else "wrong"
    tip = (
        f"{shorten(classes[true])} → {shorten(classes[said])}: {count(value)} of {count(total)} "
        f"({percent(fraction)})"
    )
    return tag("td", count(value), class_=f"{kind} h{level}", data_tip=tip)


def compact(confusion: Sequence[Sequence[int]], classes: list[str]) -> Html:
    """The matrix as a picture, one pixel a cell; the tooltip names the cell."""
    totals = [sum(row) for row in confusion]
    rows = [
        [_colour(true == said, value, totals[true]) for said, value in enumerate(row)]
        for true, row in enumerate(confusion)
    ]
    source = "data:image/png;base64," + base64.b64encode(png(rows)).decode("ascii")
    cells = [
        [true, said, value]
        for true, row in enumerate(confusion)
        for said, value in enumerate(row)
        if value
    ]
    cells.sort(key=lambda cell: -cell[2])
    numbers = {
        "classes": [shorten(name, 40) for name in classes],
        "cells": cells[:MAX_CELLS],
        "totals": totals,
    }
    alt = f"Confusion matrix of {len(classes)} classes, true classes from top to bottom"
    return tag(
        "figure",
        tag("img", src=source, alt=alt, class_="pixels compact"),
        tag("figcaption", "said → · true ↓", class_="soft"),
        data_script(numbers, class_="numbers"),
        class_="bigmatrix",
    )


def _colour(right: bool, value: int, total: int) -> Colour:
    if not value:
        return 0, 0, 0, 0
    return (*(RIGHT if right else WRONG), round(255 * (0.3 + 0.7 * math.sqrt(value / total))))


def _list(pairs: list[Pair], classes: list[str]) -> Html:
    rows = [
        [
            tag(
                "th",
                tag("bdi", shorten(classes[pair.true], 22)),
                scope="row",
                title=classes[pair.true],
            ),
            tag(
                "td",
                tag("bdi", shorten(classes[pair.predicted], 22)),
                title=classes[pair.predicted],
            ),
            numeric(count(pair.count)),
            numeric(percent(pair.fraction), pair.fraction, bar(pair.fraction, "orange")),
        ]
        for pair in pairs
    ]
    heads = ["true", "said", numeric_head("pictures"), numeric_head("of its class")]
    return tag("div", tag("h3", "Worst cells"), table(heads, rows), class_="worst")


def _worst_cells(cells: list[ConfusedPair]) -> Html | None:
    drawn: list[Html] = []
    budget = WORST_BYTES
    for cell in cells[:MAX_WORST_CELLS]:
        pictures = within(cell.pictures, MAX_CELL_PICTURES, budget)
        budget -= sum(len(picture.image) for picture in pictures)
        if not pictures:
            continue
        head = tag(
            "h4",
            tag("bdi", shorten(cell.true), class_="true"),
            " → ",
            tag("bdi", shorten(cell.predicted), class_="predicted"),
            tag("span", _shown(cell.count, len(pictures)), class_="soft"),
        )
        drawn.append(tag("article", head, gallery(pictures, captions=False), class_="card"))
    return tag("div", *drawn, class_="worstcells") if drawn else None


def _shown(number: int, shown: int) -> str:
    return (f"{shown} of " if shown < number else "") + plural(number, "picture")


def _mistakes(mistakes: list[Picture]) -> list[Html]:
    shown = within(mistakes, MAX_MISTAKES, MISTAKE_BYTES)
    words = "Wrong, and sure of it: look here for wrong labels first. True → said, probability."
    parts = [tag("p", words, class_="note"), gallery(shown)]
    if len(mistakes) > len(shown):
        more = f"{count(len(mistakes) - len(shown))} more are left out to keep the page small."
        parts.append(tag("p", more, class_="note"))
    return parts
