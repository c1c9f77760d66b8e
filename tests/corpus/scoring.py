"""What a run of a case is worth: was the fault found, at the right line, first, how soon."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from case import Case
from corpus_data import SKIPPED

SOON = 50
"""The first right finding should come within this many steps."""

HELPS = 0.02
"""A fix that raises the mean score by less is not taken to help."""

TARGETS = {"found": 0.90, "line": 0.85, "first": 0.80, "soon": 0.80}
"""Shares of the faulty cases that issue 3 asks for."""

QUIET_TARGET = 0.02
"""Share of healthy scripts that may get a warning; none may get an error."""


@dataclass
class Outcome:
    """One script run once: faulty, fixed or healthy, with the tool or without."""

    case: str
    kind: str
    seed: int
    status: int | None
    """Exit status; None where the time ran out."""
    seconds: float
    score: float | None
    findings: list[dict[str, Any]] | None
    """None where the tool wrote no report."""
    stderr: str = ""
    tool_failures: list[Any] = field(default_factory=list)

    @property
    def skipped(self) -> bool:
        return self.status == SKIPPED

    @property
    def alarms(self) -> list[dict[str, Any]]:
        return [f for f in self.findings or () if f.get("severity") in ("error", "warning")]


@dataclass
class Verdict:
    """How the findings of a faulty run compare with the case's header."""

    rule: str
    strict: bool
    """The header's own rule was found, not one of its `also`."""
    found: bool
    line: bool
    first: bool
    step: int | None
    named: list[str]
    at: list[int | None]
    """Lines given by the findings that are right."""

    @property
    def soon(self) -> bool:
        return self.found and self.step is not None and self.step <= SOON


def judge(case: Case, outcome: Outcome) -> Verdict:
    findings = outcome.findings or []
    right = [
        finding
        for finding in findings
        if finding.get("rule") in case.rules and finding.get("severity") in case.severities
    ]
    steps = [f["step"] for f in right if f.get("step") is not None]
    return Verdict(
        rule=case.rule,
        strict=any(f["rule"] == case.rule for f in right),
        found=bool(right),
        line=any(on_right_line(case, f) for f in right),
        first=bool(right) and findings[0] is right[0],
        step=min(steps, default=None),
        named=[f"{f.get('severity', '?')[0].upper()} {f.get('rule')}" for f in findings],
        at=[place(f).get("line") for f in right],
    )


def place(finding: dict[str, Any]) -> dict[str, Any]:
    return finding.get("where") or {}


def on_right_line(case: Case, finding: dict[str, Any]) -> bool:
    where = place(finding)
    same_file = Path(where.get("file") or "").name == case.path.name
    return same_file and where.get("line") in case.right_lines


@dataclass
class Sums:
    """One line of the table."""

    runs: int = 0
    found: int = 0
    strict: int = 0
    line: int = 0
    first: int = 0
    soon: int = 0
    steps: list[int] = field(default_factory=list)
    fixed: int = 0
    fixed_errors: int = 0
    fixed_warnings: int = 0

    def add(self, verdict: Verdict) -> None:
        self.runs += 1
        for name in ("found", "strict", "line", "first", "soon"):
            setattr(self, name, getattr(self, name) + getattr(verdict, name))
        if verdict.step is not None:
            self.steps.append(verdict.step)

    def add_fixed(self, outcome: Outcome) -> None:
        self.fixed += 1
        severities = {f["severity"] for f in outcome.alarms}
        self.fixed_errors += "error" in severities
        self.fixed_warnings += severities == {"warning"}


def table(cases: Sequence[Case], outcomes: Iterable[Outcome]) -> str:
    """Per rule and in total: what was found, and the alarms on the repaired versions."""
    by_name = {case.name: case for case in cases}
    rules: dict[str, Sums] = {}
    total = Sums()
    for outcome in outcomes:
        case = by_name[outcome.case]
        if outcome.skipped or case.healthy:
            continue
        for sums in (rules.setdefault(case.rule, Sums()), total):
            if outcome.kind == "faulty":
                sums.add(judge(case, outcome))
            elif outcome.findings is not None:
                sums.add_fixed(outcome)
    head = ("rule", "runs", "found", "strict", "line", "first", "steps", "fixed", "E", "W")
    lines = [row(head), row(("-" * 27,) + ("-----",) * 9)]
    lines += [row(cells(rule, sums)) for rule, sums in sorted(rules.items())]
    lines += [row(cells("total", total)), "", *targets(total)]
    return "\n".join(lines)


def cells(rule: str, sums: Sums) -> tuple[object, ...]:
    median = f"{statistics.median(sums.steps):.0f}" if sums.steps else "-"
    counts = (sums.runs, sums.found, sums.strict, sums.line, sums.first, median)
    return (rule, *counts, sums.fixed, sums.fixed_errors, sums.fixed_warnings)


def row(columns: Sequence[object]) -> str:
    return f"{columns[0]:<28}" + "".join(f"{column:>8}" for column in columns[1:])


def targets(total: Sums) -> list[str]:
    if not total.runs:
        return []
    names = {
        "found": "right rule",
        "line": "right line",
        "first": "right rule first",
        "soon": f"within {SOON} steps",
    }
    return [
        f"{text:<18} {getattr(total, name):>4} of {total.runs}"
        f" = {getattr(total, name) / total.runs:6.1%}   target {TARGETS[name]:.0%}"
        for name, text in names.items()
    ]


def healthy_lines(outcomes: Iterable[Outcome]) -> list[str]:
    """The count of healthy runs with an error or a warning."""
    runs = [o for o in outcomes if o.kind == "healthy" and not o.skipped and o.findings is not None]
    if not runs:
        return []
    errors = [o for o in runs if any(f["severity"] == "error" for f in o.alarms)]
    warnings = [o for o in runs if o.alarms and o not in errors]
    allowed = f"target {QUIET_TARGET:.0%}"
    return [
        f"healthy: error      {len(errors):>3} of {len(runs)} = {len(errors) / len(runs):6.1%}"
        "   target 0",
        f"healthy: warning    {len(warnings):>3} of {len(runs)} = {len(warnings) / len(runs):6.1%}"
        f"   {allowed}",
    ]


def miss(case: Case, outcome: Outcome) -> str:
    """One line that says what went wrong with this run; empty where nothing did."""
    name = f"{outcome.kind:<7} {outcome.case} (seed {outcome.seed})"
    if outcome.skipped:
        return f"SKIPPED {name}"
    if outcome.findings is None:
        return f"NO REPORT {name}: status {outcome.status}: {last_line(outcome.stderr)}"
    if outcome.tool_failures:
        count = len(outcome.tool_failures)
        return f"TOOL FAILED {name}: {count} times: {str(outcome.tool_failures[0])[:200]}"
    if outcome.kind != "faulty":
        said = ", ".join(
            f"{f['severity'][0].upper()} {f['rule']}:{place(f).get('line')}" for f in outcome.alarms
        )
        return f"ALARM {name}: {said}" if said else ""
    verdict = judge(case, outcome)
    named = ", ".join(verdict.named) or "nothing"
    if not verdict.found:
        return f"MISSED {name}: wanted {case.rule}, said {named}"
    if not verdict.line:
        right = sorted(case.right_lines)
        return f"LINE {name}: at {verdict.at}, right are {right}"
    return "" if verdict.first else f"NOT FIRST {name}: said {named}"


def last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][-200:]


def compare(case: Case, faulty: Sequence[Outcome], fixed: Sequence[Outcome]) -> tuple[bool, str]:
    """Does the fix help? Exit status first, then means against the pooled spread of the seeds."""
    runs = (*faulty, *fixed)
    if any(o.skipped for o in runs):
        return True, "skipped"
    crashes = [sum(o.status != 0 or not finite(o.score) for o in part) for part in (faulty, fixed)]
    if crashes[1]:
        said = ", ".join(last_line(o.stderr) for o in fixed if o.status)
        return False, f"the fixed version fails {crashes[1]} times: {said}"
    after = [o.score for o in fixed if o.score is not None]
    if crashes[0]:
        return True, f"fails {crashes[0]} times -> {statistics.mean(after):.4f}"
    before = [o.score for o in faulty if o.score is not None]
    gain = statistics.mean(after) - statistics.mean(before)
    spread = pooled(before, after)
    text = f"{show(before)} -> {show(after)}  gain {gain:+.4f}, spread {spread:.4f}"
    helps = gain > spread and gain > HELPS
    if not helps and case.by_logic:
        return True, f"{text}  (by logic)"
    return helps, text


def finite(score: float | None) -> bool:
    return score is not None and abs(score) < float("inf")


def pooled(before: Sequence[float], after: Sequence[float]) -> float:
    variances = [statistics.variance(part) if len(part) > 1 else 0.0 for part in (before, after)]
    return (sum(variances) / 2) ** 0.5


def show(scores: Sequence[float]) -> str:
    return " ".join(f"{score:.3f}" for score in scores)


def detail(case: Case, outcome: Outcome) -> dict[str, Any]:
    """Everything about one run, for the JSON file."""
    verdict = judge(case, outcome) if outcome.kind == "faulty" else None
    return {**asdict(outcome), "verdict": verdict and {**asdict(verdict), "soon": verdict.soon}}
