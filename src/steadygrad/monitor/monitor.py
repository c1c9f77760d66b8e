"""The monitor: decides what is watched, gathers it, hands lines of a Record to a sink."""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from steadygrad.monitor.batches import class_labels
from steadygrad.monitor.gradients import Gradients
from steadygrad.monitor.inventory import Inventory
from steadygrad.monitor.lines import here
from steadygrad.monitor.loopbook import LoopBook, Tracked
from steadygrad.monitor.passes import Passes
from steadygrad.monitor.schedule import Schedule
from steadygrad.monitor.taps import Taps
from steadygrad.record import Epoch, Facts, Line, Loop, Step

PRELUDE_SECONDS = 0.15
"""Own time spent at most on following how data are made before training begins."""
MAX_FAILURES = 5
SILENT_BACKWARDS = 16
"""Backwards without an update after which each counts as a step of its own."""
KEPT_STEPS = 5000
"""Steps written one by one; of a longer run every second, third, … is."""
LIGHT_STEPS = 60
"""Steps whose labels are written even when they are not watched."""


def _nothing(*_: Any) -> None:
    pass


class Monitor:
    """Watches every training loop of this process, from `install` to `uninstall`.

    `sink` gets each line of the Record as it is measured. `on_step(step, watched)` is called after
    each update and may raise to stop the script. `seconds` is the monitor's own time so far. Should
    the monitor itself fail, the script goes on and `failures` says so; after five it takes itself out.
    """

    def __init__(self, sink: Callable[[Line], None], period: int = 0) -> None:
        self.sink = sink
        self.on_step: Callable[[int, bool], None] = _nothing
        self.seconds = 0.0
        self.failures: list[str] = []
        self.step = 0
        self.backwards = 0
        self.live = False
        self.thread = threading.get_ident()
        self.process = os.getpid()
        self.inventory = Inventory()
        self.book = LoopBook()
        self.gradients = Gradients(self.inventory)
        self.passes = Passes(self)
        self.taps = Taps(self)
        self._schedule = Schedule(period)
        self._primary: int | None = None
        self._others = 0
        self._began: float | None = None
        self._last = perf_counter()
        self._silent = 0
        self._losses: list[float | Tensor] = []
        self._kept: list[weakref.ref[Tensor]] = []
        self._manual: Manual | None = None
        self._news: tuple[int, bool] | None = None
        self._facts_told = False
        self._thinned = 0

    def install(self) -> None:
        """Begin to watch: put the taps in and follow operations until the first step is over."""
        self.live = True
        self.taps.install()
        self.passes.open()

    def uninstall(self) -> None:
        """Stop watching; torch is as it was."""
        self.live = False
        self.passes.close()
        self.taps.remove()

    def inert(self) -> None:
        """In a forked child: do nothing any more, say nothing."""
        self.uninstall()
        self.sink = _nothing
        self.on_step = _nothing

    def finish(self, exception: BaseException | None = None) -> None:
        """The script is over: write what is still open and the last Loop line."""
        if self.process != os.getpid():
            return
        if self.live:
            self.guarded(self._finish, exception)
            self.uninstall()

    def guarded(self, work: Callable[..., None], *args: Any) -> None:
        """Run our own code: its time is counted, its failure never reaches the script."""
        began = perf_counter()
        try:
            with torch._C.DisableTorchFunction():  # our own operations are none of the script's
                work(*args)
        except Exception as failure:
            self.fail(failure)
        finally:
            self.seconds += perf_counter() - began

    def fail(self, failure: Exception) -> None:
        """The monitor went wrong: remember why; when it does so again and again, take it out."""
        trace = failure.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f" ({trace.tb_frame.f_code.co_name}, line {trace.tb_lineno})" if trace else ""
        self.failures.append(f"{type(failure).__name__}: {failure}{where}")
        if self.live and len(self.failures) >= MAX_FAILURES:
            self.uninstall()

    # What the taps report.

    def loss_called(self, name: str, data: Tensor, target: Any, result: Tensor) -> None:
        """A loss function ran on a step that is not watched."""
        if result.numel() != 1 or result.device.type != "cpu":
            return
        value = float(result.detach())
        if torch.is_grad_enabled() and result.requires_grad:
            self._losses.append(value)
            if self.step < LIGHT_STEPS:
                self.passes.label(data, class_labels(target))
        else:
            self.passes.evaluations.loss(value, data.shape[0] if data.dim() else 1)
            if name == "cross_entropy" and data.dim() == 2 and not target.is_floating_point():
                correct = float((data.argmax(1) == target).sum())
                self.passes.evaluations.accuracy(correct, len(data))

    def before_backward(self, losses: list[Tensor], accumulates: bool) -> None:
        """`backward` (or `autograd.grad`) is about to run on these tensors."""
        if self._manual is not None and accumulates:
            self._manual.updated(self)
        self._end_evaluation()
        if not accumulates and self.passes.roots:
            return
        self.passes.rooted(losses)
        self.book.used_for("train")
        if accumulates:
            self._note_loss(losses)
            if self.passes.watching:
                self.gradients.before_backward(self._tensors())

    def _note_loss(self, losses: list[Tensor]) -> None:
        self.backwards += 1
        self.book.loop.backward_where = here()
        for tracked in self.book.optimizers:
            tracked.backwards += 1
        if len(losses) == 1 and losses[0].numel() == 1:
            loss = losses[0].detach()
            known = self.taps.unscaled.get(id(losses[0]))
            if known is not None:
                loss = known
            if len(self._losses) < self.backwards_open():
                self._losses.append(float(loss) if loss.device.type == "cpu" else loss)
            self._kept = [ref for ref in self._kept[-40:] if ref() is not None]
            self._kept.append(weakref.ref(losses[0]))

    def backwards_open(self) -> int:
        """Backwards since the last update, this one included."""
        return max((t.backwards for t in self.book.optimizers), default=1)

    def after_backward(self, accumulates: bool) -> None:
        """`backward` is over."""
        if accumulates and self.passes.watching:
            self.gradients.after_backward(self._tensors())
        self._silent += 1
        if not self.book.optimizers and accumulates:
            if self._manual is None:
                self._manual = Manual()
            if self._manual.seen(self):
                self._round(None)
        elif self._silent > SILENT_BACKWARDS:
            self._round(None, counts=False)

    def before_update(self, optimizer: torch.optim.Optimizer, closure: bool) -> None:
        """`optimizer.step` is about to run."""
        number, tracked = self.book.optimizer(optimizer)
        tracked.line.closure = tracked.line.closure or closure
        tracked.line.step_where = here()
        if self.passes.watching and not closure:
            flags = self.gradients.before_update(optimizer, number, self.step)
            line = tracked.line
            line.watched += 1
            line.stale += flags["stale"]
            line.wiped += flags["wiped"]
            if number in self.gradients.wiped_inside:
                self.gradients.wiped_inside.discard(number)
                line.wiped_inside += 1
            if flags["wiped"] or line.wiped_inside:
                line.wipe_where = self.taps.zero_grad_where

    def after_update(self, optimizer: torch.optim.Optimizer) -> None:
        """`optimizer.step` is over."""
        number, tracked = self.book.optimizer(optimizer)
        tracked.line.steps += 1
        tracked.per_step.append(tracked.backwards)
        tracked.backwards = 0
        self._silent = 0
        lr = max((float(g["lr"]) for g in optimizer.param_groups), default=0.0)
        for line in self.gradients.after_update(optimizer, lr):
            self.sink(line)
        if self._leads(number):
            self._round(tracked)

    def _leads(self, number: int) -> bool:
        if self._primary is None:
            self._primary = number
        self._others = 0 if number == self._primary else self._others + 1
        if self._others >= 6:  # the first one is not used any more
            self._primary, self._others = number, 0
        return number == self._primary

    def _round(self, tracked: Tracked | None, counts: bool = True) -> None:
        """An update is done (or a backward that leads to none): close the pass, decide the next."""
        watched = self.passes.watching
        if self._began is None:
            self._began = perf_counter()
        if counts:
            self.step += 1
        self._write_step(tracked)
        if watched:
            self.passes.flush_training()
            self.write_loop()
        else:
            self.passes.flush_light(self.step <= LIGHT_STEPS)
        updates = tracked.line.steps if tracked else self.step
        elapsed = perf_counter() - self._began
        pace = self.step if counts else self.backwards
        self._news = (self.step, watched)
        if self._schedule.wants(pace, updates, self.seconds, elapsed):
            self.passes.open()
            self.gradients.open(self._tensors())
        else:
            self.passes.close()

    def announce(self) -> None:
        """Tell the owner of an update that was counted; what it raises stops the script."""
        news, self._news = self._news, None
        if news is not None:
            self.on_step(*news)

    def _write_step(self, tracked: Tracked | None) -> None:
        now = perf_counter()
        losses = [float(loss) for loss in self._losses if isinstance(loss, float)]
        waiting = [loss for loss in self._losses if isinstance(loss, Tensor)]
        self._losses = []
        if waiting and self.passes.watching:  # a wait for the device on watched steps only
            losses += torch.stack([loss.float() for loss in waiting]).tolist()
        if not losses:
            return
        self._thinned += 1
        if self._thinned % (1 + self.step // KEPT_STEPS) == 0:
            optimizer = tracked.ref() if tracked else None
            lr = float(optimizer.param_groups[0]["lr"]) if optimizer is not None else 0.0
            loss = (
                math.fsum(losses) / len(losses) if all(map(math.isfinite, losses)) else losses[-1]
            )
            if not math.isfinite(loss):
                loss = next(v for v in losses if not math.isfinite(v))
            size = self.passes.batch_size
            line = Step(self.step, self.book.epochs(), loss, lr, size)
            line.compute_seconds = now - self._last
            self.passes.evaluations.trained(loss, self.passes.last_accuracy, size)
            self.sink(line)
        self._last = now

    def _end_evaluation(self) -> None:
        epoch = self.passes.end_evaluation(self.step)
        if epoch is not None:
            self.write_epoch(epoch)

    def write_epoch(self, epoch: Epoch) -> None:
        """An evaluation is over."""
        self.sink(epoch)

    def _tensors(self) -> list[Tensor]:
        """All weights that learn, of every optimizer and model seen."""
        found: dict[int, Tensor] = {}
        for tracked in self.book.optimizers:
            optimizer = tracked.ref()
            if optimizer is not None:
                for group in optimizer.param_groups:
                    found.update((id(tensor), tensor) for tensor in group["params"])
        for held in list(self.inventory.held.values()):
            tensor = held.ref()
            if tensor is not None and tensor.requires_grad:
                found[id(tensor)] = tensor
        return list(found.values())

    def write_loop(self, finished: bool = False) -> Loop:
        """Write the loop's habits so far."""
        loop = self.book.plain()
        loop.step, loop.backwards, loop.finished = self.step, self.backwards, finished
        loop.zero_grads = self.taps.zero_grads
        self._mark_optimizers()
        rows = [held.plain() for held in self.inventory.held.values()]
        loop.parameters = [row for row in rows if row is not None]
        loop.models = self.inventory.plain_models()
        loop.manual_updates = self._manual is not None and self._manual.updates > 0
        alive = sum(ref() is not None for ref in self._kept)
        loop.retained_losses = max(alive - 2, self.passes.carried)
        loop.retained_where = self.passes.carried_where or loop.backward_where
        loop.gradient_scaler, loop.compiled = self.taps.scaler, self.taps.compiled
        self.passes.write(loop)
        self.sink(loop)
        return loop

    def _mark_optimizers(self) -> None:
        for number, tracked in enumerate(self.book.optimizers):
            optimizer = tracked.ref()
            if optimizer is None:
                continue
            unknown = 0
            for position, group in enumerate(optimizer.param_groups):
                for tensor in group["params"]:
                    held = self.inventory.find(tensor)
                    if held is not None:
                        held.optimizer, held.group = number, position
                    if held is None or not held.registered:
                        unknown += 1
            tracked.line.unknown_tensors = unknown

    def tell_facts(self) -> None:
        """The first training pass is over: say what is trained."""
        if self._facts_told:
            return
        self._facts_told = True
        sizes = [model["num_parameters"] for model in self.inventory.plain_models()]
        device = next((str(t.device) for t in self._tensors()), "cpu")
        machine = {"device": device, "torch": torch.__version__, "threads": torch.get_num_threads()}
        self.sink(Facts(num_parameters=sum(sizes), machine=machine))

    def _finish(self, exception: BaseException | None) -> None:
        self._end_evaluation()
        if self.passes.watching:
            self.passes.flush_training()
        if exception is not None and not isinstance(exception, SystemExit | KeyboardInterrupt):
            self.passes.note_exception(exception)
        self.passes.neighbours.conclude()
        self.write_loop(finished=True)


class Manual:
    """Updates by hand: `p -= lr * p.grad` between two backwards."""

    def __init__(self) -> None:
        self._versions: dict[int, int] = {}
        self.updates = 0

    def seen(self, monitor: Monitor) -> bool:
        """A backward is over; whether weights have changed by hand before (a step is over then)."""
        self._versions = {id(t): t._version for t in monitor._tensors()}
        return True

    def updated(self, monitor: Monitor) -> None:
        """The next backward begins: did the weights change since the last?"""
        changed = any(
            self._versions.get(id(t), t._version) != t._version for t in monitor._tensors()
        )
        self.updates += changed
