"""Measures what the monitor leaves out in a training loop, where time counts: every operation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from steadygrad.monitor import Monitor
from steadygrad.monitor.nodes import Node
from steadygrad.monitor.statistics import describe, is_plain, sample


def measure_everything(monitor: Monitor) -> None:
    """Let `monitor` take statistics of all floating results and of their gradients."""
    observer = monitor.observer
    usual, pending = observer.noted, observer.pending
    observer.prelude = False  # nothing is followed before the model; no limit of time to it

    def noted(node: Node, bound: dict[str, Any], inputs: list[Tensor], result: Tensor) -> None:
        usual(node, bound, inputs, result)
        if "rms" in node.values or not is_plain(result) or not result.is_floating_point():
            return
        describe(result, node.values, pending)
        if not result.requires_grad or not torch.is_grad_enabled():
            return

        def measure_gradient(gradient: Tensor) -> None:
            numbers = sample(gradient).float()
            pending.put(node.values, "grad_rms", numbers.square().mean().sqrt())

        result.register_hook(measure_gradient)

    observer.noted = noted
