"""What the rules found: fault, evidence, remedy, place."""

from __future__ import annotations

from steadygrad.record import Finding
from steadygrad.report.data import ReportData
from steadygrad.report.markup import Html, tag
from steadygrad.report.quotes import cut, first_number, place_key
from steadygrad.report.text import SEVERITIES, place
from steadygrad.report.words import plural

SHAPES = {
    "error": ("polygon", "7,1 17,1 23,7 23,17 17,23 7,23 1,17 1,7", "M8 8L16 16M16 8L8 16"),
    "warning": ("polygon", "12,2 23,22 1,22", "M12 9V15M12 18.2V18.8"),
    "note": ("circle", "", "M12 11V17M12 7.2V7.8"),
    "good": ("circle", "", "M7 12.5L10.8 16L17 8.8"),
}
"""Outline and stroke of each severity: told apart by shape, not by colour alone."""


def icon(severity: str) -> Html:
    """The severity's sign, with its name for a screen reader."""
    kind, points, stroke = SHAPES.get(severity, SHAPES["note"])
    if kind == "polygon":
        outline = tag("polygon", points=points, class_="outline")
    else:
        outline = tag("circle", cx=12, cy=12, r=11, class_="outline")
    return tag(
        "svg",
        outline,
        tag("path", d=stroke, class_="stroke"),
        viewBox="0 0 24 24",
        class_=f"icon {severity}",
        role="img",
        aria_label=severity,
    )


def draw(data: ReportData) -> Html:
    """Every finding, worst first; a plain sentence where there is none."""
    findings = sorted(data.record.findings, key=lambda f: SEVERITIES.index(f.severity))
    if not findings:
        words = tag("p", tag("strong", "No findings."), " No rule saw a fault in this run.")
        return tag("div", icon("good"), words, class_="finding card good")
    return tag("div", *(_finding(finding, data) for finding in findings), class_="findings")


def _finding(finding: Finding, data: ReportData) -> Html:
    head = tag(
        "h3",
        tag("span", finding.severity, class_="severity"),
        tag("code", finding.rule),
        tag("span", f"step {finding.step}", class_="soft"),
    )
    at = place(vars(finding.where))
    rows = (
        ("Saw", finding.saw),
        ("Expected", finding.expected),
        ("Fix", tag("strong", finding.fix) if finding.fix else ""),
        ("Where", tag("code", at) if at else ""),
        ("Source", finding.source),
    )
    pairs = [(tag("dt", name), tag("dd", text)) for name, text in rows if text]
    quoted = _quoted(finding, data.sources.get(place_key(finding.where), []))
    body = tag("div", head, quoted, tag("dl", *pairs))
    return tag("article", icon(finding.severity), body, class_=f"finding card {finding.severity}")


def _quoted(finding: Finding, lines: list[str]) -> Html | None:
    """The user's lines around the place, the one that is meant marked by more than colour."""
    if not lines:
        return None
    rows: list[Html] = []
    for number, line in enumerate(lines, first_number(finding.where)):
        meant = number == finding.where.line
        sign = tag("i", f"{'▸' if meant else ' '}{number:>5}  ", class_="number")
        rows.append(tag("span", sign, cut(line) + "\n", class_="meant" if meant else None))
    return tag("pre", tag("code", *rows), class_="source")


def label(data: ReportData) -> str:
    """The count beside the section's name."""
    return plural(len(data.record.findings), "finding") if data.record.findings else ""
