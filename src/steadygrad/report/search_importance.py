"""What mattered: the share of each parameter with its uncertainty, and what goes together."""

from __future__ import annotations

from steadygrad.report import reading
from steadygrad.report.markup import Html, tag
from steadygrad.report.search_data import Searched
from steadygrad.report.tables import numeric, numeric_head, table
from steadygrad.report.words import number_or_none, percent

SURELY = 0.05
"""A parameter whose share is at least this, whatever the drawing, matters (`search.effects`)."""


def draw(searched: Searched) -> Html:
    """Bars with whiskers and plain sentences; one sentence where the trials don't show it."""
    if not searched.parameters or not searched.trials:
        return Html("")
    shares = reading.mapping(searched.found, "importance")
    explained = number_or_none(searched.found.get("explained"))
    if not shares:
        return tag("p", _nothing(explained), class_="empty card")
    ends = reading.mapping(searched.found, "importance_ends")
    weak = {str(name) for name in reading.rows(searched.found, "of_no_matter")}
    pairs = [[str(name) for name in pair] for pair in reading.rows(searched.found, "together")]
    rows: list[list[object]] = []
    for name, share in shares.items():
        low, high = _ends(ends, name)
        rows.append(
            [
                tag("th", tag("code", name), scope="row"),
                tag("td", _bar(number_or_none(share) or 0.0, low, high), class_="bar"),
                numeric(percent(share, 0), number_or_none(share)),
                tag("td", _between(low, high), class_="number soft between"),
                _verdict(name, low, weak, pairs),
            ]
        )
    heads = [
        "parameter",
        "share",
        numeric_head(""),
        tag("th", "could as well be", scope="col", class_="number between"),
        "",
    ]
    return tag(
        "div",
        table(heads, rows, class_="importance"),
        *(tag("p", _pair_words(pair)) for pair in pairs),
        tag("p", _note(explained), class_="note"),
        class_="card shares",
    )


def _pair_words(pair: list[str]) -> str:
    names = " and ".join(pair)
    return f"{names} go together: the best value of the one depends on the other."


def _note(explained: float | None) -> str:
    return (
        "How the differences between trials divide among the parameters: a parabola for each range "
        "and a step for each choice, fitted to the trials' ranks (ranks, because a trial that "
        "diverged is only worse, not a hundred times worse). The fit explains "
        f"{percent(explained, 0)} of the differences; the rest is chance, or finer than the fit. "
        "The thin line spans what the share becomes when the trials are drawn again from "
        "themselves (90 % of 200 drawings)."
    )


def _nothing(explained: float | None) -> str:
    if explained is None:
        return "Too few trials to tell which parameter matters."
    return (
        "The trials don't show which parameter matters: a fit to them explains "
        f"{percent(max(explained, 0.0), 0)} of their differences, the rest is chance."
    )


def _ends(ends: dict[str, object], name: str) -> tuple[float | None, float | None]:
    pair = reading.numbers(ends, name)
    return (pair[0], pair[1]) if len(pair) == 2 else (None, None)


def _between(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    return f"{percent(low, 0, unit=False)} to {percent(high, 0)}"


def _verdict(name: str, low: float | None, weak: set[str], pairs: list[list[str]]) -> str:
    partners = [other for pair in pairs for other in pair if name in pair and other != name]
    if partners:
        return f"together with {', '.join(partners)}"
    if name in weak:
        return "of no matter here"
    return "matters" if low is not None and low >= SURELY else "can't be told yet"


def _bar(share: float, low: float | None, high: float | None) -> Html:
    parts = [
        tag("rect", x=0, y=2, width=300, height=10, rx=3, class_="track"),
        tag("rect", x=0, y=2, width=300 * share, height=10, rx=3, class_="fill tone-blue"),
    ]
    if low is not None and high is not None:
        parts.append(tag("line", x1=300 * low, x2=300 * high, y1=7, y2=7, class_="whisker"))
        parts += [tag("line", x1=300 * at, x2=300 * at, y1=3, y2=11, class_="whisker")
                  for at in (low, high)]  # fmt: skip
    return tag("svg", *parts, viewBox="0 0 300 14", preserveAspectRatio="none", aria_hidden="true")
