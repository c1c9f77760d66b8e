"""Looks at each operation the tracer sees, while its tensors are there."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from steadygrad.monitor.attributes import attributes_of
from steadygrad.monitor.batches import class_labels
from steadygrad.monitor.measure import (
    HISTOGRAM_EVERY,
    RECTIFIERS,
    DeadUnits,
    loss_values,
    measure_result,
    norm_gap,
)
from steadygrad.monitor.nodes import Node
from steadygrad.monitor.statistics import Pending, is_plain, sample
from steadygrad.record import OUTSIDE, Where
from steadygrad.rules.graph import LOSSES, WEIGHTED

if TYPE_CHECKING:
    from steadygrad.monitor.monitor import Monitor

PRELUDE_SECONDS = 0.15
"""Own time spent at most on following how data are made before training begins."""
DECIDES = frozenset({"argmax", "max", "topk", "round", "gt", "ge", "lt"})
"""Operations that choose a class."""


class Observer:
    """The tracer's owner: measures, and tells passes what belongs to them."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.pending = Pending()
        self.prelude = True
        """Training has not begun: how data are made is followed, for a while."""
        self.stack: list[nn.Module] = []
        """Modules being called, the innermost last."""
        self.called: Where | None = None
        """The user's line of the latest call of a model."""
        self.carried = 0
        self.carried_where: Where | None = None
        self.last_accuracy: float | None = None
        self.exception: dict[str, Any] = {}
        self._dead: dict[str, DeadUnits] = {}
        self._sums: dict[int, tuple[weakref.ref[Tensor], int]] = {}
        """Sums of losses outside models, and the backwards done when each was made."""

    @property
    def seconds(self) -> float:
        """The monitor's own time."""
        return self._monitor.seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        self._monitor.seconds = value
        if self.prelude and value > PRELUDE_SECONDS:
            self.prelude = False
            # Inside an operation the stack of modes can't be changed.
            self._monitor.window.tracer.dormant = True

    def module_of(self) -> nn.Module | None:
        """The innermost module that is being called."""
        return self.stack[-1] if self.stack else None

    def prepared(self, name: str, inputs: list[Tensor], result: Tensor, in_place: bool) -> None:
        """An operation outside the graph: data are made or weights filled."""
        self._monitor.origins.note(name, inputs, result, in_place)

    def fail(self, failure: Exception) -> None:
        """Our own failure."""
        self._monitor.fail(failure)

    def broke(self, name: str, bound: dict[str, Any], error: Exception) -> None:
        """An operation of the script raised: keep what it was given."""
        self._monitor.guarded(self._broke, name, bound, error)

    def _broke(self, name: str, bound: dict[str, Any], error: Exception) -> None:
        self.exception = broken_operation(name, bound, error, self.module_of())

    def noted(
        self, node: Node, bound: dict[str, Any], inputs: list[Tensor], result: Tensor
    ) -> None:
        """An operation of the graph ran."""
        monitor = self._monitor
        if self.stack:
            node.called = self.called
        elif node.parameter is not None and node.name in WEIGHTED:
            data = [t for t, made in zip(inputs, node.inputs) if made == OUTSIDE]
            if data:
                monitor.calls.data_used(data[0], node.where)
        node.segment = monitor.passes.segment
        if node.parameter is not None:
            held = monitor.inventory.meet(node.parameter, node.frame, node.module)
            held.used_by = held.used_by or "?"
        histogram = monitor.passes.watched % HISTOGRAM_EVERY == 0
        follow = measure_result(node, result, self.pending, histogram)
        if node.name in RECTIFIERS and result.dim() >= 2 and is_plain(result):
            self._count_dead(node, result)
        if node.name == "batch_norm" and node.attributes.get("training"):
            norm_gap(bound, node.values)
        if node.name in LOSSES:
            loss_values(node.name, bound, result, node.values)
            self._loss_noted(node, bound, result)
        elif not self.stack and is_plain(result):
            self._labels_noted(node, bound, result)
        if follow and result.requires_grad and torch.is_grad_enabled():
            follow_gradient(node, result, self.pending)
        if node.name in ("add", "cat", "stack") and not self.stack and result.requires_grad:
            self._carry(node, inputs, result)

    def _count_dead(self, node: Node, result: Tensor) -> None:
        if not result.requires_grad:
            return
        same = sum(
            other.name == node.name
            and other.module is node.module
            and other.segment == node.segment
            and other.where.line == node.where.line
            for other in self._monitor.window.tracer.nodes
        )
        module = self._monitor.inventory.module_name(node.module) if node.module else ""
        units = result.shape[node.channel_dim % result.dim()]
        counter = self._dead.setdefault(f"{module}:{node.where.line}:{units}:{same}", DeadUnits())
        found = counter.add(result, node.channel_dim)
        if found is not None:
            node.values["dead_fraction"], node.values["dead_window"] = found

    def _loss_noted(self, node: Node, bound: dict[str, Any], result: Tensor) -> None:
        data, target = bound.get("input"), bound.get("target")
        if not isinstance(data, Tensor):
            return
        self._monitor.calls.label(data, class_labels(target))
        size = data.shape[0] if data.dim() else 1
        accuracy = node.values.get("accuracy")
        if result.requires_grad:
            self.last_accuracy = accuracy
            if "value" in node.values:
                self._monitor.losses.add_loss(node.values["value"])
        else:
            self._monitor.evaluations.loss(node.values.get("value", float("nan")), size)
            if accuracy is not None:
                self._monitor.evaluations.accuracy(accuracy * size, size)

    def _labels_noted(self, node: Node, bound: dict[str, Any], result: Tensor) -> None:
        """Labels in hand-written losses and in comparisons for an accuracy."""
        if node.name == "eq":
            made = [n for n in node.inputs if isinstance(n, Node)]
            if result.dtype is torch.bool and result.dim() == 1 and made and _decides(made[0]):
                correct = float(result.sum())
                if torch.is_grad_enabled():
                    self.last_accuracy = correct / max(1, len(result))
                self._monitor.evaluations.accuracy(correct, len(result))
                sides = [v for v in bound.values() if isinstance(v, Tensor)]
                if len(sides) == 2:
                    self._monitor.calls.label(sides[0], class_labels(sides[1]))
        elif node.name in ("getitem", "gather"):
            index = next((v for k, v in bound.items() if k not in ("input", "self")), None)
            picked = index[-1] if isinstance(index, tuple) and len(index) == 2 else index
            data = bound.get("input", bound.get("self"))
            if not isinstance(picked, Tensor) or not isinstance(data, Tensor):
                return
            if not picked.is_floating_point() and picked.dtype is not torch.bool:
                self._monitor.calls.label(data, class_labels(picked))

    def _carry(self, node: Node, inputs: list[Tensor], result: Tensor) -> None:
        """A sum over steps that still hangs on the graph of earlier ones."""
        now = self._monitor.rounds.backwards
        for tensor in inputs:
            ref, begun = self._sums.get(id(tensor), (None, now))
            if ref is not None and ref() is tensor and begun < now:
                self.carried += 1
                self.carried_where = node.where
        if result.numel() == 1:
            self._sums = {key: kept for key, kept in self._sums.items() if kept[0]() is not None}
            self._sums[id(result)] = (weakref.ref(result), now)


def follow_gradient(node: Node, result: Tensor, pending: Pending) -> None:
    """Measure the gradient of the loss by a result when backward comes by."""
    values = node.values

    def measure_gradient(gradient: Tensor) -> None:
        numbers = sample(gradient).float()
        pending.put(values, "grad_rms", numbers.square().mean().sqrt())
        if not values.get("grad_rms", 0.0) < 1e30:
            pending.put(values, "grad_non_finite", (~torch.isfinite(numbers)).float().mean())

    result.register_hook(measure_gradient)


def broken_operation(
    name: str, bound: dict[str, Any], error: Exception, module: nn.Module | None
) -> dict[str, Any]:
    """What an operation that raised was given, as plain data."""
    values: dict[str, float] = {}
    if name in LOSSES:
        loss_values(name, bound, None, values)
    return {
        "operation": name,
        "text": str(error),
        "attributes": attributes_of(name, bound, module),
        "shapes": {k: list(v.shape) for k, v in bound.items() if isinstance(v, Tensor)},
        "values": values,
    }


def _decides(node: Node) -> bool:
    """Whether a node's result are classes chosen: argmax, a maximum's position, a threshold."""
    for _ in range(6):
        if node.name in DECIDES:
            return True
        made = [n for n in node.inputs if isinstance(n, Node)]
        if not made:
            return False
        node = made[0]
    return False
