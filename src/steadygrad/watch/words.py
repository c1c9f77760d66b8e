"""What a watched run says on standard error."""

from __future__ import annotations

import linecache
import os
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from steadygrad.judging.ledger import is_explained
from steadygrad.record import Finding
from steadygrad.report.markup import visible
from steadygrad.report.text import WIDTH, place
from steadygrad.report.words import percent, plural

if TYPE_CHECKING:
    from steadygrad.watch.session import Session

NAME = "steadygrad: "
SIGNS = {"error": "ERROR", "warning": "warning", "note": "note"}


def finding_text(finding: Finding, folder: str = "") -> str:
    """One finding in a few lines: severity, rule and place, the code there, saw, expected, fix.

    >>> from steadygrad.record import Where
    >>> print(finding_text(Finding("no-step", "error", 3, "3 backwards, no step.", "A step for "
    ...     "each backward.", "optimizer.step()", where=Where("train.py", 41))))
    steadygrad: ERROR no-step at train.py:41 (step 3)
      saw       3 backwards, no step.
      expected  A step for each backward.
      fix       optimizer.step()
    """
    at = place(vars(finding.where))
    head = f"{NAME}{SIGNS[finding.severity]} {finding.rule}"
    lines = [f"{head} {'at ' if at else ''}{at} (step {finding.step})".replace("  ", " ")]
    if code := _code(finding, folder):
        lines.append(f"  {'code':<10}{code}")
    rows = (("saw", finding.saw), ("expected", finding.expected), ("fix", finding.fix))
    lines += [_wrapped(name, text) for name, text in rows if text]
    return visible_lines("\n".join(lines))


def _code(finding: Finding, folder: str) -> str:
    file, line = finding.where.file, finding.where.line
    if not file or not line:
        return ""
    code = linecache.getline(os.path.join(folder, file), line).strip()
    return code if len(code) <= WIDTH - 12 else f"{code[: WIDTH - 13]}…"


def _wrapped(name: str, text: str) -> str:
    # A fix may be code of several lines: their breaks stay.
    first, *rest = text.splitlines() or [""]
    shown = textwrap.fill(
        first,
        WIDTH,
        initial_indent=f"  {name:<10}",
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join([shown, *(" " * 12 + line for line in rest)])


def visible_lines(text: str) -> str:
    """Text of several lines that steers no terminal."""
    return "\n".join(visible(line) for line in text.split("\n"))


def session_text(session: Session) -> str:
    """The last word on a session that has ended."""
    lines: list[str] = []
    if session.stopped is not None:
        lines.append(stopped_text(session.stopped, session.options.fail_on))
    if not session.trained and not session.findings:
        lines.append(nothing_trained_text("torch" in sys.modules))
    else:
        total = session.watch_seconds + session.script_seconds
        seen = seen_text(session.steps, session.watch_seconds / total if total else 0.0)
        lines.append(summary_text(session.findings, session.withdrawn, seen, session.folder))
    lines += [failure_line(text) for text in session.failures]
    return "\n".join(lines)


def summary_text(
    findings: Sequence[Finding], withdrawn: Sequence[Finding], seen: str, folder: str
) -> str:
    """All findings, root causes first, under a line that counts them; `seen` says of what."""
    counts = [
        plural(sum(finding.severity == severity for finding in findings), severity)
        for severity in SIGNS
        if any(finding.severity == severity for finding in findings)
    ]
    parts = [f"{NAME}{', '.join(counts) or 'nothing wrong seen'} {seen}"]
    parts += [finding_text(finding, folder) for finding in findings]
    parts += [_withdrawn(finding, findings) for finding in withdrawn]
    return "\n".join(parts)


def _withdrawn(finding: Finding, findings: Sequence[Finding]) -> str:
    causes = [cause.rule for cause in findings if is_explained(finding, cause)]
    because = f"{causes[0]} explains it" if causes else "it was not seen again"
    return f"{NAME}{finding.rule}, told at step {finding.step}, is withdrawn: {because}."


def seen_text(steps: int, share: float) -> str:
    """Of how much was seen, and what watching cost.

    >>> seen_text(1200, 0.0123)
    'in 1,200 steps; watching took 1.2 % of the time.'
    """
    return f"in {plural(steps, 'step')}; watching took {percent(share)} of the time."


def nothing_trained_text(torch_imported: bool) -> str:
    """What is said of a script that never trained."""
    why = "no backward was called" if torch_imported else "the script never imported torch"
    return f"{NAME}no training was seen: {why}."


def stopped_text(why: Finding | int, fail_on: str) -> str:
    """Why the script was stopped.

    >>> stopped_text(200, "never")
    'steadygrad: stopped after 200 steps, as asked (--stop-after).'
    """
    if isinstance(why, int):
        return f"{NAME}stopped after {plural(why, 'step')}, as asked (--stop-after)."
    return f"{NAME}stopped at a certain {why.severity}, {why.rule} (--fail-on {fail_on})."


def failure_line(text: str) -> str:
    """Something of ours that failed."""
    return f"{NAME}a fault of Steadygrad itself: {visible(text)}"
