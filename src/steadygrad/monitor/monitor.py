"""The monitor: joins the parts that watch, and hands lines of a Record to a sink."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from steadygrad.monitor.batches import Repetition
from steadygrad.monitor.calls import Calls
from steadygrad.monitor.evaluations import Evaluations
from steadygrad.monitor.gradients import Gradients
from steadygrad.monitor.inventory import Inventory
from steadygrad.monitor.loopbook import LoopBook
from steadygrad.monitor.losses import Losses
from steadygrad.monitor.observer import Observer
from steadygrad.monitor.origins import Origins
from steadygrad.monitor.passes import Passes
from steadygrad.monitor.rounds import Rounds
from steadygrad.monitor.taps import Taps
from steadygrad.monitor.tracer import Tracer
from steadygrad.monitor.window import Window
from steadygrad.monitor.writer import Writer, exception_line
from steadygrad.record import Facts, Line, Loop

MAX_FAILURES = 5


def _nothing(*_: Any) -> None:
    pass


class Monitor:
    """Watches every training loop of this process, from `install` to `uninstall`.

    `sink` gets each line of the Record as it is measured. `on_step(step, watched)` is called after
    each update and may raise to stop the script. `seconds` is the monitor's own time so far. Should
    the monitor itself fail, the script goes on and `failures` says so; after five it takes itself
    out.
    """

    def __init__(self, sink: Callable[[Line], None], period: int = 0) -> None:
        self.sink = sink
        self.on_step: Callable[[int, bool], None] = _nothing
        self.seconds = 0.0
        self.failures: list[str] = []
        self.live = False
        self.thread = threading.get_ident()
        self._process = os.getpid()
        self._facts_told = False
        self.inventory = Inventory()
        self.origins = Origins(self.inventory)
        self.book = LoopBook()
        self.gradients = Gradients(self.inventory)
        self.evaluations = Evaluations()
        self.repetition = Repetition()
        self.observer = Observer(self)
        self.window = Window(self, Tracer(self.observer))
        self.calls = Calls(self)
        self.passes = Passes(self)
        self.losses = Losses(self)
        self.writer = Writer(self)
        self.rounds = Rounds(self, period)
        self.taps = Taps(self)

    @property
    def step(self) -> int:
        """Updates counted so far."""
        return self.rounds.step

    def elapsed(self) -> float:
        """Seconds since the first update."""
        return perf_counter() - self.rounds.began if self.rounds.began is not None else 0.0

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
        self.sink = self.on_step = _nothing

    def finish(self, exception: BaseException | None = None) -> None:
        """The script is over: write what is still open and the last Loop line."""
        if self._process == os.getpid() and self.live:
            self.guarded(self._finish, exception)
            self.uninstall()

    def _finish(self, exception: BaseException | None) -> None:
        if (epoch := self.passes.end_evaluation()) is not None:
            self.sink(epoch)
        if self.window.watching:
            self.passes.flush_training()
        if exception is not None and not isinstance(exception, SystemExit | KeyboardInterrupt):
            self.book.loop.exception = exception_line(exception, self.observer.exception)
        self.writer.neighbours.conclude()
        self.write_loop(finished=True)

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
        self.failures.append(f"{type(failure).__name__}: {failure}{_place(failure)}")
        if self.live and len(self.failures) >= MAX_FAILURES:
            self.uninstall()

    def announce(self) -> None:
        """Tell the owner of an update that was counted; what it raises stops the script."""
        if (news := self.rounds.news) is not None:
            self.rounds.news = None
            self.on_step(*news)

    def weights(self) -> list[Tensor]:
        """All tensors that learn, of every optimizer and model seen."""
        found = {id(tensor): tensor for tensor in self.book.tensors()}
        found.update((id(tensor), tensor) for tensor in self.inventory.learning())
        return list(found.values())

    def write_loop(self, finished: bool = False) -> None:
        """Write the loop's habits so far."""
        self.mark_optimizers()
        loop = self.book.plain()
        loop.step, loop.backwards, loop.finished = self.step, self.rounds.backwards, finished
        loop.zero_grads = self.taps.loop.zero_grads
        rows = [held.plain() for held in self.inventory.held.values()]
        loop.parameters = [row for row in rows if row is not None]
        loop.models = self.inventory.plain_models()
        loop.manual_updates = self.rounds.manual_updates > 0
        retained = max(self.losses.retained(), self.observer.carried)
        loop.retained_losses = max(loop.retained_losses, retained)
        loop.retained_where = (
            self.observer.carried_where or self.losses.where or loop.backward_where
        )
        loop.gradient_scaler, loop.compiled = self.taps.model.scaler, self.taps.model.compiled
        loop.neighbours = dict(self.writer.neighbours.found)
        loop.batch_period, loop.periods_seen = self.repetition.result()
        self.evaluations.write(loop)
        self.sink(_copied(loop))

    def mark_optimizers(self) -> None:
        """Note which optimizer holds each weight."""
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
        devices = {str(tensor.device) for tensor in self.weights()}
        machine = {"device": ", ".join(sorted(devices)), "torch": torch.__version__}
        self.sink(Facts(num_parameters=sum(sizes), machine=machine))


def _place(failure: Exception) -> str:
    trace = failure.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_name}, line {trace.tb_lineno})" if trace else ""


def _copied(loop: Loop) -> Loop:
    return Loop(**vars(loop))
