"""The middle of a run: steps, looks at the validation pictures, checkpoints, the deadline."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from steadygrad import checkpoint
from steadygrad.errors import SteadygradError
from steadygrad.evaluate import evaluate
from steadygrad.fit.budget import Budget
from steadygrad.fit.folder import RunFolder
from steadygrad.fit.job import Show
from steadygrad.fit.prepare import Prepared
from steadygrad.fit.signals import Interrupted, StopSignals
from steadygrad.record import Epoch, Event, Step
from steadygrad.train import Diverged, TrainingState, train

LOOKS = 20
"""Most often the validation pictures are scored in a run: each look costs a forward pass."""
CHECKPOINT_SECONDS = 30.0
"""Time between two checkpoints: what a power cut may cost."""


@dataclass
class Progress:
    """What the loop must remember over an interruption, beside the TrainingState."""

    best_accuracy: float = -1.0
    best_step: int = 0
    looks_without_progress: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    train_seconds: float = 0.0
    data_seconds: float = 0.0
    compute_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    num_images: int = 0
    stopped_early: bool = False


def look_is_due(state: TrainingState) -> bool:
    """Whether to score the validation pictures: at epoch ends, thinned out, and at the end."""
    if state.steps_left == 0:
        return True
    epochs = math.ceil(state.total_steps / state.steps_per_epoch)
    every = max(1, math.ceil(epochs / LOOKS))
    return state.step % (state.steps_per_epoch * every) == 0


@dataclass
class Loop:
    """One run's loop over `train`, and what it decides between two steps."""

    folder: RunFolder
    prepared: Prepared
    show: Show
    budget: Budget | None = None
    progress: Progress = field(default_factory=Progress)

    @property
    def state(self) -> TrainingState:
        """The training state."""
        return self.prepared.state

    def run(self, signals: StopSignals) -> None:
        """Train to the end, or until a signal, a deadline or lack of progress says stop."""
        recipe, state = self.prepared.recipe, self.state
        self.show.stage("training", state.total_steps)
        if state.step == 0:
            self.save()
        saved = began = time.monotonic()
        if self.budget:
            self.budget.begin(state.step)
        seconds_before = self.progress.train_seconds
        try:
            for step in train(state, self.prepared.batches, recipe):
                self._note(step)
                self.progress.train_seconds = seconds_before + time.monotonic() - began
                if look_is_due(self.state) and self._look():
                    break
                self._replan()
                if signals.number is not None:
                    self._leave(signals.number)
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    self.save()
                    saved = time.monotonic()
        except Diverged as error:
            self._diverged(error)
        self.progress.train_seconds = seconds_before + time.monotonic() - began
        self.save()

    def save(self, name: str = "last") -> None:
        """Write a checkpoint, the record before it."""
        self.folder.writer().flush()
        extra: dict[str, Any] = {"progress": vars(self.progress)}
        checkpoint.save(self.folder.path / "checkpoint", self.state, extra, name)

    def _note(self, step: Step) -> None:
        progress = self.progress
        progress.data_seconds += step.data_seconds
        progress.compute_seconds += step.compute_seconds
        progress.num_images += step.num_images
        progress.loss_sum += step.loss
        progress.loss_count += 1
        self.folder.writer().write(step)
        self.prepared.record.add(step)
        self.show.step(step, self.state.total_steps)

    def _look(self) -> bool:
        """Score the validation pictures and write the epoch down; True: stop early."""
        began = time.monotonic()
        state, progress, prepared = self.state, self.progress, self.prepared
        epoch = Epoch(
            epoch=(state.step - 1) // state.steps_per_epoch,
            step=state.step,
            train_loss=progress.loss_sum / max(1, progress.loss_count),
            seconds=progress.train_seconds,
        )
        progress.loss_sum, progress.loss_count = 0.0, 0
        stop = False
        if len(prepared.images.val):
            with self.averaged():
                scores = evaluate(
                    prepared.classifier, prepared.images.val, precision=prepared.recipe.precision
                )
                epoch.val_loss, epoch.val_accuracy = scores.loss, scores.accuracy
            stop = self._compare(scores.accuracy)
        progress.evaluate_seconds += time.monotonic() - began
        self.folder.writer().write(epoch)
        prepared.record.add(epoch)
        self.show.epoch(epoch)
        return stop

    def averaged(self) -> Any:
        """A context in which the classifier has its averaged weights, if the run keeps any."""
        state = self.state
        if state.average is None:
            return nullcontext()
        return state.average.applied(state.classifier)

    def _compare(self, accuracy: float) -> bool:
        """Keep the best weights; True when patience has run out."""
        progress, patience = self.progress, self.prepared.recipe.patience
        # A tie goes to the later weights: they have seen more.
        if accuracy >= progress.best_accuracy:
            improved = accuracy > progress.best_accuracy
            progress.best_accuracy, progress.best_step = accuracy, self.state.step
            progress.looks_without_progress = 0 if improved else progress.looks_without_progress + 1
            self.save("best")
        else:
            progress.looks_without_progress += 1
        if patience and progress.looks_without_progress >= patience:
            progress.stopped_early = True
            self.tell("stopped", f"No progress in {patience} looks at the validation pictures.")
            return True
        return False

    def _replan(self) -> None:
        state = self.state
        if self.budget is None or state.step % 10:
            return
        total = self.budget.new_total(state.step, state.total_steps)
        if total is not None and total != state.total_steps:
            self.tell(
                "replanned",
                f"The run will take {total} steps instead of {state.total_steps} to end in time.",
                total_steps=total,
            )
            state.total_steps = total

    def tell(self, name: str, text: str, **values: Any) -> None:
        """Write down and say what was decided."""
        event = Event(self.state.step, name, text, values)
        self.folder.writer().write(event)
        self.prepared.record.add(event)
        self.show.say(text)

    def _leave(self, number: int) -> None:
        self.save()
        raise Interrupted(
            f"Stopped at step {self.state.step} of {self.state.total_steps}; everything is saved. "
            f"Go on with: steadygrad train --resume {self.folder.path}",
            number,
        )

    def _diverged(self, error: Diverged) -> None:
        """Write the broken step down, so that rules see it, and stop; the checkpoint stays."""
        last = self.prepared.record.steps[-1:]
        lr = last[0].lr if last else self.state.lr
        self.folder.writer().write(Step(error.step, self.state.epoch, math.nan, lr, 0))
        self.folder.writer().flush()
        raise SteadygradError(
            f"{error} The last good state is kept in {self.folder.path / 'checkpoint'}."
        ) from error
