"""Where a worker's time goes: training steps, looks, beginning a trial, choosing the next."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field

from steadygrad.search.objective import Look, Report

STEPS, LOOKS, STARTING, CHOOSING = "steps", "looks", "starting", "choosing"


@dataclass
class Clock:
    """Adds up seconds by what they were spent on.

    >>> from steadygrad.search.objective import Loss
    >>> clock = Clock()
    >>> list(clock.timed([Loss(2.3), Look(1, 0.5)])) == [Loss(2.3), Look(1, 0.5)]
    True
    >>> sorted(clock.seconds)
    ['choosing', 'looks', 'starting', 'steps']
    """

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    _now: str = CHOOSING
    _since: float = field(default_factory=time.monotonic)

    def enter(self, what: str) -> None:
        """What was going on ends, and this begins."""
        self._close(self._now)
        self._now = what

    def timed(self, reports: Iterable[Report]) -> Generator[Report, None, None]:
        """The same reports, their time counted.

        The first of a turn holds building or loading too; a step's worth of it, as long as the
        fastest of the others, counts as a step.
        """
        self.enter(STARTING)
        first, fastest = True, math.inf
        for report in reports:
            kind = LOOKS if isinstance(report, Look) else STEPS
            took = self._close(STARTING if first else kind)
            if kind == STEPS and not first:
                fastest = min(fastest, took)
            first, self._now = False, CHOOSING
            yield report
            self.enter(STEPS)
        self.enter(CHOOSING)
        if math.isfinite(fastest):
            step = min(fastest, self.seconds[STARTING])
            self.seconds[STARTING] -= step
            self.seconds[STEPS] = self.seconds.get(STEPS, 0.0) + step

    def shares(self) -> tuple[dict[str, float], float]:
        """Seconds by kind, and the share of the whole that is neither steps nor looks."""
        whole = max(sum(self.seconds.values()), 1e-9)
        trained = self.seconds.get(STEPS, 0.0) + self.seconds.get(LOOKS, 0.0)
        return dict(self.seconds), 1.0 - trained / whole

    def _close(self, what: str) -> float:
        now = time.monotonic()
        took, self._since = now - self._since, now
        self.seconds[what] = self.seconds.get(what, 0.0) + took
        return took
