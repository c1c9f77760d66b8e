"""A look at the validation pictures between two steps: scores, the best weights, patience."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from steadygrad.evaluate import evaluate
from steadygrad.fit.progress import averaged
from steadygrad.record import Epoch
from steadygrad.training_state import LowResolution

if TYPE_CHECKING:
    from steadygrad.fit.loop import Loop


def look(loop: Loop) -> bool:
    """Score the validation pictures and write the epoch down; True: stop early."""
    began = time.monotonic()
    state, progress, prepared = loop.state, loop.progress, loop.prepared
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
            stop = _compare(loop, scores.accuracy if math.isfinite(scores.loss) else -1.0)
    progress.evaluate_seconds += time.monotonic() - began
    loop.folder.writer().write(epoch)
    prepared.record.add(epoch)
    loop.show.epoch(epoch)
    return stop


def _compare(loop: Loop, accuracy: float) -> bool:
    """Keep the best weights; True when patience has run out."""
    state, progress, patience = loop.state, loop.progress, loop.prepared.recipe.patience
    # A tie goes to the later weights: they have seen more.
    if accuracy >= max(progress.best_accuracy, 0.0):
        if accuracy > progress.best_accuracy:
            progress.improved_step = state.step
        progress.best_accuracy, progress.best_step = accuracy, state.step
        loop.save("best")
    if patience and state.step - progress.improved_step >= patience * state.steps_per_epoch:
        progress.stopped_early = True
        loop.tell("stopped", f"No progress in {patience} epochs: stopped early.")
        return True
    return False
