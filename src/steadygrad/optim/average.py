"""The average of the weights over the steps: smoother than the last ones, and often better."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from steadygrad.errors import InputError


class Average:
    """Exponential moving average of a model's weights and floating-point buffers.

    The k-th update (k from 0) moves the average by 1 - min(decay, (1 + k) / (10 + k)) towards the
    weights, so that a short run's average forgets the random start (the ramp of TensorFlow's
    ExponentialMovingAverage). Running statistics of batch norms are averaged with the weights;
    those are close to, not equal to, the statistics of the averaged network:
    `optim.refresh_norm_statistics` measures them anew, which pays in runs of a few hundred steps.
    Whole-number buffers are copied. Costs one more copy of the model and one pass over it a step.

    >>> layer = nn.Linear(1, 1)
    >>> average = Average(layer, decay=0.9)
    >>> with torch.no_grad():
    ...     _ = layer.weight.add_(10)
    >>> average.update(layer)
    >>> round(float((layer.weight - average.tensors["weight"]).detach().abs()), 4)
    1.0
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        if not 0.0 <= decay < 1.0:
            raise InputError(f"The averaging decay is {decay:g}; expected 0 up to, not with, 1.")
        self.decay = decay
        self.num_updates = 0
        self.tensors: dict[str, Tensor] = {
            name: tensor.detach().clone() for name, tensor in named_tensors(model).items()
        }

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the model's present weights."""
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        self.num_updates += 1
        live = named_tensors(model)
        floating = [name for name, tensor in live.items() if tensor.is_floating_point()]
        kept = [self.tensors[name] for name in floating]
        torch._foreach_lerp_(kept, [live[name].detach() for name in floating], 1.0 - decay)
        for name in live.keys() - set(floating):
            self.tensors[name].copy_(live[name])

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Make the average the model's weights, for good."""
        for name, tensor in named_tensors(model).items():
            tensor.copy_(self.tensors[name])

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Give the model the averaged weights inside a `with`, and its own ones back after it.

        Whatever changes the model inside (new norm statistics, say) is undone with it.
        """
        own = {name: tensor.detach().clone() for name, tensor in named_tensors(model).items()}
        try:
            self.copy_to(model)
            yield
        finally:
            with torch.no_grad():
                for name, tensor in named_tensors(model).items():
                    tensor.copy_(own[name])

    def state_dict(self) -> dict[str, Any]:
        """Everything `load_state_dict` needs: decay, number of updates, tensors."""
        return {"decay": self.decay, "num_updates": self.num_updates, "tensors": self.tensors}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`'s values, copied into the tensors held here."""
        if set(state["tensors"]) != set(self.tensors):
            raise InputError("The saved average is of another network: its tensors differ.")
        self.decay, self.num_updates = float(state["decay"]), int(state["num_updates"])
        for name, tensor in state["tensors"].items():
            self.tensors[name].copy_(tensor)


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Name every parameter and buffer of a model, each tensor once."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
