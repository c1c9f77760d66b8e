"""The head of a watched script's page: the verdict, then the numbers of the run."""

from __future__ import annotations

from statistics import fmean

from steadygrad.record import Finding, Record
from steadygrad.report.data import ReportData
from steadygrad.report.markup import Html, tag
from steadygrad.report.sections.findings import icon
from steadygrad.report.text import SEVERITIES
from steadygrad.report.words import (
    count,
    duration,
    number,
    number_or_none,
    percent,
    plural,
    short_count,
)

FEW = 10
"""Steps whose mean loss stands for the start and for the end."""


def is_watched_script(data: ReportData) -> bool:
    """Somebody else's script: there is no recipe of ours, and nothing was scored."""
    measured = data.record.graphs or data.record.loop.backwards or "watch_seconds" in data.summary
    return bool(measured) and not data.resolved and data.scored is None


def subtitle(data: ReportData) -> str:
    """Which networks, with which optimizers."""
    loop = data.record.loop
    classes = [str(model.get("class", "")) for model in loop.models]
    names = dict.fromkeys([*classes, *(optimizer.name for optimizer in loop.optimizers)])
    return " · ".join([name for name in names if name][:8])


def verdict(data: ReportData) -> Html:
    """How many findings of which severity, and the first cause."""
    findings = data.record.findings
    worst = min(findings, key=lambda f: SEVERITIES.index(f.severity), default=None)
    sign = icon(worst.severity if worst else "good")
    if worst is None:
        words = "Nothing wrong was seen."
        if not data.record.steps:
            words = "No training was seen."
            sign = icon("note")
        return tag("div", sign, tag("p", words, class_="verdict"), class_="hero card")
    counts = [
        plural(sum(f.severity == severity for f in findings), severity)
        for severity in SEVERITIES
        if any(f.severity == severity for f in findings)
    ]
    first = tag("p", "First of all: ", tag("code", worst.rule), _at(worst), class_="remark")
    head = tag("p", f"{', '.join(counts)}.", class_="verdict")
    return tag("div", sign, tag("div", head, first, class_="words"), class_="hero card")


def _at(finding: Finding) -> Html | None:
    where = finding.where
    return tag("span", " at ", tag("code", f"{where.file}:{where.line}")) if where.file else None


def cards(data: ReportData) -> list[tuple[str, str, str]]:
    """Name, value and remark of each number about the run."""
    record, summary = data.record, data.summary
    watched = len({line.step for line in record.signals if line.kind == "train"})
    steps = summary.get("steps") or len(record.steps) or record.loop.step
    ours = number_or_none(summary.get("watch_seconds"))
    script = number_or_none(summary.get("script_seconds"))
    best = _best(record)
    cost = percent(ours / (ours + script)) if ours is not None and script else "–"
    return [
        ("Steps", count(steps) if steps else "–", f"{count(watched)} watched closely"),
        ("Loss", *_losses(record)),
        ("Best evaluation", percent(best), "accuracy"),
        ("Parameters", short_count(_parameters(record)), ""),
        ("Time of the script", duration(script), ""),
        ("Time for watching", duration(ours), f"{cost} of the whole"),
    ]


def _losses(record: Record) -> tuple[str, str]:
    losses = [value for step in record.steps if (value := number_or_none(step.loss)) is not None]
    if not losses:
        return "–", ""
    broken = len(losses) < len(record.steps)
    last = "NaN" if broken else number(fmean(losses[-FEW:]), 3)
    return last, f"{number(losses[0], 3)} at the first step"


def _best(record: Record) -> float | None:
    found = [number_or_none(epoch.val_accuracy) for epoch in record.epochs]
    return max((value for value in found if value is not None), default=None)


def _parameters(record: Record) -> float | None:
    models = [number_or_none(one.get("num_parameters")) or 0.0 for one in record.loop.models]
    return record.facts.num_parameters or sum(models) or None
