"""The gallery's page: what the experiments gave, as HTML."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from steadygrad.lab.verdicts import columns_of, show, tables_of
from steadygrad.report.markup import Html, join, tag
from steadygrad.report.tables import numeric, numeric_head, table

MAX_ROWS = 14
"""Longer tables are folded away."""

FIGURES = "figures"

Entry = dict[str, Any]


def figure_path(figure: Entry, kind: str) -> str:
    """Where a figure lies, from the page on; never outside the folder of the figures.

    >>> figure_path({"file": "../../toy-line"}, "png")
    'figures/toy-line.png'
    """
    return f"{FIGURES}/{PurePath(figure['file']).name}.{kind}"


def render(entries: list[Entry], missing: list[Entry], style: str, mark: str) -> str:
    """The whole page; `missing` experiments are named only. `mark` goes into its head."""
    verdicts = [verdict for entry in entries for verdict in entry["verdicts"]]
    num_held = sum(bool(verdict["holds"]) for verdict in verdicts)
    broken = sum(bool(entry.get("error")) for entry in entries)
    lead = (
        "Each experiment states a claim, runs it, and holds what was measured against what "
        f"theory or the paper says. {num_held} of {len(verdicts)} verdicts hold"
    )
    lead += f"; {broken} of {len(entries)} experiments failed to run." if broken else "."
    links = [_link(entry) for entry in entries]
    links += [
        tag("li", tag("span", "·", class_="sign"), tag("span", each["title"], " (not run yet)"))
        for each in missing
    ]
    versions = "; ".join(dict.fromkeys(str(entry.get("made by", "")) for entry in entries))
    body = tag(
        "body",
        tag("a", "Skip to the experiments", class_="skip", href="#experiments"),
        tag(
            "main",
            tag(
                "header",
                tag("p", "Steadygrad", class_="kicker"),
                tag("h1", "The lab"),
                tag("p", lead, class_="subtitle"),
            ),
            tag("ol", *links, class_="contents card"),
            tag("div", *(_section(entry) for entry in entries), id="experiments"),
        ),
        tag("footer", tag("p", f"Every verdict is computed. {versions}")),
    )
    return f"<!DOCTYPE html>\n{tag('html', _head(style, mark), body, lang='en')}\n"


def _head(style: str, mark: str) -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        Html(mark),
        tag("title", "The lab – Steadygrad"),
        tag("link", rel="icon", href="data:,"),
        tag("style", Html(style)),
    )


def _link(entry: Entry) -> Html:
    holds, total = bool(entry["holds"]), len(entry["verdicts"])
    num_held = sum(bool(verdict["holds"]) for verdict in entry["verdicts"])
    count = "failed to run" if entry.get("error") else f"{num_held} of {total}"
    return tag(
        "li",
        _sign(holds),
        tag(
            "span",
            tag("a", entry["title"], href=f"#{entry['name']}"),
            " ",
            tag("span", count, class_="soft"),
        ),
        class_="good" if holds else "bad",
    )


def _section(entry: Entry) -> Html:
    how = tag("p", tag("code", entry["command"]), f" took {entry['seconds']:.1f} s", class_="note")
    return tag(
        "section",
        tag("h2", entry["title"]),
        tag("p", tag("b", "Claim. "), entry["claim"], class_="claim"),
        tag("p", entry["explanation"], class_="prose"),
        *(_found(entry) if not entry.get("error") else [_failure(entry)]),
        tag("p", tag("b", "Source: "), entry["source"], class_="note"),
        how,
        id=entry["name"],
    )


def _failure(entry: Entry) -> Html:
    words = tag("div", "This experiment failed to run: ", tag("code", entry["error"]))
    line = tag("li", _sign(holds=False), words, class_="bad")
    return tag("div", tag("ul", line, class_="verdicts"), class_="card")


def _found(entry: Entry) -> list[Html]:
    verdicts = tag("ul", *(_verdict(verdict) for verdict in entry["verdicts"]), class_="verdicts")
    return [
        *(_figure(figure) for figure in entry["figures"]),
        tag("p", tag("b", "Seen. "), entry["text"], class_="prose"),
        tag("div", verdicts, class_="card"),
        *(_numbers(rows) for rows in tables_of(entry["numbers"])),
    ]


def _figure(figure: Entry) -> Html:
    links = [
        tag("a", kind.upper(), href=figure_path(figure, kind))
        for kind in ("png", "svg")
        if kind in figure["kinds"]
    ]
    width, height = figure["size"]
    separated = [part for link in links for part in (" · ", link)][1:]
    image = tag(
        "img",
        src=figure_path(figure, "png"),
        alt=figure["caption"],
        width=int(width),
        height=int(height),
    )
    links_after = tag("span", join(separated), class_="soft links")
    return tag("figure", image, tag("figcaption", figure["caption"], " ", links_after))


def _verdict(verdict: Entry) -> Html:
    measured = "" if verdict["measured"] is None else f"measured {show(verdict['measured'])}, "
    detail = f"{measured}expected {verdict['expected']}"
    return tag(
        "li",
        _sign(bool(verdict["holds"])),
        tag(
            "div",
            verdict["text"],
            tag("span", ": ", detail, class_="measured"),
            tag("div", verdict["tolerance"], class_="soft") if verdict["tolerance"] else None,
        ),
        class_="good" if verdict["holds"] else "bad",
    )


def _sign(holds: bool) -> Html:
    words = "holds" if holds else "does not hold"
    return tag("span", "✓" if holds else "✗", class_="sign", role="img", aria_label=words)


def _numbers(rows: list[Entry]) -> Html:
    heads = columns_of(rows)
    right = {head for head in heads if any(isinstance(row.get(head), int | float) for row in rows)}
    drawn = table(
        [numeric_head(head) if head in right else head for head in heads],
        [
            [
                numeric(show(row.get(head))) if head in right else show(row.get(head))
                for head in heads
            ]
            for row in rows
        ],
    )
    if len(rows) <= MAX_ROWS:
        return tag("div", drawn, class_="card")
    return tag("details", tag("summary", f"The numbers ({len(rows)} rows)"), drawn, class_="card")
