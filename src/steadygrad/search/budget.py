"""What may still be trained: parts of runs as the ledger, seconds as the user's limit."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from steadygrad.search.tried import LOST, Tried, full_length

LONGEST = 5
"""The longest trials tell the speed: beginning one costs time too, most of it in short ones."""
BEST = 3
"""The winner is one of these, in all likelihood, and his run takes as long as his trial did."""
BELIEVED = 3
"""Parts of a trial from which on its speed is believed; before that, what was measured first is."""


def parts_trained(tried: list[Tried]) -> int:
    """Parts trained by all workers together; what a lost trial did counts in its successor.

    >>> parts_trained([Tried(0, {}, LOST, {2: 0.5}), Tried(1, {}, "done", {2: 0.5, 6: 0.4})])
    6
    """
    return sum(trial.parts for trial in tried if trial.state != LOST)


@dataclass
class Budget:
    """One worker's account."""

    parts: float = math.inf
    """For the whole study, over all workers."""
    seconds: float = math.inf
    """For this worker, from now on."""
    seconds_per_part: float = 0.0
    """As believed now; given: before any trial was timed."""
    kept_parts: float = 0.0
    """Kept back of the seconds: what trains the winner, at the speed of who may be it."""
    kept_seconds_per_part: float = 0.0
    """Of the slowest of the best few and the newest; 0: as all."""
    began: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """Seconds since this worker began."""
        return time.monotonic() - self.began

    @property
    def seconds_left(self) -> float:
        """Until the deadline."""
        speed = self.kept_seconds_per_part or self.seconds_per_part
        return self.seconds - self.age - self.kept_parts * speed

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed: a running trial is then paused where it stands."""
        return self.seconds_left <= 0

    def time_trials(self, tried: list[Tried]) -> None:
        """Learn from the trials how long a part takes, looks and saving included."""
        timed = [t for t in tried if t.seconds > 0 and t.parts >= BELIEVED]
        longest = sorted(timed, key=lambda trial: -trial.parts)[:LONGEST]
        if longest:
            parts = sum(trial.parts for trial in longest)
            self.seconds_per_part = sum(trial.seconds for trial in longest) / parts
        candidates = [t for t in full_length(tried) if t.seconds > 0][:BEST]
        newest = max((t for t in timed if t.times), key=_last_seen, default=None)
        if newest is not None:  # others may have come to the machine since the best ones ran
            candidates.append(newest)
        if candidates:
            self.kept_seconds_per_part = max(t.seconds / t.parts for t in candidates)

    def parts_left(self, tried: list[Tried]) -> float:
        """What this worker may still train."""
        self.time_trials(tried)
        left = self.parts - parts_trained(tried)
        if math.isfinite(self.seconds) and self.seconds_per_part:
            left = min(left, self.seconds_left / self.seconds_per_part)
        return max(0.0, left)


def _last_seen(trial: Tried) -> float:
    return max(trial.times.values())
