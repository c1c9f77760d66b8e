"""A run, its findings and its data in plain words for a terminal. No colour, no markup."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from steadygrad.record import Finding
from steadygrad.report import reading
from steadygrad.report.audited import audit_facts, audit_items
from steadygrad.report.markup import visible
from steadygrad.report.words import (
    count,
    duration,
    number,
    number_or_none,
    percent,
    plural,
    short_count,
    shorten,
)

WIDTH = 96
SPLITS = ("train", "val", "test")
SEVERITIES = ("error", "warning", "note")
SIGNS = {"good": "ok", "note": "note", "warning": "warning", "error": "ERROR"}


def verdict(split: str, evaluation: Mapping[str, Any] | None) -> str:
    """How well it did, in words.

    >>> verdict("test", {"accuracy": .941, "num_images": 2000, "accuracy_interval": [.93, .951]})
    '94.1 % of 2,000 test pictures right (95 % interval 93.0–95.1)'
    """
    accuracy = number_or_none((evaluation or {}).get("accuracy"))
    if evaluation is None or accuracy is None:
        return f"No {split} pictures were scored"
    images = evaluation.get("num_images")
    kind = "" if split == "all" else f"{split} "
    which = f"of {count(images)} {kind}pictures" if images else f"of the {kind}pictures"
    return f"{percent(accuracy)} {which} right{_interval(evaluation)}"


def _interval(evaluation: Mapping[str, Any]) -> str:
    ends = reading.interval(evaluation)
    return f" (95 % interval {100 * ends[0]:.1f}–{100 * ends[1]:.1f})" if ends else ""


def parity_words(parity: Mapping[str, Any] | None) -> str:
    """What the proof of the exported model found, in words; empty where there was none."""
    agreement = number_or_none((parity or {}).get("top1_agreement"))
    if parity is None or agreement is None:
        return ""
    files = parity.get("num_files")
    difference = parity.get("max_abs_probability_difference")
    return (
        f"the exported file gives the same answer on {percent(agreement)} of "
        f"{count(files) + ' ' if files else ''}pictures "
        f"(probabilities differ by at most {number(difference, 2)})"
    )


def summary_text(title: str, summary: Mapping[str, Any], folder: str = "") -> str:
    """A finished run in a few lines: how well, how long, what came out, where to look.

    `summary` is summary.json's content.

    >>> print(summary_text("digits", {"test": {"accuracy": 0.9}, "epochs": 2, "train_seconds": 3}))
    digits: 90.0 % of the test pictures right
      trained 2 epochs in 3.0 s
    """
    test, val = reading.mapping(summary, "test"), reading.mapping(summary, "val")
    lines = [f"{visible(title)}: {verdict('test' if test or not val else 'val', test or val)}"]
    if test and val:
        lines.append(f"  {verdict('validation', val)}")
    done: list[str] = []
    if summary.get("epochs") is not None:
        epochs = summary["epochs"]
        done.append(f"trained {epochs:g} epoch{'' if epochs == 1 else 's'}")
    if summary.get("train_seconds") is not None:
        done.append(f"in {duration(summary['train_seconds'])}")
    if summary.get("images_per_second"):
        done.append(f"at {count(summary['images_per_second'])} images/s")
    if summary.get("parameters"):
        done.append(f"({short_count(summary['parameters'])} parameters)")
    if done:
        lines.append("  " + " ".join(done))
    if parity := parity_words(reading.mapping(summary, "parity")):
        lines.append(f"  {parity}")
    if findings := reading.rows(summary, "findings"):
        lines += ["", findings_text(findings)]
    if folder:
        lines += [
            "",
            f"  report  {visible(folder)}/report.html",
            f"  model   {visible(folder)}/model.onnx",
        ]
    return "\n".join(lines)


def findings_text(findings: Iterable[Finding | Mapping[str, Any]]) -> str:
    """Findings, worst first: what was seen, what was expected, what to do, where.

    >>> findings_text([])
    'No findings.'
    """
    rows = sorted(map(_as_dict, findings), key=_rank)
    if not rows:
        return "No findings."
    return "\n\n".join(_finding(row) for row in rows)


def _as_dict(finding: Finding | Mapping[str, Any]) -> dict[str, Any]:
    return dataclasses.asdict(finding) if isinstance(finding, Finding) else dict(finding)


def _rank(row: dict[str, Any]) -> int:
    severity = row.get("severity")
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def place(where: Mapping[str, Any] | None) -> str:
    """The place of a finding in one line.

    >>> place({"file": "train.py", "line": 12, "module": "net.conv1", "parameter": None})
    'train.py:12, module net.conv1'
    """
    where = where or {}
    parts: list[str] = []
    if where.get("file"):
        parts.append(
            f"{where['file']}:{where['line']}" if where.get("line") else str(where["file"])
        )
    parts += [f"{key} {where[key]}" for key in ("module", "parameter") if where.get(key)]
    return ", ".join(parts)


def _finding(row: dict[str, Any]) -> str:
    sign = SIGNS.get(str(row.get("severity")), "note")
    head = f"{sign}: {visible(row.get('rule', ''))} (step {row.get('step', 0)})"
    at = place(reading.mapping(row, "where"))
    fields = (("saw", row.get("saw")), ("expected", row.get("expected")))
    fields += (("fix", row.get("fix")), ("where", at))
    return "\n".join([head, *(_wrapped(name, text) for name, text in fields if text)])


def _wrapped(name: str, text: Any) -> str:
    return textwrap.fill(
        visible(text),
        WIDTH,
        initial_indent=f"  {name:<9}",
        subsequent_indent=" " * 11,
        break_long_words=False,
        break_on_hyphens=False,
    )


def audit_text(audit: Mapping[str, Any], limit: int = 10) -> str:
    """The audit of a data set: pictures per class, then what is wrong with them, at most `limit`
    names a kind (0: all).

    >>> print(audit_text({"num_files": 2, "class_counts": {"train": {"cat": 2}}}))
    2 files
    <BLANKLINE>
    class  train
    cat        2
    <BLANKLINE>
    ok       every file decodes
    ok       no picture is in more than one split
    ok       no picture has two labels
    ok       every split has every class
    ok       no identical files
    ok       no nearly identical pictures
    """
    audit = dict(audit)
    facts = [f"{name}: {visible(value)}" for name, value in audit_facts(audit)[1:]]
    lines = [plural(int(audit.get("num_files", 0) or 0), "file"), *facts, ""]
    lines += _class_table(dict(audit.get("class_counts") or {}), limit)
    for item in audit_items(audit):
        advice = f". {item.advice}" if item.advice else ""
        lines.append(f"{SIGNS[item.severity]:<9}{visible(item.title)}{advice}")
        shown = item.rows[:limit] if limit else item.rows
        lines += [f"           {visible(row)}" for row in shown]
        if len(item.rows) > len(shown):
            lines.append(f"           … and {count(len(item.rows) - len(shown))} more")
    return "\n".join(lines)


def _class_table(class_counts: dict[str, dict[str, int]], limit: int) -> list[str]:
    splits = sorted(class_counts, key=lambda split: SPLITS.index(split) if split in SPLITS else 9)
    names = list(dict.fromkeys(name for numbers in class_counts.values() for name in numbers))
    if not names:
        return []
    cut = limit > 0 and len(names) > max(40, 2 * limit)
    if cut:
        # The middle of the sizes is left out, never the rare classes: those matter.
        names.sort(key=lambda name: -sum(numbers.get(name, 0) for numbers in class_counts.values()))
    shown = [*names[:limit], *names[-limit:]] if cut else names
    labels = [visible(shorten(name, 32)) for name in shown]
    width = max(len("class"), *map(len, labels))
    heads = [visible(split) or "all" for split in splits]
    lines = ["  ".join([f"{'class':<{width}}", *(f"{head:>5}" for head in heads)])]
    for row, (name, label) in enumerate(zip(shown, labels)):
        if cut and row == limit:
            lines.append(f"… {count(len(names) - 2 * limit)} more classes between these …")
        cells = [
            f"{count(class_counts[split].get(name, 0)):>{max(5, len(head))}}"
            for split, head in zip(splits, heads)
        ]
        lines.append("  ".join([f"{label:<{width}}", *cells]))
    return [*lines, ""]
