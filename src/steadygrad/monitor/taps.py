"""Light taps on torch: what calls they report costs next to nothing on a step nobody watches."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from steadygrad.monitor.loop_taps import LoopTaps
from steadygrad.monitor.model_taps import ModelTaps
from steadygrad.monitor.patches import Patches
from steadygrad.monitor.tracer import transforming

if TYPE_CHECKING:
    from steadygrad.monitor.monitor import Monitor

_live: weakref.WeakSet[Any] = weakref.WeakSet()
_fork_tapped = False


class Taps:
    """What is replaced in torch while a monitor is installed."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.model = ModelTaps(self)
        self.loop = LoopTaps(self)
        self._patches = Patches()
        self._hooks: list[Any] = []
        self._in_update = 0
        self._stance: Any = None

    def install(self) -> None:
        """Put every tap in."""
        self.model.install(self._patches)
        self.loop.install(self._patches)
        self._hooks = [
            register_optimizer_step_pre_hook(self._before_update),
            register_optimizer_step_post_hook(self._after_update),
        ]
        _live.add(self.monitor)
        _tap_forks()

    def remove(self) -> None:
        """Take every tap out."""
        self._patches.remove()
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        _live.discard(self.monitor)

    def mine(self) -> bool:
        """Whether a call is of the watched thread, and not inside an operation."""
        monitor = self.monitor
        return (
            monitor.live
            and threading.get_ident() == monitor.thread
            and not monitor.window.tracer.inside
            and not transforming()
        )

    def report(self, work: Callable[..., None], *args: Any) -> None:
        """Let the monitor know of something, its failures kept from the script."""
        if self.mine():
            self.monitor.guarded(work, *args)

    def eager(self, on: bool) -> None:
        """Let compiled models run their own Python while they are watched."""
        if not self.model.compiled:
            return
        if on and self._stance is None:
            self._stance = torch.compiler.set_stance("force_eager")
        elif not on and self._stance is not None:
            self._stance.__exit__(None, None, None)
            self._stance = None

    # One method per tap: takes the original, returns what stands in its place.

    def _before_update(self, optimizer: Any, args: Any, kwargs: Any) -> Any:
        if not self.mine():
            return None
        # torch hands over the optimizer itself as the first argument.
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        self._in_update += 1
        if self._in_update > 1:
            return None
        self.report(self.monitor.rounds.before_update, optimizer, callable(closure))
        window = self.monitor.window
        window.suspend(True)
        if not callable(closure):
            return None

        calls = 0

        def watched_closure() -> Any:
            nonlocal calls
            calls += 1
            window.suspend(False)
            try:
                loss = closure()
                if calls == 1:  # L-BFGS calls again, with weights it tries
                    self.report(self.monitor.rounds.measure_update, optimizer)
                return loss
            finally:
                window.suspend(True)

        if len(args) > 1:
            return (args[0], watched_closure, *args[2:]), kwargs
        return args, {**kwargs, "closure": watched_closure}

    def _after_update(self, optimizer: Any, args: Any, kwargs: Any) -> None:  # noqa: ARG002
        if not self.mine():
            return
        self._in_update = max(0, self._in_update - 1)
        if self._in_update:
            return
        self.monitor.window.suspend(False)
        self.report(self.monitor.rounds.after_update, optimizer)
        self.monitor.announce()


def _tap_forks() -> None:
    global _fork_tapped
    if not _fork_tapped and hasattr(os, "register_at_fork"):
        _fork_tapped = True
        os.register_at_fork(after_in_child=lambda: [m.inert() for m in list(_live)])
