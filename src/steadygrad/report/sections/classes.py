"""How each class does."""

from __future__ import annotations

from typing import Any

from steadygrad.report import reading
from steadygrad.report.data import ReportData
from steadygrad.report.markup import Html, tag
from steadygrad.report.tables import bar, numeric, sorting_head, table
from steadygrad.report.words import MISSING, count, percent


def draw(data: ReportData) -> Html:
    """A row a class: pictures per split, recall and precision; every column sorts."""
    facts = data.record.facts
    if not facts.classes:
        return Html("")
    splits = [split for split in ("train", "val", "test") if facts.class_counts.get(split)]
    split, evaluation = data.scored or ("", {})
    heads = [sorting_head("class"), *(sorting_head(name, numbers=True) for name in splits)]
    if evaluation:
        heads += [sorting_head("recall", numbers=True), sorting_head("precision", numbers=True)]
    rows = [
        [
            tag("th", tag("bdi", name), scope="row", title=name),
            *(_count(facts.class_counts[s], index) for s in splits),
            *(_measured(evaluation, key, index) for key in ("recall", "precision") if evaluation),
        ]
        for index, name in enumerate(facts.classes)
    ]
    words = (
        f"Recall: the share of a class's {split} pictures that were found. Precision: the share "
        "right among the pictures called so. Click a heading to sort."
    )
    note = tag("p", words if evaluation else "Click a heading to sort.", class_="note")
    return tag("div", note, table(heads, rows, class_="sortable classes"), class_="card")


def _count(numbers: list[int], index: int) -> Html:
    value = numbers[index] if index < len(numbers) else 0
    return numeric(count(value), value)


def _measured(evaluation: dict[str, Any], key: str, index: int) -> Html:
    values = reading.numbers(evaluation, key)
    value = values[index] if index < len(values) else None
    if value is None:
        return numeric(MISSING, -1.0)
    return numeric(percent(value), value, bar(value, "blue" if key == "recall" else "green"))
