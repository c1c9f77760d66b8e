"""Light taps on torch: what calls they report costs next to nothing on a step nobody watches."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from steadygrad.monitor.lines import here
from steadygrad.monitor.loop_taps import LoopTaps
from steadygrad.monitor.patches import Patches
from steadygrad.monitor.tracer import transforming
from steadygrad.rules.graph import names

if TYPE_CHECKING:
    from steadygrad.monitor.monitor import Monitor

LOSS_FUNCTIONS = names(
    "cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits mse_loss l1_loss "
    "smooth_l1_loss huber_loss"
)

_live: weakref.WeakSet[Any] = weakref.WeakSet()
_fork_tapped = False


class Taps:
    """What is replaced in torch while a monitor is installed."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.loop = LoopTaps(self)
        self.scaler = False
        self.compiled = False
        self.unscaled: dict[int, Tensor] = {}
        self._patches = Patches()
        self._hooks: list[Any] = []
        self._in_backward = False
        self._in_update = 0
        self._depth = 0
        self._stance: Any = None

    def install(self) -> None:
        """Put every tap in."""
        put = self._patches.put
        put(nn.Module, "__init__", self._module_made)
        put(nn.Module, "__call__", self._module_call)
        put(torch.autograd, "backward", lambda run: self._backward(run, True))
        put(Tensor, "backward", self._tensor_backward)
        put(torch.autograd, "grad", lambda run: self._backward(run, False))
        self.loop.install(self._patches)
        put(torch, "compile", self._compile)
        put(torch, "from_numpy", self._from_numpy)
        put(torch.amp.GradScaler, "scale", self._scale)
        for name in LOSS_FUNCTIONS:
            put(F, name, lambda run, name=name: self._loss(name, run))
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
        if not self.compiled:
            return
        if on and self._stance is None:
            self._stance = torch.compiler.set_stance("force_eager")
        elif not on and self._stance is not None:
            self._stance.__exit__(None, None, None)
            self._stance = None

    # One method per tap: takes the original, returns what stands in its place.

    def _module_made(self, run: Any) -> Any:
        def __init__(module: nn.Module, *args: Any, **kwargs: Any) -> None:
            run(module, *args, **kwargs)
            if self.mine():
                self.monitor.guarded(self._note_module, module)

        return __init__

    def _note_module(self, module: nn.Module) -> None:
        where = here(module)
        if where.file:
            self.monitor.inventory.built[module] = where

    def _module_call(self, run: Any) -> Any:
        monitor, passes, window = self.monitor, self.monitor.passes, self.monitor.window
        stack = monitor.observer.stack

        def __call__(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if (self._depth and not window.following) or self._in_backward or not self.mine():
                return run(module, *args, **kwargs)
            root = not self._depth
            if root:
                monitor.guarded(passes.root_called, module, args, kwargs)
            self._depth += 1
            stack.append(module)
            try:
                result = run(module, *args, **kwargs)
            finally:
                self._depth -= 1
                stack.pop()
            if root:
                monitor.guarded(passes.root_returned, result)
            return result

        return __call__

    def _backward(self, run: Any, accumulates: bool) -> Any:
        monitor = self.monitor

        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            if self._in_backward or not self.mine():
                return run(tensors, *args, **kwargs)
            losses = [tensors] if isinstance(tensors, Tensor) else list(tensors)
            self.report(monitor.rounds.before_backward, losses, accumulates)
            self._in_backward = True
            monitor.window.suspend(True)
            try:
                result = run(tensors, *args, **kwargs)
            finally:
                self._in_backward = False
                monitor.window.suspend(False)
            self.report(monitor.rounds.after_backward, accumulates)
            monitor.announce()
            return result

        return backward

    def _tensor_backward(self, run: Any) -> Any:
        def backward(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
            # As an operation under the tracer it would run where the stack of modes is fixed.
            window = self.monitor.window
            if not window.following or not self.mine():
                return run(tensor, *args, **kwargs)
            window.suspend(True)
            try:
                return run(tensor, *args, **kwargs)
            finally:
                window.suspend(False)

        return backward

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

        def watched_closure() -> Any:
            window.suspend(False)
            try:
                return closure()
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

    def _compile(self, run: Any) -> Any:
        def compile(*args: Any, **kwargs: Any) -> Any:
            self.compiled = True
            if self.monitor.window.following:
                self.eager(True)
            return run(*args, **kwargs)

        return compile

    def _from_numpy(self, run: Any) -> Any:
        def from_numpy(array: Any) -> Tensor:
            tensor = run(array)
            if tensor.is_floating_point() and self.mine():
                self.monitor.origins.put(tensor, here())
            return tensor

        return from_numpy

    def _scale(self, run: Any) -> Any:
        def scale(scaler: Any, outputs: Any) -> Any:
            result = run(scaler, outputs)
            self.scaler = True
            if isinstance(outputs, Tensor) and isinstance(result, Tensor):
                self.unscaled = {id(result): outputs.detach()}
            return result

        return scale

    def _loss(self, name: str, run: Any) -> Any:
        monitor = self.monitor

        def loss(input: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
            result = run(input, target, *args, **kwargs)
            if not monitor.window.following and not self._depth and self.mine():
                monitor.guarded(monitor.rounds.loss_called, name, input, target, result)
            return result

        return loss


def _tap_forks() -> None:
    global _fork_tapped
    if not _fork_tapped and hasattr(os, "register_at_fork"):
        _fork_tapped = True
        os.register_at_fork(after_in_child=lambda: [m.inert() for m in list(_live)])
