"""The gradient along every edge of an expression, and the derivative at every node."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from steadygrad.report.graph_expression import Edge, Node

SMALL = 4096
"""Entries of a local Jacobian that are worth computing."""


class Step:
    """One node while the expression is evaluated."""

    def __init__(self, label: str, text: str, value: Tensor) -> None:
        self.label, self.text, self.value = label, text, value
        self.kind = "operation"
        self.run: Callable[..., Tensor] | None = None
        self.inputs: list[int] = []
        self.name = ""


def node_of(step: Step, grad: Tensor | None) -> Node:
    """A step as plain data; `grad` is None where nothing came back."""
    if grad is None and step.value.requires_grad:
        grad = torch.zeros_like(step.value)
    plain = None if grad is None else grad.tolist()
    return Node(step.kind, step.label, step.text, step.name, step.value.tolist(), plain)


def edges_of(
    number: int, step: Step, steps: list[Step], grads: Mapping[int, Tensor | None]
) -> list[Edge]:
    """An edge per argument, with its own part of the gradient and the local gradient there."""
    if step.run is None:
        return []
    # Copies: the same node may come in twice, and each edge has its own part.
    inputs = [
        steps[i].value.detach().clone().requires_grad_(steps[i].value.requires_grad)
        for i in step.inputs
    ]
    learning = [x for x in inputs if x.requires_grad]
    parts: dict[int, tuple[Tensor, object]] = {}
    if learning:
        result = step.run(*inputs)
        above = grads.get(id(step.value))
        above = torch.zeros_like(result) if above is None else above
        found = torch.autograd.grad(result, learning, above, retain_graph=True, allow_unused=True)
        for x, part in zip(learning, found, strict=True):
            part = torch.zeros_like(x) if part is None else part
            parts[id(x)] = (part, _local(result, x))
    edges: list[Edge] = []
    for source, x in zip(step.inputs, inputs, strict=True):
        part, local = parts.get(id(x), (None, None))
        plain = None if part is None else part.tolist()
        edges.append(Edge(source, number, plain, local))
    return edges


def _local(result: Tensor, x: Tensor) -> object:
    """∂result/∂x: a number, the diagonal of an elementwise operation, or the whole Jacobian."""
    if result.numel() * x.numel() > SMALL:
        return None
    rows: list[Tensor] = []
    for one in torch.eye(result.numel(), dtype=result.dtype):
        row = torch.autograd.grad(
            result, x, one.reshape(result.shape), retain_graph=True, allow_unused=True
        )[0]
        rows.append(torch.zeros_like(x) if row is None else row)
    if result.dim() == 0:
        return rows[0].tolist()
    jacobian = torch.stack(rows).reshape(result.numel(), -1)
    if result.shape == x.shape and torch.equal(jacobian, torch.diag(jacobian.diagonal())):
        return jacobian.diagonal().reshape(x.shape).tolist()
    return jacobian.reshape(*result.shape, *x.shape).tolist()
