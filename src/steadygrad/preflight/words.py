"""The checklist as a person reads it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from steadygrad.preflight.result import Check
from steadygrad.record import Finding
from steadygrad.report.markup import visible
from steadygrad.report.text import WIDTH, findings_text
from steadygrad.report.words import plural

SIGNS = {"pass": "ok", "warn": "warning", "fail": "FAIL", "skip": "skipped"}
INDENT = 10


def checks_text(checks: Sequence[Check]) -> str:
    """One line per check: verdict, numbers; below it what they mean and what to type."""
    lines: list[str] = []
    for check in checks:
        text = f"{check.name}: {check.saw}. {check.means}"
        if check.fix:
            text += f" → {check.fix}"
        lines.append(
            textwrap.fill(
                visible(text),
                WIDTH,
                initial_indent=f"{SIGNS[check.status]:<{INDENT}}",
                subsequent_indent=" " * INDENT,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
    return "\n".join(lines)


def verdict(checks: Sequence[Check], findings: Sequence[Finding]) -> str:
    """The whole checklist in a sentence.

    >>> verdict([Check("inputs", "pass", "mean 0", "Good.")], [])
    'Ready to train: 1 check passed.'
    """
    failed = [check.name for check in checks if check.status == "fail"]
    errors = [finding.rule for finding in findings if finding.severity == "error"]
    if failed or errors:
        named = ", ".join(dict.fromkeys([*failed, *errors]))
        return f"Not ready to train: {named}."
    doubtful = [check.name for check in checks if check.status == "warn"]
    doubtful += [finding.rule for finding in findings if finding.severity == "warning"]
    if doubtful:
        return f"It will train, but look at: {', '.join(dict.fromkeys(doubtful))}."
    passed = sum(check.status == "pass" for check in checks)
    return f"Ready to train: {plural(passed, 'check')} passed."


def preflight_text(checks: Sequence[Check], findings: Sequence[Finding], seconds: float) -> str:
    """Checks, then what rules found, then the verdict."""
    parts = [checks_text(checks)]
    if findings:
        parts.append(findings_text(findings))
    parts.append(f"{verdict(checks, findings)} ({seconds:.0f} s)")
    return "\n\n".join(parts)
