"""Who hears what a worker does."""

from __future__ import annotations

from typing import Protocol

from steadygrad.search.tried import Tried


class Listener(Protocol):
    """Hears what a worker does; `cli` shows it."""

    def begun(self, trial: Tried, target: int, stage: str) -> None:
        """A trial begins or goes on."""

    def looked(self, trial: Tried, part: int, value: float) -> None:
        """The running trial was scored."""

    def left(self, trial: Tried, tried: list[Tried], parts_left: float) -> None:
        """A trial was paused, finished or ended."""

    def decided(self, text: str) -> None:
        """A range was widened, or not, and why."""


class Deaf:
    """Hears nothing."""

    def begun(self, trial: Tried, target: int, stage: str) -> None:
        """Drop it."""

    def looked(self, trial: Tried, part: int, value: float) -> None:
        """Drop it."""

    def left(self, trial: Tried, tried: list[Tried], parts_left: float) -> None:
        """Drop it."""

    def decided(self, text: str) -> None:
        """Drop it."""
