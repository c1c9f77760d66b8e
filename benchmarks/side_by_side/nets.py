"""The networks that every torch-based way trains."""

from __future__ import annotations

from torch import nn

from side_by_side.measure import Task
from steadygrad.models.resnet import resnet18


def small_convnet(num_classes: int, in_channels: int = 1) -> nn.Module:
    """Two 3×3 convolutions, one pooling, two linear layers: 1.6 million parameters at 28×28."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 14 * 14, 128),
        nn.ReLU(),
        nn.Linear(128, num_classes),
    )


def network_of(task: Task) -> nn.Module:
    """The network of a task, as torch initialises it."""
    if task.model == "resnet18":
        return resnet18(10, task.channels, image_size=task.size)
    return small_convnet(10, task.channels)
