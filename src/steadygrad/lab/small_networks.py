"""Small ConvNets out of the library's blocks, and real pictures ready to feed them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from steadygrad.lab.framework import Option
from steadygrad.lab.pictures import load_pictures
from steadygrad.lab.training import accuracy, descend
from steadygrad.nn.blocks import Style, conv_layers
from steadygrad.nn.initialize import initialize
from steadygrad.nn.norms import NORMS
from steadygrad.preprocess import Preprocess

SMALLEST_MAP = 4  # positions on a side
NUM_TEST = 1000
DATA = Option("data", "fashion-mnist", None, "Pictures; digits where they are missing.", str)
"""The option by which an experiment lets its pictures be chosen."""


@dataclass(frozen=True)
class Task:
    """Pictures centred and scaled, (N, C, H, W) float32, with their labels, and what they are."""

    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    num_classes: int
    about: str


@dataclass(frozen=True)
class Learned:
    """What training left: the loss before each step, the share of unseen pictures right."""

    losses: list[float]
    accuracy: float


def load_task(data: str, num_train: int, num_test: int = NUM_TEST, seed: int = 0) -> Task:
    """Pictures of `data` if they lie on this machine, else digits."""
    pictures = load_pictures(data, num_train=num_train, num_test=num_test, seed=seed)
    fitted = Preprocess.fit("channel-mean-std", pictures.train)
    seen, unseen = (fitted(pixels) for pixels in pictures.pixels())
    labels, unseen_labels = pictures.labels()
    return Task((seen, labels), (unseen, unseen_labels), len(pictures.classes), pictures.about)


def plain_network(
    task: Task,
    depth: int,
    width: int,
    norm: str = "none",
    *,
    norm_last: bool = False,
    smallest: int = SMALLEST_MAP,
) -> nn.Sequential:
    """`depth` weight layers in a row: 3×3 convolutions with ReLU, then a linear layer.

    The first convolutions halve the maps while they have twice `smallest` positions on a side; no
    shortcuts.
    `norm_last` puts the norm behind the nonlinearity instead of before it.
    """
    style, layers = Style("relu", norm), list[nn.Module]()
    channels, size = task.train[0].shape[1:3]
    for _ in range(depth - 1):
        stride = 2 if size >= 2 * smallest else 1
        if norm_last:
            bare = Style("relu", "none")
            layers += [*conv_layers(channels, width, 3, bare, stride=stride), NORMS[norm](width)]
        else:
            layers += conv_layers(channels, width, 3, style, stride=stride)
        channels, size = width, (size + stride - 1) // stride
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * size**2, task.num_classes))


def start(network: nn.Module, task: Task, scheme: str, seed: int, scale: float = 1.0) -> None:
    """Draw the weights by the library's scheme, measured on training pictures where it asks.

    All but the last layer's are then multiplied by `scale`.
    """
    generator: Generator = torch.Generator().manual_seed(seed)
    initialize(network, scheme, generator=generator, sample=task.train[0][:128])
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(scale)


def learn(
    network: nn.Module,
    task: Task,
    *,
    num_steps: int,
    lr: float,
    momentum: float = 0.0,
    batch_size: int = 64,
    seed: int = 0,
) -> Learned:
    """Train by stochastic gradient descent and score on the unseen pictures."""
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=momentum)
    steps = descend(
        network, optimizer, task.train, num_steps=num_steps, batch_size=batch_size, seed=seed
    )
    return Learned(list(steps), accuracy(network, *task.test))
