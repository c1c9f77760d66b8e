"""A trial of real training: the training generator, left where it pauses, resumed from its file."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from steadygrad import checkpoint, recipes
from steadygrad.build import build, make_batches
from steadygrad.evaluate import evaluate
from steadygrad.fit.faults import HOPELESS
from steadygrad.fit.progress import averaged
from steadygrad.fit.watched import Watched
from steadygrad.images.batches import Batches
from steadygrad.images.dataset import Images
from steadygrad.record import Recipe, Record
from steadygrad.search.objective import Hopeless, Look, Loss, Report
from steadygrad.search.space import Value
from steadygrad.train import Diverged, TrainingState, start, train
from steadygrad.training_state import LowResolution

FEWEST_PARTS = 27
"""Three halvings by thirds; a run of fewer epochs has parts of less than one."""
LOOKS = 9
"""Validation looks in a full run, beside those at the rungs: each costs a forward pass."""


def num_parts(epochs: int) -> int:
    """Parts of a full run: its epochs, or where they are few a share of one each.

    >>> num_parts(40), num_parts(3)
    (40, 27)
    """
    return max(FEWEST_PARTS, epochs)


@dataclass
class Training:
    """The objective of `steadygrad search`: our own training on these pictures."""

    images: Images
    asked: Recipe
    """As the user asked for; a trial's values go over it, then what is open is resolved."""
    epochs: int
    """Of a full-length run."""
    looks: frozenset[int]
    """Parts after which the validation pictures are scored, beside where a trial stops."""
    watch: bool = True
    noisy: bool = True

    @property
    def full(self) -> int:
        """Parts of a full-length run."""
        return num_parts(self.epochs)

    def recipe(self, fields: Mapping[str, Value], seed: int) -> Recipe:
        """The resolved recipe of a trial: what `steadygrad train --recipe` repeats.

        Where the batch size is searched, the rate is meant for the size that would be chosen, and
        goes along with the batch.
        """
        asked = self.asked.replace(epochs=self.epochs, seed=seed)
        if "batch_size" in fields and not asked.base_batch_size:
            usual = recipes.resolve(asked, self.images).batch_size
            asked = asked.replace(base_batch_size=usual)
        return recipes.resolve(asked.replace(**fields), self.images).check()

    def train(
        self, fields: Mapping[str, Value], seed: int, stop: int, folder: Path
    ) -> Generator[Report, None, None]:
        """Train on from `folder`'s checkpoint until part `stop`; a Look's part is on the disk."""
        recipe = self.recipe(fields, seed)
        classifier = build(recipe, self.images)
        batches = make_batches(recipe, self.images)
        counts = self.images.train.class_counts().tolist()
        state = start(classifier, recipe, len(batches), class_counts=counts)
        part = 0
        if checkpoint.path_of(folder).exists():
            part = int(checkpoint.load(folder, state)["part"])
        if part < stop:
            yield from self._steps(state, batches, recipe, (part, stop), folder)

    def _steps(
        self,
        state: TrainingState,
        batches: Batches,
        recipe: Recipe,
        parts: tuple[int, int],
        folder: Path,
    ) -> Generator[Report, None, None]:
        part, stop = parts
        ends = {round(k * state.total_steps / self.full): k for k in range(part + 1, stop + 1)}
        last = max(ends)
        with ExitStack() as stack:
            watched = self._watched(state, recipe, stack) if part == 0 and self.watch else None
            steps = stack.enter_context(closing(train(state, batches, recipe)))
            try:
                for step in steps:
                    yield Loss(step.loss)
                    reason = _certain(watched, state.step)
                    if reason:
                        yield Hopeless(reason)
                    part = ends.get(state.step, 0)
                    if part in self.looks or state.step == last:
                        yield self._look(state, recipe, part, folder)
                    if state.step == last:
                        return
            except Diverged as error:
                yield Loss(error.loss if not math.isfinite(error.loss) else math.nan)

    def _look(self, state: TrainingState, recipe: Recipe, part: int, folder: Path) -> Report:
        """Save, then score the validation pictures; a loss that is no number is its end."""
        checkpoint.save(folder, state, {"part": part})
        low = state.progress < recipe.low_resolution
        classifier = state.classifier
        with averaged(state):
            scored = LowResolution(classifier) if low else classifier
            scores = evaluate(scored, self.images.val, precision=recipe.precision)
        if not math.isfinite(scores.loss):
            return Loss(scores.loss)
        return Look(part, 1.0 - scores.accuracy, scores.loss)

    def _watched(self, state: TrainingState, recipe: Recipe, stack: ExitStack) -> Watched:
        record = Record()
        watched = Watched(record, record.add)
        stack.enter_context(watched.follow(state.classifier.get_submodule("network"), recipe.model))
        return watched

    def done(self, folder: Path) -> int:
        """The part its checkpoint stands at, read from the file's header."""
        try:
            with open(checkpoint.path_of(folder), "rb") as file:
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            values = json.loads(header["__metadata__"]["steadygrad"])
        except (OSError, ValueError, KeyError):
            return 0
        return int(values["extra"]["part"])


def _certain(watched: Watched | None, step: int) -> str:
    """What a rule is certain of that makes going on lost time; empty: nothing."""
    if watched is None:
        return ""
    for finding in watched.news(step):
        if finding.severity == "error" and finding.rule in HOPELESS:
            return f"{finding.rule}: {finding.saw}"
    return ""


def seconds_per_epoch(training: Training, seconds: float = 3.0) -> float:
    """Measure an epoch of the usual recipe with its look, on a network of its own."""
    recipe = training.recipe({}, training.asked.seed)
    batches = make_batches(recipe, training.images)
    state = start(build(recipe, training.images), recipe, len(batches),
                  class_counts=training.images.train.class_counts().tolist())  # fmt: skip
    state.progress = 1.0 - 1e-6  # full resolution: the dearer steps
    times: list[float] = []
    began = last = time.monotonic()
    with closing(train(state, batches, recipe)) as steps:
        for _ in steps:
            now = time.monotonic()
            times.append(now - last)
            last = now
            if len(times) >= 3 and (now - began > seconds or len(times) >= 24):
                break
    settled = sorted(times[1:]) or times
    return settled[len(settled) // 2] * len(batches)
