"""The user's own lines around the places findings name; whoever makes a report reads the files."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from steadygrad.record import Finding, Where

CONTEXT = 2
"""Lines shown before and after the one that is meant."""
LONGEST = 200
"""Characters of a line that are kept: data in a script can make lines of megabytes."""


def place_key(where: Where) -> str:
    """Under which `ReportData.sources` holds the lines around a place; empty for no place."""
    return f"{where.file}:{where.line}" if where.file and where.line else ""


def first_number(where: Where) -> int:
    """Number of the first of those lines."""
    return max(1, (where.line or 1) - CONTEXT)


def quotes(findings: Iterable[Finding], read: Callable[[str, int], str]) -> dict[str, list[str]]:
    """The lines around each finding's place, as `ReportData.sources` takes them.

    `read(file, number)` gives one line, empty where there is none: `linecache.getline` does.

    >>> finding = Finding("no-step", "error", 1, "", "", "", where=Where("a.py", 1))
    >>> quotes([finding], lambda file, number: ["x = 1\\n", "y = 2\\n", ""][min(number, 3) - 1])
    {'a.py:1': ['x = 1', 'y = 2']}
    """
    found: dict[str, list[str]] = {}
    for finding in findings:
        where = finding.where
        key = place_key(where)
        if not where.file or not where.line or key in found:
            continue
        lines = [
            read(where.file, number)
            for number in range(first_number(where), where.line + CONTEXT + 1)
        ]
        while lines and not lines[-1].strip():
            lines.pop()
        # A file that is shorter now than it was when it ran has nothing to show.
        if len(lines) > where.line - first_number(where):
            found[key] = [cut(line.rstrip()) for line in lines]
    return found


def cut(line: str) -> str:
    """A line no longer than LONGEST.

    >>> len(cut("x" * 1000))
    200
    """
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
