"""The layer table: what each layer gives and what it costs."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from steadygrad.nn.whitening import PatchWhitening
from steadygrad.preprocess import Preprocess

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NOTE = (
    "Multiply-adds of convolutions and linear layers, for one picture; what a network computes by "
    "functions instead of modules (additions, pooling by mean) is not in the table."
)


def layer_table(
    model: nn.Module, input_shape: tuple[int, int, int] | None = None
) -> list[dict[str, Any]]:
    """One row per layer in the order it runs: name, kind, output_shape, parameters, multiply_adds.

    One forward pass over zeros of `input_shape` (C, H, W; a Classifier knows its own) in eval mode.
    `output_shape` is that of one picture. A layer that runs twice has two rows, its parameters in
    the first. See NOTE for what is not counted.

    >>> rows = layer_table(nn.Sequential(nn.Conv2d(3, 8, 3)), (3, 10, 10))
    >>> rows[0]["output_shape"], rows[0]["parameters"], rows[0]["multiply_adds"]
    ((8, 8, 8), 224, 13824)
    """
    shape = input_shape or (model.channels, model.image_size, model.image_size)
    rows: list[dict[str, Any]] = []
    counted: set[int] = set()
    handles: list[Any] = []

    def add(name: str, module: nn.Module, result: Any) -> None:
        own = [p for p in module.parameters() if id(p) not in counted]
        counted.update(id(p) for p in own)
        rows.append(
            {
                "name": name,
                "kind": type(module).__name__,
                "output_shape": tuple(result.shape[1:]) if isinstance(result, Tensor) else (),
                "parameters": sum(p.numel() for p in own),
                "multiply_adds": multiply_adds(module, result),
            }
        )

    for name, module in model.named_modules():
        if not any(module.children()) and name:
            hook = lambda module, _, result, name=name: add(name, module, result)  # noqa: E731
            handles.append(module.register_forward_hook(hook))
    try:
        _run(model, shape)
    finally:
        for handle in handles:
            handle.remove()
    loose = sum(p.numel() for p in model.parameters() if id(p) not in counted)
    if loose:  # parameters that hang on a module with children, or whose module did not run
        row = {"name": "(other)", "kind": "Parameter", "output_shape": ()}
        rows.append({**row, "parameters": loose, "multiply_adds": 0})
    return rows


def multiply_adds(module: nn.Module, result: Any) -> int:
    """Multiplications with a weight for one picture; 0 for modules that are no such layer."""
    if not isinstance(result, Tensor):
        return 0
    outputs = result.numel() // max(1, result.shape[0])
    if isinstance(module, (nn.Linear, *CONVOLUTIONS, PatchWhitening)):
        return outputs * module.weight[0].numel()
    if isinstance(module, TRANSPOSED):
        positions = outputs // module.out_channels
        strides = math.prod(module.stride)
        return positions * module.weight.numel() // strides
    return 0


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The last line of the table: all parameters and multiply-adds."""
    return {
        "name": "total",
        "kind": "",
        "output_shape": rows[-1]["output_shape"] if rows else (),
        "parameters": sum(row["parameters"] for row in rows),
        "multiply_adds": sum(row["multiply_adds"] for row in rows),
    }


@torch.no_grad()
def _run(model: nn.Module, input_shape: tuple[Any, ...]) -> None:
    modes = {module: module.training for module in model.modules()}
    tensor = next(iter(model.parameters()), torch.zeros(0))
    has_preprocess = isinstance(getattr(model, "preprocess", None), Preprocess)
    dtype = torch.float32 if has_preprocess or not tensor.is_floating_point() else tensor.dtype
    model.eval()
    try:
        model(torch.zeros(1, *input_shape, device=tensor.device, dtype=dtype))
    finally:
        for module, mode in modes.items():
            module.training = mode
