"""How many steps fit into the time the user gave, before and while the run goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

MARGIN = 0.03
"""Share of the training time left unplanned: the speed of a shared machine wanders."""
REPLAN_BEYOND = 0.02
"""A new plan is made when the forecast misses the deadline by more than this share."""
FIRST_FORECAST = 0.04
"""Seconds per step are believed once this share of the steps is done ..."""
FEWEST_STEPS = 20
"""... and at least this many."""


@dataclass
class Budget:
    """A deadline, the time the end of the run needs, and the speed seen so far.

    Speed is measured over whole stretches between two looks (evaluation and saving included),
    because that is what the deadline pays for.
    """

    deadline: float
    """On the clock of `time.monotonic`."""
    reserve_seconds: float
    """Time for scoring, export and report after the last step."""
    steps_at_start: int = 0
    started: float = field(default_factory=time.monotonic)

    def seconds_for_training(self) -> float:
        """What is left for steps, now."""
        return self.deadline - self.reserve_seconds - time.monotonic()

    def steps_that_fit(self, seconds_per_step: float) -> int:
        """Steps that end in time at this speed, at least one."""
        return max(1, int(self.seconds_for_training() * (1 - MARGIN) / seconds_per_step))

    def begin(self, step: int) -> None:
        """Training starts now, at `step`."""
        self.started, self.steps_at_start = time.monotonic(), step

    def new_total(self, step: int, total: int) -> int | None:
        """A better total number of steps, or None while the plan holds."""
        done = step - self.steps_at_start
        if done < max(FEWEST_STEPS, FIRST_FORECAST * total) or step >= total:
            return None
        seconds_per_step = (time.monotonic() - self.started) / done
        forecast = (total - step) * seconds_per_step
        left = self.seconds_for_training()
        # The cushion shrinks with what is still to come: late in the run there is little left
        # that could go wrong.
        target = left - MARGIN * forecast
        if abs(forecast - target) < REPLAN_BEYOND * max(left, 1.0) + 2 * seconds_per_step:
            return None
        return step + max(1, int(target / seconds_per_step))
