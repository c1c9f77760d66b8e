"""The bare loop the experiments share: mini-batches, cross entropy, one step after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

Loss = Callable[[Tensor, Tensor], Tensor]


def mini_batches(num_examples: int, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Positions (batch_size,) for ever: each epoch in a new order, its odd rest left out."""
    generator = torch.Generator().manual_seed(seed)
    batch_size = min(batch_size, num_examples)
    while True:
        order = torch.randperm(num_examples, generator=generator)
        yield from order[: num_examples // batch_size * batch_size].split(batch_size)


def descend(
    network: nn.Module,
    optimizer: Optimizer,
    examples: tuple[Tensor, Tensor],
    *,
    num_steps: int,
    batch_size: int = 64,
    seed: int = 0,
    loss: Loss = F.cross_entropy,
) -> Iterator[float]:
    """Take `num_steps` steps and yield the loss before each; ends early once it is not finite."""
    inputs, labels = examples
    batches = mini_batches(len(inputs), batch_size, seed)
    for _, rows in zip(range(num_steps), batches):
        value = loss(network(inputs[rows]), labels[rows])
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        number = value.item()
        yield number
        if not math.isfinite(number):
            return


@torch.no_grad()
def accuracy(network: nn.Module, inputs: Tensor, labels: Tensor, batch_size: int = 500) -> float:
    """Share of examples right, in evaluation mode; the mode is put back."""
    was_training = network.training
    network.eval()
    right = sum(
        int((network(some).argmax(1) == wanted).sum())
        for some, wanted in zip(inputs.split(batch_size), labels.split(batch_size))
    )
    network.train(was_training)
    return right / len(labels)


def smoothed(values: list[float], window: int = 10) -> list[float]:
    """Means over the last `window` values: a noisy loss as a curve.

    >>> smoothed([1.0, 2.0, 3.0], window=2)
    [1.0, 1.5, 2.5]
    """
    return [
        sum(values[max(0, end - window) : end]) / (end - max(0, end - window))
        for end in range(1, len(values) + 1)
    ]
