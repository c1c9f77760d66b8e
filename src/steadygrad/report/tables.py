"""Tables: heads, cells of numbers, thin bars in cells; and small cards of single numbers."""

from __future__ import annotations

from collections.abc import Sequence

from steadygrad.report.markup import Html, escape, tag
from steadygrad.report.words import MISSING, number_or_none


def bar(fraction: float | None, tone: str = "blue") -> Html:
    """A thin horizontal bar for a table cell, 0 to 1."""
    value = min(max(fraction or 0.0, 0.0), 1.0)
    return tag(
        "svg",
        tag("rect", x=0, y=0, width=100, height=6, rx=3, class_="track"),
        tag("rect", x=0, y=0, width=100 * value, height=6, rx=3, class_=f"fill tone-{tone}"),
        viewBox="0 0 100 6",
        class_="cellbar",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def table(heads: Sequence[object], rows: Sequence[Sequence[object]], **attributes: object) -> Html:
    """A table with column heads; the first cell of a row heads the row."""
    head = tag("thead", tag("tr", *(_head(cell) for cell in heads)))
    body = tag("tbody", *(tag("tr", *_cells(row)) for row in rows))
    classes = attributes.pop("class_", None)
    return tag("div", tag("table", head, body, **attributes, class_=classes), class_="scroll")


def _head(cell: object) -> Html:
    return cell if isinstance(cell, Html) else tag("th", str(cell), scope="col")


def _cells(row: Sequence[object]) -> list[Html]:
    cells: list[Html] = []
    for index, cell in enumerate(row):
        inner = cell if isinstance(cell, Html) else Html(escape(cell))
        if inner.startswith(("<td", "<th")):
            cells.append(inner)
        else:
            cells.append(tag("td", inner) if index else tag("th", inner, scope="row"))
    return cells


def numeric(text: object, value: float | None = None, *more: Html) -> Html:
    """A right-aligned cell, with the value it sorts by."""
    sortable = None if number_or_none(value) is None else f"{value:.6g}"
    return tag("td", str(text), *more, class_="number", data_value=sortable)


def numeric_head(text: str) -> Html:
    """The heading of a column of numbers."""
    return tag("th", text, scope="col", class_="number")


def sorting_head(name: str, words: str = "", *, numbers: bool = False) -> Html:
    """A heading that sorts its column when clicked; `words` say what it means."""
    arrow = tag("span", class_="arrow", aria_hidden="true")
    button = tag("button", name, arrow, type="button", title=words or None)
    return tag("th", button, scope="col", class_="number" if numbers else None)


def card_grid(cards: Sequence[tuple[str, str, str]]) -> Html:
    """Small cards of (name, value, what stands below it); those without a value are left out."""
    return tag("dl", *(_card(*card) for card in cards if card[1] != MISSING), class_="cards")


def _card(name: str, value: str, below: str) -> Html:
    small = tag("dd", below, class_="below") if below else None
    return tag("div", tag("dt", name), tag("dd", value, class_="value"), small, class_="card")
