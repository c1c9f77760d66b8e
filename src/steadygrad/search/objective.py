"""What is searched on: anything that trains in parts and says how good it is after each."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from steadygrad.search.space import Value


@dataclass(frozen=True)
class Loss:
    """A mini-batch was trained on."""

    value: float


@dataclass(frozen=True)
class Look:
    """A part is done, saved, and scored on held-out pictures."""

    part: int
    value: float
    """What is made small: the validation error."""
    loss: float = 0.0
    """Decides between equal values."""


@dataclass(frozen=True)
class Hopeless:
    """Training itself says that going on is lost time."""

    reason: str


Report = Loss | Look | Hopeless


class Objective(Protocol):
    """Trains one trial at a time, in whole parts of a full-length run."""

    @property
    def full(self) -> int:
        """Parts of a full-length run."""
        ...

    @property
    def noisy(self) -> bool:
        """Whether another seed gives another value: only then are finalists repeated."""
        ...

    def train(
        self, fields: Mapping[str, Value], seed: int, stop: int, folder: Path
    ) -> Generator[Report, None, None]:
        """Train on from where `folder` has it (from nothing: part 0) until part `stop` is done.

        A generator: leaving it is pausing. Each part is on the disk before its Look is yielded;
        of one that is there already (its worker died before it was scored) only the Look comes.
        """
        ...

    def done(self, folder: Path) -> int:
        """Parts that `folder` has, so that they need not be trained again."""
        ...
