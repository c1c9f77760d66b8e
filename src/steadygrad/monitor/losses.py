"""The losses of each round: their values as steps of the Record, and whether they are kept."""

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
from steadygrad.monitor.loopbook import Tracked
from steadygrad.record import Batch, LayerSignals, Step, Where

if TYPE_CHECKING:
    from steadygrad.monitor.monitor import Monitor

KEPT_STEPS = 5000
"""Steps written one by one; of a longer run every second, third, … is."""
LIGHT_STEPS = 60
"""Steps whose labels are written even when they are not watched."""
KEPT_LOSSES = 40
"""Latest losses of which is asked whether somebody still holds them."""


class Losses:
    """Losses since the last update, and those of before that are still held."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._values: list[float | Tensor] = []
        self._functions = 0
        self._kept: list[weakref.ref[Tensor]] = []
        self._written = 0
        self._last = perf_counter()
        self._broken = False
        self.where: Where | None = None
        """The user's line that computes the loss."""

    def add_loss(self, value: float) -> None:
        """A loss function gave this value, with gradients on."""
        self._values.append(value)
        self._functions += 1

    def loss_called(self, name: str, data: Tensor, target: Tensor, result: Tensor) -> None:
        """A loss function ran where operations are not followed."""
        if result.numel() != 1 or result.device.type != "cpu":
            return
        evaluations = self._monitor.evaluations
        value = float(result.detach())
        if torch.is_grad_enabled() and result.requires_grad:
            self.add_loss(value)
            if self._monitor.step < LIGHT_STEPS:
                self._monitor.calls.label(data, class_labels(target))
        else:
            evaluations.loss(value, data.shape[0] if data.dim() else 1)
            if name == "cross_entropy" and data.dim() == 2 and not target.is_floating_point():
                evaluations.accuracy(float((data.argmax(1) == target).sum()), len(data))

    def backward_on(self, losses: list[Tensor]) -> None:
        """`backward` is about to run on these."""
        monitor = self._monitor
        node = monitor.window.tracer.maker(losses[0]) if losses else None
        if node is not None:
            self.where = node.where
        if len(losses) != 1 or losses[0].numel() != 1:
            return
        loss = losses[0].detach()
        loss = monitor.taps.model.unscaled.get(id(losses[0]), loss)
        on_cpu = loss.device.type == "cpu"
        if not self._functions:
            self._values.append(float(loss) if on_cpu else loss)
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
        self._monitor.sink(LayerSignals(self._monitor.step, operation, dict(values)))
        if kind == "input":
            self._monitor.sink(Batch(self._monitor.step, inputs=dict(values)))

    def write_step(self, tracked: Tracked | None) -> None:
        """A round is over: its Step, where there was a loss."""
        monitor, now = self._monitor, perf_counter()
        losses = [loss for loss in self._values if isinstance(loss, float)]
        waiting = [loss for loss in self._values if isinstance(loss, Tensor)]
        self._values, self._functions = [], 0
        if waiting and monitor.window.watching:  # on a device: a wait on watched steps only
            losses += torch.stack([loss.float() for loss in waiting]).tolist()
        seconds, self._last = now - self._last, now
        if not losses:
            return
        bad = [loss for loss in losses if not math.isfinite(loss)]
        loss = bad[0] if bad else math.fsum(losses) / len(losses)
        size = monitor.calls.batch_size
        monitor.evaluations.trained(loss, monitor.observer.last_accuracy, size)
        monitor.observer.last_accuracy = None
        self._written += 1
        if bad or self._written % (1 + self._monitor.step // KEPT_STEPS) == 0:
            optimizer = tracked.ref() if tracked else None
            lr = float(optimizer.param_groups[0]["lr"]) if optimizer is not None else 0.0
            line = Step(self._monitor.step, max(0, monitor.book.epochs() - 1), loss, lr, size)
            line.compute_seconds = seconds
            monitor.sink(line)

    def retained(self) -> int:
        """Losses of earlier steps that are still held, with their graph."""
        alive = [ref() for ref in self._kept]
        return max(0, sum(t is not None and not is_trainable(t) for t in alive) - 2)
