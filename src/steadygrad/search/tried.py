"""A trial as the stages see it: plain data, whatever the storage."""

from __future__ import annotations

from dataclasses import dataclass, field

from steadygrad.search.space import Value

WAITING, RUNNING, DONE, ENDED, LOST = "waiting", "running", "done", "ended", "lost"
"""waiting: not begun or paused; done: full length; ended: given up; lost: its worker died, and
another trial goes on with it."""


@dataclass(frozen=True)
class Tried:
    """One trial and what is known of it."""

    number: int
    params: dict[str, Value]
    state: str = WAITING
    curve: dict[int, float] = field(default_factory=dict[int, float])
    """Part → validation error."""
    stage: str = "coarse"
    target: int = 0
    """The part it was last asked to reach."""
    reason: str = ""
    diverged: bool = False
    flat: bool = False
    """Learned nothing in its first rung: ranks behind all others."""
    loss: float = 0.0
    seed: int = 0
    repeats: int | None = None
    """The trial whose values are run again with another seed."""
    seconds: float = 0.0
    first_loss: float | None = None
    times: dict[int, float] = field(default_factory=dict[int, float])
    """Part → seconds of the search's age when it was scored."""

    @property
    def parts(self) -> int:
        """Parts done."""
        return max(self.curve, default=0)

    @property
    def value(self) -> float | None:
        """The validation error after the last part."""
        return self.curve[self.parts] if self.curve else None

    @property
    def rank(self) -> tuple[bool, float, float, int]:
        """Sorts the better trial first among trials of one length."""
        value = self.value
        return (self.flat, float("inf") if value is None else value, self.loss, self.number)


def full_length(tried: list[Tried]) -> list[Tried]:
    """The finished trials, the best first; repetitions with other seeds left out."""
    return sorted(
        (trial for trial in tried if trial.state == DONE and trial.repeats is None),
        key=lambda trial: trial.rank,
    )


def best_of(tried: list[Tried]) -> Tried | None:
    """The best full-length trial, or where there is none the best of the longest ones."""
    finished = full_length(tried)
    if finished:
        return finished[0]
    scored = [t for t in tried if t.curve and not t.diverged and t.state != LOST]
    longest = max((trial.parts for trial in scored), default=0)
    return min((t for t in scored if t.parts == longest), key=lambda t: t.rank, default=None)
