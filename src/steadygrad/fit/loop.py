"""The middle of a run: steps, looks at the validation pictures, checkpoints, the deadline."""

from __future__ import annotations

import math
import shlex
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch

from steadygrad import checkpoint, rules
from steadygrad.errors import SteadygradError
from steadygrad.evaluate import evaluate
from steadygrad.fit.budget import Budget
from steadygrad.fit.folder import RunFolder
from steadygrad.fit.job import Show
from steadygrad.fit.prepare import Prepared
from steadygrad.fit.signals import Interrupted, StopSignals
from steadygrad.record import Epoch, Event, Finding, Record, Step
from steadygrad.train import Diverged, TrainingState, train
from steadygrad.training_state import LowResolution

LOOKS = 20
"""Most often the validation pictures are scored in a run: each look costs a forward pass."""


@dataclass
class Progress:
    """What the loop must remember over an interruption, beside the TrainingState."""

    best_accuracy: float = -1.0
    best_step: int = 0
    improved_step: int = 0
    """The step of the last look that was better than all before; a tie is no progress."""
    loss_sum: float = 0.0
    loss_count: int = 0
    train_seconds: float = 0.0
    data_seconds: float = 0.0
    compute_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    num_images: int = 0
    stopped_early: bool = False


def look_is_due(state: TrainingState, patience: int = 0) -> bool:
    """Whether to score the validation pictures: at epoch ends, thinned out, and at the end.

    `patience`, in epochs, asks for looks at least that often.
    """
    if state.steps_left == 0:
        return True
    epochs = math.ceil(state.total_steps / state.steps_per_epoch)
    every = max(1, math.ceil(epochs / LOOKS))
    every = min(every, patience) if patience else every
    return state.step % (state.steps_per_epoch * every) == 0


def is_finite(state: TrainingState) -> bool:
    """Whether all weights and statistics of the network are numbers."""
    tensors = state.classifier.state_dict().values()
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def averaged(state: TrainingState) -> AbstractContextManager[None]:
    """A context in which the classifier has its averaged weights, if the run keeps any."""
    return state.average.applied(state.classifier) if state.average else nullcontext()


def judge(record: Record, folder: RunFolder) -> list[Finding]:
    """Run all rules over the record, and write what they find down in it."""
    record.findings = rules.run(record)
    folder.save_record(record)
    return record.findings


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
        if self.progress.stopped_early:
            return  # an earlier process came to the end of training, and no further
        self.show.stage("training", self.state.total_steps)
        go_on = f"Go on with: steadygrad train --resume {shlex.quote(str(self.folder.path))}"
        signals.message = f"Stopped at once; the checkpoint before is kept. {go_on}"
        if self.state.step == 0:
            self.save()
        try:
            with signals.held():
                self._train(signals)
        except Diverged as error:
            self._diverged(error)
        if not is_finite(self.state):
            self._lost()
        self.save()
        signals.message = f"Stopped after training; the weights are saved. {go_on}"
        if signals.number is not None:
            at = f"step {self.state.step} of {self.state.total_steps}"
            raise Interrupted(f"Stopped at {at}; everything is saved. {go_on}", signals.number)

    def _train(self, signals: StopSignals) -> None:
        state, progress, recipe = self.state, self.progress, self.prepared.recipe
        saved = began = time.monotonic()
        if self.budget:
            self.budget.begin()
        seconds_before = progress.train_seconds
        for step in train(state, self.prepared.batches, recipe):
            self._note(step)
            progress.train_seconds = seconds_before + time.monotonic() - began
            if look_is_due(state, recipe.patience) and self._look():
                break
            self._replan()
            if signals.number is not None:
                break
            if time.monotonic() - saved >= self.prepared.job.checkpoint_seconds:
                self.save()
                saved = time.monotonic()
        progress.train_seconds = seconds_before + time.monotonic() - began

    def save(self, name: str = "last") -> None:
        """Write a checkpoint, the record before it.

        Weights that are no numbers any more are not written: the next step ends the run, and the
        good ones saved before stay.
        """
        self.folder.writer().flush()
        if is_finite(self.state):
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
            low = state.progress < prepared.recipe.low_resolution
            scored = LowResolution(prepared.classifier) if low else prepared.classifier
            with averaged(state):
                scores = evaluate(scored, prepared.images.val, precision=prepared.recipe.precision)
                epoch.val_loss, epoch.val_accuracy = scores.loss, scores.accuracy
            if not low:  # weights of the low-resolution share are never the best
                stop = self._compare(scores.accuracy if math.isfinite(scores.loss) else -1.0)
        progress.evaluate_seconds += time.monotonic() - began
        self.folder.writer().write(epoch)
        prepared.record.add(epoch)
        self.show.epoch(epoch)
        return stop

    def _compare(self, accuracy: float) -> bool:
        """Keep the best weights; True when patience has run out."""
        state, progress, patience = self.state, self.progress, self.prepared.recipe.patience
        # A tie goes to the later weights: they have seen more.
        if accuracy >= max(progress.best_accuracy, 0.0):
            if accuracy > progress.best_accuracy:
                progress.improved_step = state.step
            progress.best_accuracy, progress.best_step = accuracy, state.step
            self.save("best")
        if patience and state.step - progress.improved_step >= patience * state.steps_per_epoch:
            progress.stopped_early = True
            self.tell("stopped", f"No progress in {patience} epochs: stopped early.")
            return True
        return False

    def _replan(self) -> None:
        text = self.budget.pace(self.state) if self.budget else None
        if text is not None:
            self.tell("replanned", text, total_steps=self.state.total_steps)

    def tell(self, name: str, text: str, **values: Any) -> None:
        """Write down and say what was decided."""
        event = Event(self.state.step, name, text, values)
        self.folder.writer().write(event)
        self.prepared.record.add(event)
        self.show.say(text)

    def _diverged(self, error: Diverged) -> None:
        """Write the broken step down, so that rules see it, and stop; the checkpoint stays."""
        self.prepared.record.add(
            Step(error.step, self.state.epoch, error.loss, error.lr, 0, grad_norm=error.grad_norm)
        )
        judge(self.prepared.record, self.folder)
        raise SteadygradError(f"{error} {self._kept()}") from error

    def _lost(self) -> None:
        """The last update left no numbers: nothing to score or export."""
        judge(self.prepared.record, self.folder)
        raise SteadygradError(
            f"The weights are no finite numbers after step {self.state.step}. Try a smaller --lr, "
            f"some --warmup 0.1 or --clip-norm 1. {self._kept()}"
        )

    def _kept(self) -> str:
        return f"The last good state is kept in {self.folder.path / 'checkpoint'}."
