"""One search under the clock: the same training for every method, with its looks written down."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from steadygrad import checkpoint
from steadygrad.build import build, make_batches
from steadygrad.evaluate import evaluate
from steadygrad.fit.progress import averaged
from steadygrad.images.dataset import Images
from steadygrad.search.objective import Look, Loss, Report
from steadygrad.search.space import Value
from steadygrad.search.trial import Training
from steadygrad.train import TrainingState, start, train


class TimeUp(Exception):
    """The budget is spent: whatever runs is dropped where it stands."""


@dataclass
class Clock:
    """A search's folder, and its seconds since the pictures were loaded.

    Ray's trials run in another process, so what is written down goes through the folder.
    """

    folder: Path
    seconds: float
    cpu: bool = False
    """Count this process's CPU seconds instead: for machines that others work on meanwhile."""

    def start(self) -> None:
        """Begin to count; in a second process of the same search, to count on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mine = self.folder / f"began-{os.getpid()}"
        if not mine.exists():
            spent = max((row["seconds"] for row in self.events()), default=0.0)
            mine.write_text(repr(self.now() - spent))

    def now(self) -> float:
        """Seconds by this clock, from any beginning."""
        return time.process_time() if self.cpu else time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return self.now() - self._began

    @property
    def is_over(self) -> bool:
        """Whether the budget is spent."""
        return self.age >= self.seconds

    @cached_property
    def _began(self) -> float:
        return float((self.folder / f"began-{os.getpid()}").read_text())

    def write(self, row: dict[str, Any]) -> None:
        """Write one event down."""
        with open(self.folder / "events.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def events(self) -> list[dict[str, Any]]:
        """All events so far."""
        file = self.folder / "events.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]


@dataclass
class Followed:
    """The objective of every method: our training, with every look written down.

    The weights of full-length runs are kept, to be scored when the time is up.
    """

    training: Training
    clock: Clock

    @property
    def full(self) -> int:
        """Parts of a full-length run."""
        return self.training.full

    @property
    def noisy(self) -> bool:
        """Whether another seed gives another value."""
        return self.training.noisy

    def train(
        self, fields: Mapping[str, Value], seed: int, stop: int, folder: Path
    ) -> Generator[Report, None, None]:
        """Train on until part `stop`."""
        with closing(self.training.train(fields, seed, stop, folder)) as reports:
            for report in reports:
                if isinstance(report, Look):
                    self._saw(report, fields, seed, folder)
                yield report

    def done(self, folder: Path) -> int:
        """Parts that `folder` has."""
        return self.training.done(folder)

    def _saw(self, look: Look, fields: Mapping[str, Value], seed: int, folder: Path) -> None:
        row: dict[str, Any] = {
            "seconds": self.clock.age,
            "trial": folder.name,
            "part": look.part,
            "error": look.value,
        }
        if look.part == self.full:
            row |= {"fields": dict(fields), "seed": seed}
            kept = self.clock.folder / "kept"
            kept.mkdir(exist_ok=True)
            place = checkpoint.path_of(kept, folder.name)
            if not place.exists():
                os.link(checkpoint.path_of(folder), place)
        self.clock.write(row)


def run_once(
    objective: Followed, fields: Mapping[str, Value], seed: int, name: str
) -> Iterator[Look]:
    """A trial of a method that does not resume: from nothing to the full length, or its end.

    Raises TimeUp at the mini-batch.
    """
    folder = objective.clock.folder / name
    try:
        with closing(objective.train(fields, seed, objective.full, folder)) as reports:
            for report in reports:
                if objective.clock.is_over:
                    raise TimeUp
                if isinstance(report, Loss) and not math.isfinite(report.value):
                    return
                if isinstance(report, Look):
                    yield report
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def warm_up(training: Training) -> None:
    """One step and one score before the clock starts: what is imported on first use counts for
    nobody.
    """
    state, recipe = _state(training, {}, training.asked.seed)
    with closing(train(state, make_batches(recipe, training.images), recipe)) as steps:
        next(iter(steps))
    evaluate(state.classifier, training.images.val, precision=recipe.precision)


def held_out_error(training: Training, row: dict[str, Any], kept: Path) -> float:
    """Error of a full-length run's weights on the pictures that no method has seen."""
    state, recipe = _state(training, row["fields"], row["seed"])
    checkpoint.load(kept, state, row["trial"])
    with averaged(state):
        scores = evaluate(state.classifier, training.images.test, precision=recipe.precision)
    return 1.0 - scores.accuracy


def _state(training: Training, fields: Mapping[str, Value], seed: int) -> tuple[TrainingState, Any]:
    images: Images = training.images
    recipe = training.recipe(fields, seed)
    counts = images.train.class_counts().tolist()
    steps = len(make_batches(recipe, images))
    return start(build(recipe, images), recipe, steps, class_counts=counts), recipe
