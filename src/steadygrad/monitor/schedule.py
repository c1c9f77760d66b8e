"""Which steps are watched: the birth closely, then as often as the time allows."""

from __future__ import annotations

from itertools import chain

FIRST = 10
"""Updates watched without asking for the price: what kills a network shows there."""
BORN_AGAIN = 3
"""First updates of a later optimizer that are watched whatever they cost."""
LANDMARKS = frozenset(
    chain((15, 20, 25, 30, 40, 50, 75), *((100 * 10**n, 150 * 10**n, 200 * 10**n, 300 * 10**n,
                                   500 * 10**n, 750 * 10**n) for n in range(6)))
)  # fmt: skip
"""Watched whatever they cost: six in each tenfold of steps."""
SHARE = 0.02
"""Of the run's time, for watching between the landmarks."""
GROWTH = 0.1
"""Next watched step: this much further on (11, 12, …, 20, 22, …, 100, 110, …)."""
LONGEST = 500
"""Steps between two watched ones at most, while the time allows."""


class Schedule:
    """Decides after each update whether the next step is watched."""

    def __init__(self, period: int = 0) -> None:
        self._period = period
        self._next = FIRST
        self._spent_at_birth = 0.0

    def wants(self, step: int, updates: int, seconds: float, elapsed: float) -> bool:
        """Whether the step after `step` is to be watched.

        `updates` are those of the optimizer just used; `seconds` the monitor's own time so far,
        `elapsed` the run's since its first step.
        """
        if step < FIRST:
            self._spent_at_birth = seconds
            return True
        if step in LANDMARKS or updates < BORN_AGAIN:
            return True
        if self._period and step % self._period == 0:
            return True
        affordable = seconds - self._spent_at_birth <= SHARE * elapsed
        if not affordable or (step < self._next and updates >= FIRST):
            return False
        self._next = step + min(LONGEST, max(1, round(GROWTH * step)))
        return True
