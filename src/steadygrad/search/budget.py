"""What may still be trained: parts of runs as the ledger, seconds as the user's limit."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from steadygrad.search.tried import LOST, Tried

RECENT = 12
"""Trials whose speed is believed: a shared machine breathes, and wider networks are slower."""


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
    """What is believed before any trial was timed."""
    began: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """Seconds since this worker began."""
        return time.monotonic() - self.began

    @property
    def seconds_left(self) -> float:
        """Until the deadline."""
        return self.seconds - self.age

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed: a running trial is then paused where it stands."""
        return self.seconds_left <= 0

    def speed(self, tried: list[Tried]) -> float:
        """Seconds a part takes, looks and saving included."""
        timed = [t for t in tried if t.seconds > 0 and t.parts > 0][-RECENT:]
        parts = sum(trial.parts for trial in timed)
        return sum(t.seconds for t in timed) / parts if parts else self.seconds_per_part

    def parts_left(self, tried: list[Tried]) -> float:
        """What this worker may still train."""
        left = self.parts - parts_trained(tried)
        speed = self.speed(tried)
        if math.isfinite(self.seconds):
            left = min(left, self.seconds_left / speed if speed else self.seconds_left)
        return max(0.0, left)
