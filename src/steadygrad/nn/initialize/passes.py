"""Running a user's network on a batch so that nothing of it shows afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd  # pyright: ignore[reportPrivateUsage]

from steadygrad.nn.order import Layer

Sample = Tensor | tuple[Any, ...]
"""What the model is called with: one tensor, or a tuple of its arguments."""
Layers = Mapping[str, Layer]
Notes = dict[str, str]
"""Layer → what was done to it, in words."""


def call(model: nn.Module, sample: Sample) -> Any:
    """Run the model on a tensor or on a tuple of arguments."""
    return model(*sample) if isinstance(sample, tuple) else model(sample)


@contextmanager
def as_in_training(model: nn.Module) -> Iterator[None]:
    """Norms use the batch as in training, dropout is off; buffers and modes are put back after."""
    modes = {module: module.training for module in model.modules()}
    buffers = {name: tensor.clone() for name, tensor in model.named_buffers()}
    for module in modes:
        module.training = not isinstance(module, _DropoutNd)
    devices = list({p.device for p in model.parameters() if p.device.type == "cuda"})
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(0)  # a dropout written as a function draws the same every time
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        with torch.no_grad():
            for name, tensor in model.named_buffers():
                tensor.copy_(buffers[name])
