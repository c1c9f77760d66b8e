"""Counts backwards and updates, closes each round and decides whether the next one is watched."""

from __future__ import annotations

import math
import weakref
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from steadygrad.monitor.attributes import is_trainable
from steadygrad.monitor.autopsy import first_bad
from steadygrad.monitor.batches import class_labels
from steadygrad.monitor.lines import here
from steadygrad.monitor.loopbook import Tracked
from steadygrad.monitor.schedule import Schedule
from steadygrad.record import Batch, LayerSignals, Step

if TYPE_CHECKING:
    from steadygrad.monitor.monitor import Monitor

SILENT_BACKWARDS = 16
"""Backwards without an update after which each counts as a round of its own."""
ANOTHER_LEADS = 6
"""Updates of other optimizers after which the first one is taken to be retired."""
KEPT_STEPS = 5000
"""Steps written one by one; of a longer run every second, third, … is."""
LIGHT_STEPS = 60
"""Steps whose labels are written even when they are not watched."""
KEPT_LOSSES = 40
"""Latest losses of which is asked whether somebody still holds them."""


class Rounds:
    """From one update to the next."""

    def __init__(self, monitor: Monitor, period: int) -> None:
        self._monitor = monitor
        self._schedule = Schedule(period)
        self.step = 0
        self.backwards = 0
        self.news: tuple[int, bool] | None = None
        """(step, watched) of a round that was closed and not told yet."""
        self.began: float | None = None
        self.manual_updates = 0
        self._versions: dict[int, int] = {}
        self._primary: int | None = None
        self._others = 0
        self._silent = 0
        self._losses: list[float | Tensor] = []
        self._functions = 0
        self._kept: list[weakref.ref[Tensor]] = []
        self._written = 0
        self._last = perf_counter()
        self._broken = False

    def add_loss(self, value: float) -> None:
        """A loss function gave this value, with gradients on."""
        self._losses.append(value)
        self._functions += 1

    def loss_called(self, name: str, data: Tensor, target: Tensor, result: Tensor) -> None:
        """A loss function ran where operations are not followed."""
        if result.numel() != 1 or result.device.type != "cpu":
            return
        evaluations = self._monitor.evaluations
        value = float(result.detach())
        if torch.is_grad_enabled() and result.requires_grad:
            self.add_loss(value)
            if self.step < LIGHT_STEPS:
                self._monitor.passes.label(data, class_labels(target))
        else:
            evaluations.loss(value, data.shape[0] if data.dim() else 1)
            if name == "cross_entropy" and data.dim() == 2 and not target.is_floating_point():
                evaluations.accuracy(float((data.argmax(1) == target).sum()), len(data))

    def before_backward(self, losses: list[Tensor], accumulates: bool) -> None:
        """`backward` (or `autograd.grad`) is about to run on these tensors."""
        monitor = self._monitor
        if accumulates and not monitor.book.optimizers:
            self._changed_by_hand()
        epoch = monitor.passes.end_evaluation()
        if epoch is not None:
            monitor.sink(epoch)
        monitor.window.wake()
        if not accumulates and monitor.passes.roots:
            return  # a gradient within a loss, as for a gradient penalty
        monitor.passes.rooted(losses)
        monitor.book.used_for("train")
        if accumulates:
            self._note(losses)
            if monitor.window.watching:
                monitor.gradients.before_backward(monitor.weights())

    def _note(self, losses: list[Tensor]) -> None:
        monitor = self._monitor
        self.backwards += 1
        monitor.book.loop.backward_where = here()
        for tracked in monitor.book.optimizers:
            tracked.backwards += 1
        if len(losses) != 1 or losses[0].numel() != 1:
            return
        loss = losses[0].detach()
        loss = monitor.taps.unscaled.get(id(losses[0]), loss)
        on_cpu = loss.device.type == "cpu"
        if not self._functions:
            self._losses.append(float(loss) if on_cpu else loss)
        if on_cpu and not math.isfinite(float(loss)) and not self._broken:
            self._broken = True
            if not monitor.window.following:
                self._examine(losses[0])
        self._kept = [ref for ref in self._kept[-KEPT_LOSSES:] if ref() is not None]
        self._kept.append(weakref.ref(losses[0]))

    def _examine(self, loss: Tensor) -> None:
        """The loss is no number, where nobody watched: look for the first cause."""
        operation, kind = first_bad(loss, self._monitor.weights())
        values = {"non_finite_fraction": 1.0}
        self._monitor.sink(LayerSignals(self.step, operation, dict(values)))
        if kind == "input":
            self._monitor.sink(Batch(self.step, inputs=dict(values)))

    def after_backward(self, accumulates: bool) -> None:
        """`backward` is over."""
        monitor = self._monitor
        if accumulates and monitor.window.watching:
            monitor.gradients.after_backward(monitor.weights())
        self._silent += 1
        if not monitor.book.optimizers:
            self._versions = {id(t): t._version for t in monitor.weights()}
            self._close(None, counts=True)
        elif self._silent > SILENT_BACKWARDS:
            self._close(None, counts=False)

    def _changed_by_hand(self) -> None:
        """The next backward begins: did weights change since the last, with no optimizer?"""
        for tensor in self._monitor.weights():
            if self._versions.get(id(tensor), tensor._version) != tensor._version:
                self.manual_updates += 1
                return

    def before_update(self, optimizer: torch.optim.Optimizer, closure: bool) -> None:
        """`optimizer.step` is about to run."""
        monitor = self._monitor
        number, tracked = monitor.book.optimizer(optimizer)
        line = tracked.line
        line.closure = line.closure or closure
        line.step_where = here()
        if not monitor.window.watching or closure:
            return
        monitor.mark_optimizers()
        flags = monitor.gradients.before_update(optimizer, number, self.step)
        line.watched += 1
        line.stale += flags["stale"]
        line.wiped += flags["wiped"]
        inside = number in monitor.gradients.wiped_inside
        line.wiped_inside += inside
        monitor.gradients.wiped_inside.discard(number)
        if flags["wiped"] or inside:
            line.wipe_where = monitor.taps.loop.zero_grad_where

    def after_update(self, optimizer: torch.optim.Optimizer) -> None:
        """`optimizer.step` is over."""
        monitor = self._monitor
        number, tracked = monitor.book.optimizer(optimizer)
        tracked.line.steps += 1
        tracked.per_step.append(tracked.backwards)
        tracked.backwards = self._silent = 0
        lr = max((float(group["lr"]) for group in optimizer.param_groups), default=0.0)
        for line in monitor.gradients.after_update(optimizer, lr):
            monitor.sink(line)
        if self._leads(number):
            self._close(tracked, counts=True)

    def _leads(self, number: int) -> bool:
        if self._primary is None:
            self._primary = number
        self._others = 0 if number == self._primary else self._others + 1
        if self._others >= ANOTHER_LEADS:
            self._primary, self._others = number, 0
        return number == self._primary

    def _close(self, tracked: Tracked | None, counts: bool) -> None:
        """A round is over: write it, and decide whether the next one is watched."""
        monitor = self._monitor
        watched = monitor.window.watching
        if self.began is None:
            self.began = perf_counter()
        self.step += counts
        self._write_step(tracked)
        if watched:
            monitor.passes.flush_training()
            monitor.write_loop()
        else:
            monitor.passes.flush_light(self.step <= LIGHT_STEPS)
        if counts:
            self.news = (self.step, watched)
        updates = tracked.line.steps if tracked else self.step
        pace = self.step if counts else self.backwards
        if self._schedule.wants(pace, updates, monitor.seconds, monitor.elapsed()):
            monitor.passes.open()
            monitor.gradients.open(monitor.weights())
        else:
            monitor.passes.close()

    def _write_step(self, tracked: Tracked | None) -> None:
        monitor, now = self._monitor, perf_counter()
        losses = [loss for loss in self._losses if isinstance(loss, float)]
        waiting = [loss for loss in self._losses if isinstance(loss, Tensor)]
        self._losses, self._functions = [], 0
        if waiting and monitor.window.watching:  # on a device: a wait on watched steps only
            losses += torch.stack([loss.float() for loss in waiting]).tolist()
        seconds, self._last = now - self._last, now
        if not losses:
            return
        bad = [loss for loss in losses if not math.isfinite(loss)]
        loss = bad[0] if bad else math.fsum(losses) / len(losses)
        size = monitor.passes.batch_size
        monitor.evaluations.trained(loss, monitor.observer.last_accuracy, size)
        monitor.observer.last_accuracy = None
        self._written += 1
        if bad or self._written % (1 + self.step // KEPT_STEPS) == 0:
            optimizer = tracked.ref() if tracked else None
            lr = float(optimizer.param_groups[0]["lr"]) if optimizer is not None else 0.0
            line = Step(self.step, max(0, monitor.book.epochs() - 1), loss, lr, size)
            line.compute_seconds = seconds
            monitor.sink(line)

    def retained(self) -> int:
        """Losses of earlier steps that are still held, with their graph."""
        alive = [ref() for ref in self._kept]
        return max(0, sum(t is not None and not is_trainable(t) for t in alive) - 2)
