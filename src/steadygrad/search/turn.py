"""One worker's turn at a trial: what the reports say of it, until it is over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from steadygrad.search.forecast import ranked_out
from steadygrad.search.guard import Guard
from steadygrad.search.objective import Hopeless, Look, Loss, Report
from steadygrad.search.stages import Plan, kept_back
from steadygrad.search.tried import DONE, ENDED, WAITING, Tried


@dataclass
class Turn:
    """What is known of a trial since this worker took it up."""

    trial: Tried
    target: int
    guard: Guard
    value: float | None
    """The last error it was scored with."""
    ended: str = ""
    """Why it is given up; empty: it is not."""
    out: str = ""
    """Why it is paused as ranked out; empty: it is not."""
    diverged: bool = False

    @classmethod
    def at(cls, trial: Tried, target: int) -> Turn:
        """A turn begins."""
        return cls(trial, target, Guard(first=trial.first_loss), trial.value)

    @property
    def is_over(self) -> bool:
        """Whether something ended or paused the trial."""
        return bool(self.ended or self.out)

    def see(self, report: Report) -> None:
        """Take in what training said."""
        if isinstance(report, Look):
            self.value = report.value
        elif isinstance(report, Loss):
            self.ended = self.guard.see(report.value) or ""
            self.diverged = bool(self.ended)
        elif isinstance(report, Hopeless):
            self.ended = report.reason

    def judge(self, look: Look, tried: list[Tried], plan: Plan, parts_left: float) -> None:
        """Pause a run to the full length that can't win any more.

        Nobody is paused where the time saved would not do for another run. Repetitions are run to
        the end: a mean over those seeds that went well would flatter.
        """
        if look.part >= self.target or self.target < plan.full or self.trial.repeats is not None:
            return
        if parts_left - kept_back(tried, plan) >= plan.full:
            self.out = ranked_out(look.part, look.value, tried, plan.full, plan.finalists)

    def fail(self, error: BaseException) -> None:
        """Training raised an error."""
        self.ended, self.diverged = f"failed: {error}", True

    def notes(self, seconds: float, done: int) -> dict[str, Any]:
        """What is written down of the turn; `done`: parts its checkpoint stands at."""
        found: dict[str, Any] = {
            "reason": self.ended or self.out,
            "diverged": self.diverged,
            "seconds": self.trial.seconds + seconds,
            **self.so_far(),
        }
        if self.out:  # where it stands is as far as it was wanted: nobody goes on by itself
            found["target"] = done
        return found

    def so_far(self) -> dict[str, Any]:
        """What the losses say; written with each score, for whoever goes on if this one dies."""
        found: dict[str, Any] = {"first_loss": self.guard.first}
        if self.trial.parts == 0:
            found["flat"] = self.guard.is_flat
        return found

    def result(self, parts: int, full: int) -> tuple[str, float | None]:
        """The state to leave the trial in after so many parts, and its value."""
        state = ENDED if self.ended else DONE if parts >= full else WAITING
        finite = self.value is not None and math.isfinite(self.value)
        return state, self.value if finite else None
