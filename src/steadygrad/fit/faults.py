"""What follows when a rule is certain of a fault while our own training goes on."""

from __future__ import annotations

from collections.abc import Collection

from steadygrad.errors import SteadygradError
from steadygrad.record import Finding
from steadygrad.report.text import findings_text

ANSWERS = ("warn", "stop", "fix", "ignore")
"""warn: say it and go on; stop: say it, and end where training can't work; fix: repair what can be
and go on, else as stop; ignore: say nothing until the report."""
HOPELESS = frozenset(
    (
        "collapsed-output",
        "dead-relu",
        "double-softmax",
        "exploding-gradient",
        "input-constant",
        "label-range",
        "lr-too-high",
        "no-gradient",
        "non-finite",
        "not-learning",
        "output-activation",
        "softmax-dim",
        "softmax-single-unit",
        "symmetric-init",
        "vanishing-gradient",
    )
)
"""Rules whose errors mean that going on is lost time."""
REPAIRED_WARNINGS = frozenset(("init-scale", "norm-small-batch", "symmetric-init"))
"""Of warnings, those that are repaired too: the repair costs nothing but the first few steps."""


class Stopped(SteadygradError):
    """Training was ended because of a certain error; the last state is kept."""

    def __init__(self, finding: Finding, step: int, kept: str, go_on: str) -> None:
        super().__init__(
            f"Stopped at step {step}: {finding.rule}. {finding.saw} {finding.fix} {kept} "
            f"Go on all the same with: {go_on} --on-fault warn"
        )
        self.finding = finding


def to_answer(
    findings: list[Finding], on_fault: str, repairable: Collection[str]
) -> Finding | None:
    """The first of these certain findings that stops a run or has it repaired; None: go on."""
    for finding in findings:
        error = finding.severity == "error"
        if on_fault in ("stop", "fix") and error and finding.rule in HOPELESS:
            return finding
        repaired = finding.severity == "warning" and finding.rule in REPAIRED_WARNINGS
        if on_fault == "fix" and finding.rule in repairable and (error or repaired):
            return finding
    return None


def worth_telling(findings: list[Finding], on_fault: str) -> str:
    """What a person is told the moment it is certain; empty where nothing is."""
    told = [finding for finding in findings if finding.severity != "note"]
    return findings_text(told) if told and on_fault != "ignore" else ""


def broken_finding(step: int, saw: str) -> Finding:
    """The finding of a run whose numbers broke where no rule could say why."""
    return Finding("non-finite", "error", step, saw, "Finite numbers.", "A smaller --lr.")
