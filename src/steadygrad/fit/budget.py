"""How many steps fit into the time the user gave, before and while the run goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from steadygrad.training_state import TrainingState

MARGIN = 0.03
"""Share of the training time left unplanned: the speed of a shared machine wanders."""
REPLAN_BEYOND = 0.02
"""A new plan is made when the forecast misses the deadline by more than this share."""
WORTH_SAYING = 0.15
LOOK_EVERY = 10
"""Steps between two forecasts."""
FIRST_FORECAST = 0.04
"""The speed seen is believed once this share of the steps is done ..."""
FEWEST_STEPS = 20
"""... and at least this many."""


@dataclass
class Budget:
    """A deadline, what the end of the run needs, and the speed seen so far.

    Work is counted in steps at full resolution; a step at the low resolution of the first
    `low_share` of the run is `low_cost` of one. Speed is measured over whole stretches (looks and
    saving included), because that is what the deadline pays for.
    """

    deadline: float
    """On the clock of `time.monotonic`."""
    reserve_seconds: float
    """Time for scoring, export and report after the last step."""
    low_share: float = 0.0
    low_cost: float = 1.0
    work: float = 0.0
    """Done since `begin`."""
    started: float = field(default_factory=time.monotonic)
    steps_seen: int = 0
    said_total: int = 0

    def seconds_for_training(self) -> float:
        """What is left for steps, now."""
        return self.deadline - self.reserve_seconds - time.monotonic()

    def mean_cost(self, progress: float) -> float:
        """Work of an average step from `progress` to the end.

        >>> Budget(0, 0, low_share=0.5, low_cost=0.5).mean_cost(0.0)
        0.75
        """
        if progress >= 1.0:
            return 1.0
        low = max(0.0, self.low_share - progress) / (1.0 - progress)
        return low * self.low_cost + (1.0 - low)

    def steps_that_fit(self, seconds_per_full_step: float) -> int:
        """Steps that end in time at this speed, at least one."""
        seconds = seconds_per_full_step * self.mean_cost(0.0)
        return max(1, int(self.seconds_for_training() * (1 - MARGIN) / seconds))

    def begin(self) -> None:
        """Training starts now."""
        self.started, self.work, self.steps_seen = time.monotonic(), 0.0, 0

    def count(self, progress: float) -> None:
        """A step was done, and `progress` reached."""
        self.steps_seen += 1
        self.work += self.low_cost if progress < self.low_share else 1.0

    def pace(self, state: TrainingState) -> str | None:
        """After a step: correct the state's total number of steps where the forecast asks for it.

        Returns what to say about it; small corrections go unsaid, since on a machine that breathes
        they come every few seconds.
        """
        self.count(state.progress)
        self.said_total = self.said_total or state.total_steps
        if state.step % LOOK_EVERY:
            return None
        total = self.new_total(state.step, state.total_steps, state.progress)
        if total is None:
            return None
        state.total_steps = total
        if abs(total - self.said_total) < WORTH_SAYING * self.said_total:
            return None
        self.said_total = total
        return f"Now {total} steps, {total / state.steps_per_epoch:.1f} epochs, to end in time."

    def new_total(self, step: int, total: int, progress: float) -> int | None:
        """A better total number of steps, or None while the plan holds."""
        if self.steps_seen < max(FEWEST_STEPS, FIRST_FORECAST * total) or step >= total:
            return None
        per_work = (time.monotonic() - self.started) / self.work
        per_step = per_work * self.mean_cost(progress)
        forecast = (total - step) * per_step
        left = self.seconds_for_training()
        # The cushion shrinks with what is still to come: late in the run there is little left
        # that could go wrong.
        target = left - MARGIN * forecast
        if abs(forecast - target) < REPLAN_BEYOND * max(left, 1.0) + 2 * per_step:
            return None
        return step + max(1, int(target / per_step))
