"""Asking the rules while a run goes on: when it is worth it, and what a failing rule costs."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress

from steadygrad import rules
from steadygrad.errors import choose
from steadygrad.judging.ledger import Ledger
from steadygrad.record import Finding, Record
from steadygrad.rules.framework import name_of

ALWAYS_JUDGED = 3
"""Watched steps after which the rules are asked whatever it costs: most faults show at once."""
RULES_SHARE = 0.01
"""Share of the run's time the rules may take beyond that; asking costs more as a Record grows."""
LATEST = 1.5
"""They are asked again, whatever it costs, when the run is this much longer than the last time."""


class Judge:
    """The rules, what they said so far, and the time they took."""

    def __init__(self, record: Record, ignore: Sequence[str], folder: str) -> None:
        self._record = record
        self._rules = {name_of(rule): rule for rule in rules.RULES}
        self.ledger = Ledger(folder)
        for name in ignore:
            choose("rule", name, {name_of(rule): rule for rule in rules.RULES})
            self._rules.pop(name, None)
        self.failures: list[str] = []
        self.seconds = 0.0
        self._times = 0
        self._last_step = 0

    def is_due(self, step: int, run_seconds: float) -> bool:
        """Whether to ask after this watched step, `run_seconds` after the run's begin."""
        return (
            self._times < ALWAYS_JUDGED
            or step >= LATEST * self._last_step
            or self.seconds <= RULES_SHARE * run_seconds
        )

    def ask(self, step: int) -> list[Finding]:
        """What is certain since now; nothing a rule does wrong comes out of here."""
        began = time.perf_counter()
        self._times += 1
        self._last_step = step
        try:
            return self.ledger.judge(self._findings())
        except Exception as error:
            self.failures.append(failure_text("judging failed", error))
            return []
        finally:
            self.seconds += time.perf_counter() - began

    def settle(self, keep: Finding | None) -> list[Finding]:
        """The final findings, root causes first."""
        began = time.perf_counter()
        try:
            return self.ledger.settle(self._findings(), keep)
        except Exception as error:
            self.failures.append(failure_text("judging failed at the end", error))
            return list(self.ledger.told)
        finally:
            self.seconds += time.perf_counter() - began

    def _findings(self) -> list[Finding]:
        """What the rules say now; one that fails is asked no more."""
        with suppress(Exception):
            return rules.run(self._record, tuple(self._rules.values()))
        for name, rule in list(self._rules.items()):
            try:
                list(rule(self._record))
            except Exception as error:
                self.failures.append(failure_text(f"the rule '{name}' failed", error))
                del self._rules[name]
        return rules.run(self._record, tuple(self._rules.values()))


def failure_text(what: str, error: BaseException) -> str:
    """A failure of our own in one line, with the place that whoever mends it needs.

    >>> failure_text("the rule 'x' failed", KeyError("lr"))
    "the rule 'x' failed: KeyError: 'lr'"
    """
    frames = traceback.extract_tb(error.__traceback__)
    at = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return f"{what}: {type(error).__name__}: {error}{at}"
