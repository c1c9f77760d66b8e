"""Follows every gradient from backward to update: stale, wiped, missing, too large, too small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from steadygrad.monitor.inventory import Held, Inventory
from steadygrad.monitor.statistics import flat, norms
from steadygrad.record import ParameterSignals

UPDATE_SAMPLE = 4096
"""Numbers of a weight that are kept over an update to measure its change."""
ROWS = 64
"""Rows of a weight that are compared with its first."""
ROW_STEPS = 3
"""Watched updates at which rows are compared; after them only where they were equal."""


class State:
    """What is known of one weight's `.grad` within a watched stretch."""

    __slots__ = ("consumed", "fresh", "left", "stale", "updates", "version")

    def __init__(self) -> None:
        self.left: tuple[int, int] = (0, -1)
        """Its gradient and that gradient's version after the last backward that added to it."""
        self.consumed = False
        """It went into an update and is still there."""
        self.fresh = False
        """A backward has added to it since the last update."""
        self.stale = False
        """A backward has added to it on top of what an update had used."""
        self.version = -1
        """The weight's version at that backward."""
        self.updates = -1
        """Updates of any optimizer done at that backward."""


class Gradients:
    """Book-keeping of gradients over watched steps."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self._states: dict[int, State] = {}
        self._before: dict[int, tuple[int, int] | None] = {}
        self._samples: list[tuple[Tensor, Tensor, ParameterSignals]] = []
        self._rows: dict[int, tuple[int, bool]] = {}
        self.updates = 0
        self.wiped_inside: set[int] = set()
        """Optimizers (by position) of which a backward's gradient was wiped before the update."""

    def open(self, tensors: Sequence[Tensor]) -> None:
        """Begin a watched stretch right after an update."""
        self._states = {}
        for tensor in tensors:
            state = self._states[id(tensor)] = State()
            state.consumed = tensor.grad is not None and self.updates > 0
        self.wiped_inside = set()

    def state(self, tensor: Tensor) -> State:
        """The state of one weight."""
        return self._states.setdefault(id(tensor), State())

    def before_backward(self, tensors: Sequence[Tensor]) -> None:
        """Note which gradients stand before a backward adds to them."""
        self._before = {}
        ask = [
            t
            for t in tensors
            if t.grad is not None
            and t.grad.layout is torch.strided
            and (self.state(t).consumed or self.state(t).fresh)
        ]
        sizes = {id(t): size for t, size in zip(ask, _grad_norms(ask), strict=True)}
        for tensor in tensors:
            state, grad = self.state(tensor), tensor.grad
            # A gradient that is 0 because the network is dead was not wiped.
            present = grad is not None and (
                sizes.get(id(tensor), 1.0) != 0.0 or state.left == (id(grad), grad._version)
            )
            if not present:
                self._wiped(tensor, state)
                state.consumed = state.stale = state.fresh = False
            self._before[id(tensor)] = None if grad is None else (id(grad), grad._version)

    def _wiped(self, tensor: Tensor, state: State) -> None:
        held = self.inventory.find(tensor)
        untouched = state.version == tensor._version and state.updates == self.updates
        if state.fresh and untouched and held is not None and held.optimizer is not None:
            self.wiped_inside.add(held.optimizer)

    def after_backward(self, tensors: Sequence[Tensor]) -> None:
        """See which gradients the backward added to."""
        for tensor in tensors:
            grad = tensor.grad
            if grad is None or self._before.get(id(tensor)) == (id(grad), grad._version):
                continue
            state = self.state(tensor)
            state.stale = state.stale or (
                state.consumed and self._before.get(id(tensor)) is not None
            )
            state.fresh, state.version, state.updates = True, tensor._version, self.updates
            state.left = (id(grad), grad._version)

    def is_stale(self, tensors: Sequence[Tensor]) -> bool:
        """Whether most gradients hold, besides the last backward's, what an update had used."""
        states = [self.state(tensor).stale for tensor in tensors if tensor.grad is not None]
        return sum(states) > len(states) / 2

    def before_update(self, optimizer: Any, number: int, step: int) -> dict[str, bool]:
        """Measure gradients and weights right before a watched update.

        Returns {"stale": …, "wiped": …}.
        """
        tensors = [t for group in optimizer.param_groups for t in group["params"]]
        dense = [t for t in tensors if t.grad is not None and t.grad.layout is torch.strided]
        grads = dict(zip(map(id, dense), _grad_norms(dense), strict=True))
        made = [t for t in tensors if self.state(t).fresh]
        wiped = all(_gone(t, grads.get(id(t)), self.state(t).left) for t in made)
        stale = sum(self.state(t).stale for t in dense)
        self._samples = []
        sizes = dict(zip(map(id, tensors), norms(tensors), strict=True)) if tensors else {}
        for group in optimizer.param_groups:
            for tensor in group["params"]:
                held = self._count(tensor, number, grads.get(id(tensor)))
                if tensor.is_floating_point() and tensor.numel():
                    line = ParameterSignals(step, held.name)
                    self._measure(tensor, line, sizes[id(tensor)], grads.get(id(tensor)))
                    line.values.update(_decay(group, line.values))
                    index = max(1, tensor.numel() // UPDATE_SAMPLE)
                    kept = flat(tensor)[::index].clone()
                    self._samples.append((tensor, kept, line))
        self._count_unheld()
        return {"stale": stale > len(dense) / 2 > 0, "wiped": bool(made) and wiped}

    def _count_unheld(self) -> None:
        """Count the update for the weights in use that no optimizer holds."""
        for held in list(self.inventory.held.values()):
            tensor = held.ref() if held.optimizer is None else None
            if tensor is None or not tensor.requires_grad:
                continue
            held.watched += 1
            if tensor.grad is None:
                held.missing += 1
            elif tensor.grad.layout is not torch.strided or bool(tensor.grad.any()):
                held.received += 1

    def _count(self, tensor: Tensor, number: int, grad_norm: float | None) -> Held:
        held = self.inventory.find(tensor)
        if held is None:
            held = self.inventory.take(tensor, f"tensor{len(self.inventory.held)}", False)
        held.optimizer = number
        held.watched += 1
        if tensor.grad is None:
            held.missing += 1
        elif grad_norm is None or grad_norm != 0.0:
            held.received += 1
        return held

    def _measure(
        self, tensor: Tensor, line: ParameterSignals, size: float, grad_norm: float | None
    ) -> None:
        values, root = line.values, math.sqrt(tensor.numel())
        values["rms"] = size / root
        if grad_norm is not None:
            values["grad_rms"] = grad_norm / root
        if not math.isfinite(size) or not math.isfinite(grad_norm or 0.0):
            values["non_finite"] = 1.0
        times, equal = self._rows.get(id(tensor), (0, False))
        if tensor.dim() >= 2 and tensor.shape[0] > 1 and (times < ROW_STEPS or equal):
            values["row_difference"] = row_difference(tensor)
            if tensor.grad is not None and tensor.grad.layout is torch.strided:
                values["grad_row_difference"] = row_difference(tensor.grad)
            self._rows[id(tensor)] = (times + 1, values["row_difference"] < 1e-6)

    def after_update(self, optimizer: Any, lr: float) -> list[ParameterSignals]:
        """Measure the change the update made; the signals of all its weights."""
        lines: list[ParameterSignals] = []
        self.updates += 1
        for tensor, before, line in self._samples:
            _measure_change(tensor, before, line, lr)
            lines.append(line)
        self._samples = []
        for group in optimizer.param_groups:
            for tensor in group["params"]:
                state = self.state(tensor)
                state.consumed, state.fresh, state.stale = tensor.grad is not None, False, False
        return lines


def _measure_change(tensor: Tensor, before: Tensor, line: ParameterSignals, lr: float) -> None:
    now = flat(tensor)[:: max(1, tensor.numel() // UPDATE_SAMPLE)]
    change, size = norms([now - before, before])
    line.values["update_ratio"] = change / size if size else math.inf if change else 0.0
    decoupled = line.values.pop("decoupled_decay", 0.0)
    if decoupled and change:
        line.values["decay_ratio"] = lr * decoupled * size / change


def _gone(tensor: Tensor, grad_norm: float | None, left: tuple[int, int]) -> bool:
    """Whether what the last backward left was taken away; a true gradient of 0 was not."""
    grad = tensor.grad
    return grad is None or (grad_norm == 0.0 and left != (id(grad), grad._version))


def _grad_norms(tensors: Sequence[Tensor]) -> list[float]:
    return norms([t.grad for t in tensors if t.grad is not None]) if tensors else []


def _decay(group: dict[str, Any], values: dict[str, float]) -> dict[str, float]:
    decay = group.get("weight_decay", 0) or 0
    if not isinstance(decay, int | float) or not decay:
        return {}
    if group.get("decoupled_weight_decay"):
        return {"decoupled_decay": float(decay)}
    grad = values.get("grad_rms", 0.0)
    return {"decay_ratio": decay * values["rms"] / grad} if grad else {}


def row_difference(tensor: Tensor) -> float:
    """Largest |row - first row| by the largest |value|; 0 for a tensor that is 0 all over.

    >>> row_difference(torch.ones(3, 4)), row_difference(torch.tensor([[1.0], [2.0]]))
    (0.0, 0.5)
    """
    rows = tensor.detach()[:ROWS].flatten(1).float()
    largest = float(rows.abs().amax())
    return float((rows - rows[0]).abs().amax()) / largest if largest else 0.0
