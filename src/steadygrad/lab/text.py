"""An experiment in the terminal: the claim, the numbers, the verdicts."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from steadygrad.lab.framework import Broken, Experiment, Finished, as_typed, options_of
from steadygrad.lab.verdicts import Verdict, columns_of, show, tables_of

WIDTH = 100
HOLD = "\u00a0"
"""A space at which no line ends."""


def listing(experiments: Sequence[Experiment], seconds: Mapping[str, str]) -> str:
    """A paragraph per experiment: name and claim, and how long it takes where that is known."""
    width = max((len(experiment.name) for experiment in experiments), default=0)
    paragraphs: list[str] = []
    for experiment in experiments:
        time = seconds.get(experiment.name, "").replace(" ", HOLD)
        words = f"{experiment.name:<{width}}  {experiment.claim} {time}"
        filled = textwrap.fill(words, WIDTH, subsequent_indent=" " * (width + 2))
        paragraphs.append(filled.replace(HOLD, " "))
    return "\n".join(paragraphs)


def described(run: Finished | Broken) -> str:
    """What one experiment gave."""
    experiment = run.experiment
    parts = [
        experiment.title,
        _wrap(f"Claim: {experiment.claim}"),
        _wrap("Run with " + ", ".join(_settings(run))),
    ]
    if isinstance(run, Broken):
        return "\n\n".join([*parts, _wrap(f"✗ Failed: {run.error}")])
    result = run.result
    parts += [
        *(table(rows) for rows in tables_of(result.numbers)),
        _wrap(result.text),
        "\n".join(_wrap(verdict_line(verdict), "  ") for verdict in result.verdicts),
        _wrap(f"Source: {experiment.source}") + f"\n{run.seconds:.1f} s",
    ]
    return "\n\n".join(part for part in parts if part)


def verdict_line(verdict: Verdict) -> str:
    """One verdict with what was measured and expected.

    >>> verdict_line(Verdict("XOR has a bound", True, 0.75, "≤ 0.75"))
    '✓ XOR has a bound: 0.75, expected ≤ 0.75'
    """
    sign = "✓" if verdict.holds else "✗"
    measured = "" if verdict.measured is None else f"{show(verdict.measured)}, "
    tolerance = f" ({verdict.tolerance})" if verdict.tolerance else ""
    return f"{sign} {verdict.text}: {measured}expected {verdict.expected}{tolerance}"


def table(rows: list[dict[str, Any]]) -> str:
    """Rows under their column heads, numbers to the right.

    >>> print(table([{"layer": 1, "std": 0.5}, {"layer": 10}]))
    layer  std
        1  0.5
       10
    """
    heads = columns_of(rows)
    cells = [[show(row.get(head)) for head in heads] for row in rows]
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
    right = [any(isinstance(row.get(head), int | float) for row in rows) for head in heads]
    lines = [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, right)
        ).rstrip()
        for line in [heads, *cells]
    ]
    return "\n".join(lines)


def _settings(run: Finished | Broken) -> list[str]:
    typed = (
        (option.flag, as_typed(run.values[option.name])) for option in options_of(run.experiment)
    )
    return [f"{flag} {value}" for flag, value in typed if value]


def _wrap(text: str, indent: str = "") -> str:
    words = " ".join(text.split())
    return textwrap.fill(words, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
