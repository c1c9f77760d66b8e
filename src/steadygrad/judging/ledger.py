"""What was found so far: when first, whether for certain, and what of it stays in the end."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace

from steadygrad.record import Finding, Where
from steadygrad.rules.causes import explains, merge

CONFIRMATIONS = 2
"""Judgements in a row that must say a thing before it is told: one odd batch proves nothing."""
SEVERITIES = ("error", "warning", "note")


@dataclass(eq=False)
class Entry:
    """One fault over the run."""

    finding: Finding
    """As it was last seen, with the step it was first seen at."""
    in_a_row: int = 0
    told: str = ""
    """The severity it was told with; empty as long as it is not certain."""

    def update(self, finding: Finding) -> None:
        """Seen again."""
        self.finding = replace(finding, step=min(finding.step, self.finding.step))
        self.in_a_row += 1

    @property
    def is_news(self) -> bool:
        """Certain and not told yet, or told as something less."""
        worse = not self.told or at_least(self.finding, self.told, above=True)
        return worse and self.in_a_row >= CONFIRMATIONS


class Ledger:
    """Findings of judgement after judgement; `folder` is what paths are shown relative to."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._entries: list[Entry] = []
        self.told: list[Finding] = []
        """Everything that was certain while the script ran, in the order it became so."""
        self.withdrawn: list[Finding] = []
        """What of that is not in the final list."""

    def judge(self, findings: Iterable[Finding]) -> list[Finding]:
        """Take in what the rules say now; returns what is certain from now on."""
        entries = self._matched(findings)
        for entry in self._entries:
            if entry not in entries:
                entry.in_a_row = 0
        self._entries += [entry for entry in entries if entry not in self._entries]
        new = [entry for entry in entries if entry.is_news]
        for entry in new:
            entry.told = entry.finding.severity
        told = [entry.finding for entry in new]
        self.told += told
        return told

    def remember(self, findings: Iterable[Finding]) -> None:
        """Take in what another process of the same run was certain of, and told."""
        self._entries += [Entry(finding, told=finding.severity) for finding in findings]

    def settle(self, findings: Iterable[Finding], keep: Finding | None = None) -> list[Finding]:
        """The final list, root causes first: what the rules say now that all is over, and the
        errors seen on the way that nothing else explains. `keep` stays whatever comes.
        """
        now = self._matched(findings)
        last = [entry.finding for entry in now]
        stays = [
            entry.finding
            for entry in self._entries
            if entry.told
            and entry not in now
            and (entry.finding.severity == "error" or _same(entry.finding, keep))
            and not any(is_explained(entry.finding, cause) for cause in last)
        ]
        joined = {name for finding in stays for name in finding.numbers.get("explains", ())}
        final = merge([finding for finding in last if finding.rule not in joined] + stays)
        self.withdrawn = [
            entry.finding
            for entry in self._entries
            if entry.told and not any(entry.finding is finding for finding in final)
        ]
        return final

    def _placed(self, findings: Iterable[Finding]) -> list[Finding]:
        # Copies: a rule may hand out the same object again, and merging writes into it.
        return [
            replace(copy.deepcopy(finding), where=shown(finding.where, self._folder))
            for finding in findings
        ]

    def _matched(self, findings: Iterable[Finding]) -> list[Entry]:
        """The entries of these findings, brought up to date; new ones where there are none.

        A rule that gathers layers may name another place as more of them join: what has no entry
        at its place takes over one of the same rule that nothing else claims.
        """
        placed = self._placed(findings)
        matched: dict[int, Entry] = {}
        for closeness in (_place, _line, _rule):
            free = [entry for entry in self._entries if entry not in matched.values()]
            for index, finding in enumerate(placed):
                found = [e for e in free if closeness(e.finding) == closeness(finding)]
                if index not in matched and found:
                    matched[index] = found[0]
                    free.remove(found[0])
        entries = [matched.get(index) or Entry(finding) for index, finding in enumerate(placed)]
        for entry, finding in zip(entries, placed):
            entry.update(finding)
        return entries


def is_explained(effect: Finding, cause: Finding) -> bool:
    """Whether `cause` accounts for `effect`, or did when it took it in."""
    return explains(cause, effect) or effect.rule in cause.numbers.get("explains", ())


def _same(finding: Finding, other: Finding | None) -> bool:
    return other is not None and finding.rule == other.rule


def _place(finding: Finding) -> object:
    return finding.rule, finding.where


def _line(finding: Finding) -> object:
    return finding.rule, finding.where.file, finding.where.line


def _rule(finding: Finding) -> object:
    return finding.rule


def shown(where: Where, folder: str) -> Where:
    """The place with its file as a person names it: relative to `folder` where it lies inside.

    >>> shown(Where(file="/home/ann/work/train.py", line=3), "/home/ann").file
    'work/train.py'
    >>> shown(Where(file="/opt/train.py"), "/home/ann").file
    '/opt/train.py'
    """
    file = where.file
    if not file:
        return where
    if cell := _notebook_cell(file):
        return replace(where, file=cell)
    if file.startswith("<") or not os.path.isabs(file):
        return where
    inside = file.startswith(folder.rstrip(os.sep) + os.sep)
    return replace(where, file=os.path.relpath(file, folder)) if inside else where


def _notebook_cell(file: str) -> str:
    """`In [3]` for the file a notebook compiled its third cell as; empty for other files."""
    notebook = sys.modules.get("IPython")
    shell = notebook.get_ipython() if notebook is not None else None
    numbers = getattr(getattr(shell, "compile", None), "_filename_map", {})
    return f"In [{numbers[file]}]" if file in numbers else ""


def at_least(finding: Finding, severity: str, above: bool = False) -> bool:
    """Whether a finding is as severe as `severity` or (only) more; "never" nothing reaches."""
    if severity not in SEVERITIES:
        return False
    return SEVERITIES.index(finding.severity) <= SEVERITIES.index(severity) - above
