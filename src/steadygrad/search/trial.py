"""A trial of real training: the training generator, left where it pauses, resumed from its file."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np

from steadygrad import checkpoint, recipes
from steadygrad.build import build, make_batches
from steadygrad.evaluate import evaluate
from steadygrad.fit.faults import HOPELESS
from steadygrad.fit.progress import averaged
from steadygrad.fit.watched import Watched
from steadygrad.images.batches import Batches
from steadygrad.images.dataset import Images, Subset
from steadygrad.record import Recipe, Record, write_json
from steadygrad.search.objective import Hopeless, Look, Loss, Report
from steadygrad.search.space import Value
from steadygrad.train import Diverged, TrainingState, start, train
from steadygrad.training_state import LowResolution

FEWEST_PARTS = 27
"""Three halvings by thirds; a run of fewer epochs has parts of less than one."""
FOLDS = "folds.json"
"""Error and loss of each fold that was trained to its end, in a trial's folder."""
LOOKS = 9
"""Validation looks in a full run, beside those at the rungs: each costs a forward pass."""
LOOK_PICTURES = 1000
"""Looks on the way are at so many validation pictures, the same ones for all trials, so that trials
are still told apart; only a run's end is scored on all."""


def looks_of(epochs: int, rungs: Iterable[int] = ()) -> frozenset[int]:
    """Parts of one run after which it is scored."""
    parts = num_parts(epochs)
    return frozenset({round(parts * share / LOOKS) for share in range(1, LOOKS + 1)} | set(rungs))


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
    folds: tuple[Images, ...] = ()
    """The same pictures with another validation split each; none: `images` has the only one."""
    load_seconds: float = 0.0
    """What reading the pictures took."""

    @property
    def run(self) -> int:
        """Parts of one training run."""
        return num_parts(self.epochs)

    @property
    def full(self) -> int:
        """Parts of a full-length trial: a run, or one for each fold."""
        return self.run * max(1, len(self.folds))

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
        """Train on from `folder`'s checkpoint until part `stop`; a Look's part is on the disk.

        Whoever died between saving that part and scoring it leaves the scoring to do. With folds
        one run follows the other; from the second on only its end is a Look, with the mean so far.
        """
        recipe = self.recipe(fields, seed)
        if not self.folds:
            yield from self._run(self.images, recipe, stop, folder)
            return
        before = _ended_folds(folder)
        first = min(len(before), (stop - 1) // self.run)
        before = before[:first]
        for fold in range(first, (stop - 1) // self.run + 1):
            here = folder / f"fold-{fold}"
            begin = fold * self.run
            for report in self._run(self.folds[fold], recipe, min(stop - begin, self.run), here):
                if not isinstance(report, Look):
                    yield report
                elif report.part == self.run:
                    before.append((report.value, report.loss))
                    write_json(folder / FOLDS, before)
                    value, loss = (mean(column) for column in zip(*before))
                    yield Look(begin + self.run, value, loss)
                elif fold == 0:
                    yield report

    def _run(
        self, images: Images, recipe: Recipe, stop: int, folder: Path
    ) -> Generator[Report, None, None]:
        """One training run, from where `folder` has it until part `stop`."""
        classifier = build(recipe, images)
        batches = make_batches(recipe, images)
        counts = images.train.class_counts().tolist()
        state = start(classifier, recipe, len(batches), class_counts=counts)
        part = 0
        if checkpoint.path_of(folder).exists():
            part = int(checkpoint.load(folder, state)["part"])
        if part < stop:
            yield from self._steps(state, batches, recipe, (part, stop), (images, folder))
        else:
            yield self._look(state, recipe, part, (images, folder))

    def _steps(
        self,
        state: TrainingState,
        batches: Batches,
        recipe: Recipe,
        parts: tuple[int, int],
        place: tuple[Images, Path],
    ) -> Generator[Report, None, None]:
        part, stop = parts
        ends = {round(k * state.total_steps / self.run): k for k in range(part + 1, stop + 1)}
        last = max(ends)
        with ExitStack() as stack:
            watching = stack.enter_context(ExitStack())
            watched = None
            if part == 0 and self.watch and not any(place[0] is fold for fold in self.folds[1:]):
                watched = self._watched(state, recipe, watching)
            steps = stack.enter_context(closing(train(state, batches, recipe)))
            try:
                for step in steps:
                    yield Loss(step.loss)
                    reason = _certain(watched, state.step)
                    if reason:
                        yield Hopeless(reason)
                    part = ends.get(state.step, 0)
                    if part in self.looks or state.step == last:
                        watching.close()  # what can't learn shows at once, and looking on costs
                        watched = None
                        yield self._look(state, recipe, part, place)
                    if state.step == last:
                        return
            except Diverged as error:
                yield Loss(error.loss if not math.isfinite(error.loss) else math.nan)

    def _watched(self, state: TrainingState, recipe: Recipe, stack: ExitStack) -> Watched:
        record = Record()
        watched = Watched(record, record.add)
        stack.enter_context(watched.follow(state.classifier.get_submodule("network"), recipe.model))
        return watched

    def _look(
        self, state: TrainingState, recipe: Recipe, part: int, place: tuple[Images, Path]
    ) -> Report:
        """Save, then score the validation pictures; a loss that is no number is its end."""
        images, folder = place
        checkpoint.save(folder, state, {"part": part})
        low = state.progress < recipe.low_resolution
        classifier = state.classifier
        subset = images.val if part == self.run else _fewer(images, self.asked.seed)
        with averaged(state):
            scored = LowResolution(classifier) if low else classifier
            scores = evaluate(scored, subset, precision=recipe.precision)
        if not math.isfinite(scores.loss):
            return Loss(scores.loss)
        return Look(part, 1.0 - scores.accuracy, scores.loss)

    def done(self, folder: Path) -> int:
        """The part its checkpoint stands at, read from the file's header."""
        if not self.folds:
            return _part_of(folder)
        ended = len(_ended_folds(folder))
        if ended == len(self.folds):
            return self.full
        return ended * self.run + _part_of(folder / f"fold-{ended}")


def _fewer(images: Images, seed: int) -> Subset:
    """At most LOOK_PICTURES validation pictures, drawn once for all trials."""
    indices = images.splits["val"]
    if len(indices) <= LOOK_PICTURES:
        return images.val
    drawn = np.random.default_rng(seed).choice(indices, LOOK_PICTURES, replace=False)
    return images.subset(np.sort(drawn))


def _ended_folds(folder: Path) -> list[tuple[float, float]]:
    """(error, loss) of each fold that was trained to its end."""
    try:
        rows = json.loads((folder / FOLDS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [(float(value), float(loss)) for value, loss in rows]


def _part_of(folder: Path) -> int:
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


def seconds_per_start(training: Training, seconds_per_part: float) -> float:
    """What beginning a trial costs beside its training: building, its looks, saving.

    Measured on the shortest trial there is, one part of the usual recipe.
    """
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        with closing(training.train({}, training.asked.seed, 1, Path(folder))) as reports:
            for _ in reports:
                pass
        return max(0.0, time.monotonic() - began - seconds_per_part)
