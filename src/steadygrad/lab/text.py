"""An experiment in the terminal: the claim, the numbers, the verdicts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from steadygrad.lab.framework import Experiment, Finished, Verdict, columns_of, options_of, show

WIDTH = 100


def listing(experiments: Sequence[Experiment]) -> str:
    """One line per experiment: name and claim."""
    width = max((len(experiment.name) for experiment in experiments), default=0)
    return "\n".join(
        textwrap.fill(
            f"{experiment.name:<{width}}  {experiment.claim}",
            WIDTH,
            subsequent_indent=" " * (width + 2),
        )
        for experiment in experiments
    )


def described(finished: Finished) -> str:
    """What one experiment gave."""
    experiment, result = finished.experiment, finished.result
    parts = [
        experiment.title,
        _wrap(f"Claim: {experiment.claim}"),
        "Run with " + ", ".join(_settings(finished)),
        table(result.numbers),
        _wrap(result.text),
        "\n".join(verdict_line(verdict) for verdict in result.verdicts),
        _wrap(f"Source: {experiment.source}") + f"\n{finished.seconds:.1f} s",
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


def _settings(finished: Finished) -> list[str]:
    return [
        f"--{option.name.replace('_', '-')} {as_typed(finished.values[option.name])}"
        for option in options_of(finished.experiment)
    ]


def as_typed(value: object) -> str:
    """A value as it is typed behind its option.

    >>> as_typed((0.1, 2.0))
    '0.1,2'
    """
    if isinstance(value, tuple | list):
        return ",".join(as_typed(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _wrap(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), WIDTH)
