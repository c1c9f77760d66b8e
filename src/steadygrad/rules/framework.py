"""What makes a function a rule, and a list of findings worth reading."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import TypedDict

from steadygrad.errors import SteadygradError, choose
from steadygrad.record import Finding, Record
from steadygrad.rules.causes import EXPLAINS, merge

Rule = Callable[[Record], Iterator[Finding]]

HEADINGS = ("What", "Why", "Fix", "Source")


class RuleRow(TypedDict):
    """One line of the catalogue."""

    name: str
    severity: str
    summary: str


def name_of(rule: Rule) -> str:
    """The rule's name, for people and for `--ignore`: its function's, with dashes."""
    return getattr(rule, "__name__", type(rule).__name__).replace("_", "-")


def run(record: Record, rules: Sequence[Rule], ignore: Sequence[str] = ()) -> list[Finding]:
    """Ask every rule but the ignored ones; root causes first, what they explain joined to them."""
    by_name = {name_of(rule): rule for rule in rules}
    for name in ignore:
        choose("rule", name, by_name)
    findings: list[Finding] = []
    for name, rule in by_name.items():
        if name not in ignore:
            findings += _checked(name, list(rule(record)))
    return merge(findings)


def page(name: str, rules: Sequence[Rule]) -> str:
    """The rule's docstring under its name and severity; an unknown name is an InputError."""
    rule = choose("rule", name, {name_of(rule): rule for rule in rules})
    summary, _, rest = _document(rule).partition("\n")
    kept = [line for line in rest.splitlines() if not line.startswith("Severity:")]
    body = "\n".join(kept).strip("\n")
    return f"{name} ({_severity(rule)}): {summary}\n\n{body}"


def catalogue(rules: Sequence[Rule]) -> list[RuleRow]:
    """One row per rule in the order of `rules`."""
    return [
        RuleRow(
            name=name_of(rule),
            severity=_severity(rule),
            summary=_document(rule).partition("\n")[0],
        )
        for rule in rules
    ]


def _document(rule: Rule) -> str:
    return inspect.getdoc(rule) or "No description."


def _severity(rule: Rule) -> str:
    for line in _document(rule).splitlines():
        if line.startswith("Severity:"):
            return line.removeprefix("Severity:").strip()
    return "unknown"


def _checked(name: str, findings: list[Finding]) -> list[Finding]:
    """A finding under another rule's name could not be ignored: that is a fault of the rule."""
    for finding in findings:
        if finding.rule != name:
            raise SteadygradError(
                f"The rule '{name}' names its finding '{finding.rule}'. Expected its own name; "
                "set rule= to the function's name with dashes."
            )
    return findings


__all__ = [
    "EXPLAINS",
    "HEADINGS",
    "Rule",
    "RuleRow",
    "catalogue",
    "merge",
    "name_of",
    "page",
    "run",
]
