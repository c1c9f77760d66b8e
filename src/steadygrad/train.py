"""THE training loop: a generator that yields one Step per update of the weights.

There are no callbacks. The caller owns the run: early stopping is `break`, evaluation an `if`,
changing the length is `state.total_steps = n`, giving up is `.close()`. When a Step is yielded
the state is whole and may be saved; the gradients of the step still stand in `.grad`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadygrad.errors import SteadygradError
from steadygrad.images.randomness import derived_seed
from steadygrad.machine import arrange
from steadygrad.models.transfer import freeze, unfreeze
from steadygrad.record import Recipe, Step
from steadygrad.schedules import midpoint, multiplier
from steadygrad.training_state import (
    PRECISIONS,
    TrainingState,
    settled,
    shrink,
    start,
)

__all__ = ["Diverged", "TrainingState", "start", "train"]


class Diverged(SteadygradError):
    """Loss or gradient are no longer numbers; the weights are those before `step`."""

    def __init__(self, step: int, loss: float, grad_norm: float | None, lr: float) -> None:
        self.step, self.loss, self.grad_norm, self.lr = step, loss, grad_norm, lr
        what, value = ("loss", loss) if not math.isfinite(loss) else ("gradient's norm", grad_norm)
        super().__init__(
            f"The {what} became {value} in step {step} (learning rate {lr:g}); expected a finite "
            "number. Try a smaller --lr, some --warmup 0.1 or --clip-norm 1."
        )


class BatchLike(Protocol):
    """What training needs of a batch (`images.batches.Batch`)."""

    images: Tensor
    targets: Tensor


class BatchesLike(Protocol):
    """What training needs of the data (`images.batches.Batches`)."""

    def __len__(self) -> int:
        """Steps in an epoch."""
        ...

    def batch(self, epoch: int, step: int) -> BatchLike:
        """The batch of one step of an epoch, a pure function of the two."""
        ...


def train(
    state: TrainingState, batches: BatchesLike, recipe: Recipe
) -> Generator[Step, None, None]:
    """Train on from `state.step` to `state.total_steps`, yielding a Step after each update.

    Torch's global generators are seeded anew for every step from (seed, step), which makes dropout
    the same after a resume; they are not put back. Raises Diverged when the loss is not finite,
    before the weights are changed. Reading the loss waits for the device once a step.
    """
    recipe = settled(recipe)
    optimizer, feed, phase = state.optimizer, Feed(batches, state), Phase(state, recipe)
    if not state.classifier.training:
        state.classifier.train()
    try:
        while state.steps_left:
            begin = time.perf_counter()
            batch = feed.take(state.step)
            fed = time.perf_counter()
            torch.manual_seed(derived_seed(recipe.seed, "dropout", state.step))
            phase.enter()
            lr = set_lr(state, recipe)
            logits = forward(state, batch.images, recipe)
            loss = cross_entropy(logits, batch.targets, recipe.label_smoothing, state.class_weights)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            grad_norm = clip(state, recipe.clip_norm)
            value = float(loss.detach())
            if not math.isfinite(value) or not math.isfinite(grad_norm or 0.0):
                optimizer.zero_grad(set_to_none=True)
                raise Diverged(state.step + 1, value, grad_norm, lr)
            optimizer.step()
            epoch = state.epoch
            state.advance()
            if state.average is not None:
                state.average.update(state.classifier)
            yield Step(
                step=state.step,
                epoch=epoch,
                loss=value,
                lr=lr,
                num_images=len(batch.images),
                data_seconds=fed - begin,
                compute_seconds=time.perf_counter() - fed,
                grad_norm=grad_norm,
            )
    finally:
        feed.close()


def set_lr(state: TrainingState, recipe: Recipe) -> float:
    """Set every group's rate for the next update; returns the first group's."""
    progress = midpoint(state.progress, state.steps_left)
    factor = multiplier(recipe.schedule, progress, recipe.warmup, recipe.final_lr_fraction)
    for group in state.optimizer.param_groups:
        group["lr"] = state.lr * factor * group["lr_factor"]
    return state.optimizer.param_groups[0]["lr"]


def forward(state: TrainingState, images: Tensor, recipe: Recipe) -> Tensor:
    """Pixels 0–255 → logits (B, K) float32, as in training.

    Preprocessing runs in fp32 outside autocast: it is the same in training and evaluation.
    """
    device, dtype = state.device, PRECISIONS[recipe.precision]
    classifier = state.classifier
    inputs = classifier.get_submodule("preprocess")(images.to(device, non_blocking=True))
    if state.progress < recipe.low_resolution:
        inputs = shrink(inputs)
    inputs = arrange(inputs, recipe.memory_format)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
        logits = classifier.get_submodule("network")(inputs)
    return logits.float()


def cross_entropy(
    logits: Tensor, targets: Tensor, label_smoothing: float, class_weights: Tensor | None
) -> Tensor:
    """Mean cross entropy over the batch; `targets` are labels (B,) or probabilities (B, K).

    A picture counts as much as its class weighs (a mixed one as its classes do, by share). The sum
    is divided by the number of pictures, not by the weights met in this batch: rare classes keep
    their weight in the batches that hold few others.
    """
    if class_weights is None:
        return F.cross_entropy(logits, targets, label_smoothing=label_smoothing)
    losses = F.cross_entropy(logits, targets, label_smoothing=label_smoothing, reduction="none")
    mixed = targets.is_floating_point()
    return (losses * (targets @ class_weights if mixed else class_weights[targets])).mean()


def clip(state: TrainingState, clip_norm: float) -> float | None:
    """Limit the L2 norm of the whole gradient; returns the norm before, None without a limit."""
    if not math.isfinite(clip_norm):
        return None
    return float(nn.utils.clip_grad_norm_(state.classifier.parameters(), clip_norm))


class Phase:
    """Freezes a reused backbone for the first share of the run, then thaws it."""

    def __init__(self, state: TrainingState, recipe: Recipe) -> None:
        self._state, self._share = state, recipe.freeze
        self._frozen: bool | None = None if recipe.freeze > 0 else False

    def enter(self) -> None:
        """Bring the network into the phase the next step belongs to; costs nothing when in it."""
        frozen = self._state.progress < self._share
        if frozen == self._frozen:
            return
        (freeze if frozen else unfreeze)(self._state.classifier.get_submodule("network"))
        self._frozen = frozen


class Feed:
    """Gets batches; where the device computes by itself (CUDA), one ahead in a thread."""

    def __init__(self, batches: BatchesLike, state: TrainingState) -> None:
        self._batches, self._state = batches, state
        self._ahead: tuple[int, Future[BatchLike]] | None = None
        self._thread = ThreadPoolExecutor(1) if state.device.type == "cuda" else None

    def take(self, step: int) -> BatchLike:
        """The batch of `step`, counted from 0 over the whole run."""
        if self._ahead is not None and self._ahead[0] == step:
            batch = self._ahead[1].result()
        else:
            batch = self._make(step)
        if self._thread is not None and step + 1 < self._state.total_steps:
            self._ahead = (step + 1, self._thread.submit(self._make, step + 1))
        return batch

    def close(self) -> None:
        """End the thread; a batch it is making is waited for."""
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def _make(self, step: int) -> BatchLike:
        return self._batches.batch(*divmod(step, self._state.steps_per_epoch))
