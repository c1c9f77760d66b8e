"""Taps on what stands around the model: optimizers, schedules, loaders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader

from steadygrad.monitor.lines import here
from steadygrad.monitor.patches import Patches
from steadygrad.record import Where

if TYPE_CHECKING:
    from steadygrad.monitor.taps import Taps


class LoopTaps:
    """Reports when optimizers, schedules and loaders are made and used."""

    def __init__(self, taps: Taps) -> None:
        self._taps = taps
        self._book = taps.monitor.book
        self.zero_grads = 0
        self.zero_grad_where = Where()
        self._in_scheduler = 0

    def install(self, patches: Patches) -> None:
        """Put these taps in."""
        put = patches.put
        put(torch.optim.Optimizer, "__init__", self._optimizer_made)
        put(torch.optim.Optimizer, "zero_grad", self._zero_grad)
        put(nn.Module, "zero_grad", self._zero_grad)
        put(DataLoader, "__init__", self._loader_made)
        put(DataLoader, "__iter__", self._loader_begun)
        for kind in vars(lr_scheduler).values():
            if isinstance(kind, type) and issubclass(kind, lr_scheduler.LRScheduler):
                if "step" in vars(kind):
                    put(kind, "step", self._scheduler_stepped)
                if "__init__" in vars(kind):
                    put(kind, "__init__", self._scheduler_made)

    # One method per tap: takes the original, returns what stands in its place.

    def _optimizer_made(self, run: Any) -> Any:
        def __init__(optimizer: Any, *args: Any, **kwargs: Any) -> None:
            run(optimizer, *args, **kwargs)
            self._taps.report(lambda: self._book.optimizer(optimizer) and None)

        return __init__

    def _zero_grad(self, run: Any) -> Any:
        def zero_grad(owner: Any, *args: Any, **kwargs: Any) -> Any:
            if self._taps.mine():
                self.zero_grads += 1
                if self._taps.monitor.window.watching:
                    self.zero_grad_where = here()
            return run(owner, *args, **kwargs)

        return zero_grad

    def _loader_made(self, run: Any) -> Any:
        def __init__(loader: Any, *args: Any, **kwargs: Any) -> None:
            run(loader, *args, **kwargs)
            self._taps.report(lambda: self._book.loader(loader) and None)

        return __init__

    def _loader_begun(self, run: Any) -> Any:
        def __iter__(loader: Any) -> Any:
            self._taps.report(self._book.loader_begun, loader)
            return run(loader)

        return __iter__

    def _scheduler_made(self, run: Any) -> Any:
        def __init__(scheduler: Any, *args: Any, **kwargs: Any) -> None:
            self._in_scheduler += 1
            try:
                run(scheduler, *args, **kwargs)
            finally:
                self._in_scheduler -= 1
            if not self._in_scheduler:
                self._taps.report(lambda: self._book.scheduler(scheduler) and None)

        return __init__

    def _scheduler_stepped(self, run: Any) -> Any:
        def step(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
            outermost = not self._in_scheduler
            self._in_scheduler += 1
            try:
                return run(scheduler, *args, **kwargs)
            finally:
                self._in_scheduler -= 1
                if outermost:
                    self._taps.report(self._book.scheduler_stepped, scheduler)

        return step
