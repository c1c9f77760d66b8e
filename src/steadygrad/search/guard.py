"""Giving up on a trial at the mini-batch: its loss ran away, or is no number any more."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from statistics import median

TIMES_FIRST = 3.0
"""A loss beyond this multiple of the trial's own first one never came back in our pilot."""
SMOOTHED_OVER = 5
"""The median of so many mini-batches: one bad batch after a warm-up kills nobody."""
FLAT = 0.98
FLAT_OVER = 20
"""Median of the last so many losses at FLAT of the first or more: nothing was learned yet."""


@dataclass
class Guard:
    """Sees every mini-batch's loss of one trial.

    >>> guard = Guard()
    >>> [guard.see(loss) for loss in (2.3, 9.0, 2.0, math.nan)]
    [None, None, None, 'its loss became nan in mini-batch 4']
    """

    first: float | None = None
    """The trial's own first loss; a resumed trial brings its own."""
    batch: int = 0
    _last: deque[float] = field(default_factory=lambda: deque(maxlen=FLAT_OVER))

    def see(self, loss: float) -> str | None:
        """The reason to end the trial now, None to go on."""
        self.batch += 1
        if not math.isfinite(loss):
            return f"its loss became {loss} in mini-batch {self.batch}"
        if self.first is None:
            self.first = loss
        self._last.append(loss)
        newest = list(self._last)[-SMOOTHED_OVER:]
        if len(newest) == SMOOTHED_OVER and median(newest) > TIMES_FIRST * self.first:
            return (
                f"its loss, {median(newest):.3g} over {SMOOTHED_OVER} mini-batches, passed "
                f"{TIMES_FIRST:g} times its first, {self.first:.3g}, in mini-batch {self.batch}"
            )
        return None

    @property
    def is_flat(self) -> bool:
        """Nothing was learned yet: such a trial goes behind the others, it is not ended."""
        enough = len(self._last) == FLAT_OVER and self.first is not None
        return enough and median(self._last) >= FLAT * (self.first or 0.0)
