"""A loss that is no number, on a step nobody watched: what the graph still tells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

MAX_NODES = 5000
SAVED_INPUTS = ("_saved_self", "_saved_input", "_saved_mat1", "_saved_other")
NAMES = {"addmm": "linear", "convolution": "conv2d", "native_batch_norm": "batch_norm"}


def first_bad(loss: Tensor, weights: Sequence[Tensor]) -> tuple[str, str]:
    """(operation, "weight" | "input" | "operation"): where numbers first stop being finite.

    Weights first: if they are not finite, the update before broke them. Else the earliest recorded
    operation that was given something not finite, or the loss itself.
    """
    for weight in weights:
        if weight.is_floating_point() and not _finite(weight):
            return "weights", "weight"
    earliest: tuple[int, str, bool] | None = None
    for node in _nodes(loss):
        bad_input = any(_saved_bad(node, name) for name in SAVED_INPUTS)
        if bad_input or _saved_bad(node, "_saved_result"):
            number = int(node._sequence_nr())
            if earliest is None or number < earliest[0]:
                earliest = (number, _plain(node.name()), bad_input)
    if earliest is None:
        return "loss", "operation"
    return earliest[1], "input" if earliest[2] else "operation"


def _nodes(loss: Tensor) -> list[Any]:
    found: list[Any] = []
    seen: set[Any] = set()
    pending = [loss.grad_fn]
    while pending and len(found) < MAX_NODES:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        found.append(node)
        pending += [parent for parent, _ in node.next_functions]
    return found


def _saved_bad(node: Any, name: str) -> bool:
    try:
        saved = getattr(node, name, None)
    except RuntimeError:  # freed already
        return False
    return isinstance(saved, Tensor) and saved.is_floating_point() and not _finite(saved)


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.detach()).all())


def _plain(name: str) -> str:
    short = re.sub(r"Backward\d*$", "", name)
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", short).lower()
    return NAMES.get(snake, snake)
