"""Taps on models, losses and backward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadygrad.monitor.lines import here
from steadygrad.monitor.patches import Patches
from steadygrad.rules.graph import names

if TYPE_CHECKING:
    from steadygrad.monitor.taps import Taps

LOSS_FUNCTIONS = names(
    "cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits mse_loss l1_loss "
    "smooth_l1_loss huber_loss"
)


class ModelTaps:
    """Reports when models are built and called, losses computed, gradients made."""

    def __init__(self, taps: Taps) -> None:
        self._taps = taps
        self._monitor = taps.monitor
        self.scaler = False
        self.compiled = False
        self.unscaled: dict[int, Tensor] = {}
        """id of a loss a GradScaler scaled → the loss before."""
        self._in_backward = False
        self._depth = 0

    def install(self, patches: Patches) -> None:
        """Put these taps in."""
        put = patches.put
        put(nn.Module, "__init__", self._module_made)
        put(nn.Module, "__call__", self._module_call)
        put(torch.autograd, "backward", lambda run: self._backward(run, True))
        put(Tensor, "backward", self._tensor_backward)
        put(torch.autograd, "grad", lambda run: self._backward(run, False))
        put(torch, "compile", self._compile)
        put(torch, "from_numpy", self._from_numpy)
        put(torch.amp.GradScaler, "scale", self._scale)
        for name in LOSS_FUNCTIONS:
            put(F, name, lambda run, name=name: self._loss(name, run))

    # One method per tap: takes the original, returns what stands in its place.

    def _module_made(self, run: Any) -> Any:
        def __init__(module: nn.Module, *args: Any, **kwargs: Any) -> None:
            run(module, *args, **kwargs)
            if self._taps.mine():
                self._monitor.guarded(self._note_module, module)

        return __init__

    def _note_module(self, module: nn.Module) -> None:
        where = here(module)
        if where.file:
            self._monitor.inventory.note_built(module, where)

    def _module_call(self, run: Any) -> Any:
        monitor, calls, window = self._monitor, self._monitor.calls, self._monitor.window
        stack = monitor.observer.stack

        def __call__(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if (self._depth and not window.following) or self._in_backward or not self._taps.mine():
                return run(module, *args, **kwargs)
            root = not self._depth
            if root:
                monitor.guarded(calls.root_called, module, args, kwargs)
            self._depth += 1
            stack.append(module)
            try:
                result = run(module, *args, **kwargs)
            finally:
                self._depth -= 1
                stack.pop()
            if root:
                monitor.guarded(calls.root_returned, result)
            return result

        return __call__

    def _backward(self, run: Any, accumulates: bool) -> Any:
        monitor = self._monitor

        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            if self._in_backward or not self._taps.mine():
                return run(tensors, *args, **kwargs)
            losses = [tensors] if isinstance(tensors, Tensor) else list(tensors)
            self._taps.report(monitor.rounds.before_backward, losses, accumulates)
            self._in_backward = True
            monitor.window.suspend(True)
            try:
                result = run(tensors, *args, **kwargs)
            finally:
                self._in_backward = False
                monitor.window.suspend(False)
            self._taps.report(monitor.rounds.after_backward, accumulates)
            monitor.announce()
            return result

        return backward

    def _tensor_backward(self, run: Any) -> Any:
        def backward(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
            # As an operation under the tracer it would run where the stack of modes is fixed.
            window = self._monitor.window
            if not window.following or not self._taps.mine():
                return run(tensor, *args, **kwargs)
            window.suspend(True)
            try:
                return run(tensor, *args, **kwargs)
            finally:
                window.suspend(False)

        return backward

    def _compile(self, run: Any) -> Any:
        def compile(*args: Any, **kwargs: Any) -> Any:
            self.compiled = True
            if self._monitor.window.following:
                self._taps.eager(True)
            return run(*args, **kwargs)

        return compile

    def _from_numpy(self, run: Any) -> Any:
        def from_numpy(array: Any) -> Tensor:
            tensor = run(array)
            if tensor.is_floating_point() and self._taps.mine():
                self._monitor.origins.put(tensor, here())
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
        monitor = self._monitor

        def loss(input: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
            result = run(input, target, *args, **kwargs)
            if not monitor.window.following and self._taps.mine():
                monitor.guarded(monitor.losses.loss_called, name, input, target, result)
            return result

        return loss
