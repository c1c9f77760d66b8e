"""Counts backwards and updates, closes each round and decides whether the next one is watched."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from steadygrad.monitor.lines import here
from steadygrad.monitor.loopbook import Tracked
from steadygrad.monitor.losses import LIGHT_STEPS
from steadygrad.monitor.schedule import Schedule

if TYPE_CHECKING:
    from steadygrad.monitor.monitor import Monitor

SILENT_BACKWARDS = 16
"""Backwards without an update after which each counts as a round of its own."""
ANOTHER_LEADS = 6
"""Updates of other optimizers after which the first one is taken to be retired."""


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
            self.backwards += 1
            monitor.book.loop.backward_where = here()
            for tracked in monitor.book.optimizers:
                tracked.backwards += 1
            monitor.losses.backward_on(losses)
            if monitor.window.watching:
                monitor.gradients.before_backward(monitor.weights())

    def after_backward(self, accumulates: bool) -> None:
        """`backward` is over."""
        monitor = self._monitor
        if accumulates and monitor.window.watching:
            monitor.gradients.after_backward(monitor.weights())
        self._silent += 1
        if not monitor.book.optimizers:
            self._versions = {id(t): t._version for t in monitor.weights()}
            if accumulates and monitor.window.watching and self.manual_updates:
                monitor.book.by_hand(monitor.gradients.is_stale(monitor.weights()))
            monitor.gradients.updates += 1
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
        """`optimizer.step` is about to run; given a closure, its gradients are yet to come."""
        line = self._monitor.book.optimizer(optimizer)[1].line
        line.closure = line.closure or closure
        line.step_where = here()
        if not closure:
            self.measure_update(optimizer)

    def measure_update(self, optimizer: torch.optim.Optimizer) -> None:
        """The gradients this update begins with are there, the weights not yet changed."""
        monitor = self._monitor
        if not monitor.window.watching:
            return
        number, tracked = monitor.book.optimizer(optimizer)
        line = tracked.line
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
        if self._others >= ANOTHER_LEADS or self._succeeds(number):
            self._primary, self._others = number, 0
        return number == self._primary

    def _succeeds(self, number: int) -> bool:
        """Whether an optimizer takes the leading one's place: that one is gone, or its weights'."""
        if number == self._primary or self._primary is None:
            return False
        book = self._monitor.book
        old, new = (book.optimizers[n].ref() for n in (self._primary, number))
        if old is None or new is None:
            return old is None
        if book.optimizers[number].line.steps > 1:
            return False
        held = {id(t) for group in old.param_groups for t in group["params"]}
        return any(id(t) in held for group in new.param_groups for t in group["params"])

    def _close(self, tracked: Tracked | None, counts: bool) -> None:
        """A round is over: write it, and decide whether the next one is watched."""
        monitor = self._monitor
        watched = monitor.window.watching
        if self.began is None:
            self.began = perf_counter()
        self.step += counts
        monitor.losses.write_step(tracked)
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
