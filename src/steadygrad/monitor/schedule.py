"""Which steps are watched: the birth closely, then as often as the time allows."""

from __future__ import annotations

FIRST = 10
"""Updates watched without asking for the price: what kills a network shows there."""
SHARE = 0.02
"""Of the run's time, for watching after the first steps."""
GROWTH = 0.15
"""Next watched step: this much further on (11, 12, 14, …, 100, 115, …)."""
LONGEST = 1000
"""Steps between two watched ones at most, while the time allows."""


class Schedule:
    """Decides after each update whether the next step is watched."""

    def __init__(self, period: int = 0) -> None:
        self._period = period
        self._next = FIRST
        self._spent_at_birth = 0.0

    def wants(self, step: int, updates: int, seconds: float, elapsed: float) -> bool:
        """Whether the step after `step` is to be watched.

        `updates` are those of the optimizer just used (a new one is born again); `seconds` the
        monitor's own time so far, `elapsed` the run's since its first step.
        """
        if step < FIRST:
            self._spent_at_birth = seconds
            return True
        if self._period and step % self._period == 0:
            return True
        affordable = seconds - self._spent_at_birth <= SHARE * elapsed
        if updates < FIRST and affordable:
            return True
        if step < self._next or not affordable:
            return False
        self._next = step + min(LONGEST, max(1, round(GROWTH * step)))
        return True
