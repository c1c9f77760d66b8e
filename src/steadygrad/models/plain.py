"""Networks without shortcuts: logistic regression, a multilayer perceptron, LeNet, VGG."""

from __future__ import annotations

from torch import nn

from steadygrad.nn.blocks import (
    Network,
    Style,
    conv_layers,
    features_of_maps,
    linear_layers,
    resolve_style,
)


def logistic(
    num_classes: int, in_channels: int = 3, *, image_size: int = 32, dropout: float = 0.0
) -> Network:
    """Logistic regression on the pixels (softmax regression for more than two classes).

    >>> import torch
    >>> logistic(10, 1, image_size=8)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """
    layers = _pixels(image_size)
    if dropout > 0:
        layers.append(nn.Dropout(dropout))
    return Network(layers, in_channels * image_size**2, num_classes)


def mlp(
    num_classes: int,
    in_channels: int = 3,
    *,
    image_size: int = 32,
    depth: int = 0,
    width: int = 0,
    activation: str = "auto",
    norm: str = "auto",
    dropout: float = 0.0,
) -> Network:
    """A multilayer perceptron: `depth` hidden layers (2) of `width` units (256) on the pixels."""
    style = resolve_style(activation, norm, Style("relu", "none"))
    width = width or 256
    layers = _pixels(image_size)
    features = in_channels * image_size**2
    for _ in range(depth or 2):
        layers += linear_layers(features, width, style)
        features = width
    if dropout > 0:
        layers.append(nn.Dropout(dropout))
    return Network(layers, features, num_classes)


def _pixels(image_size: int) -> list[nn.Module]:
    """Pixels as features; other sizes than the one built for are averaged to it."""
    return [nn.AdaptiveAvgPool2d(image_size), nn.Flatten()]


def lenet(
    num_classes: int,
    in_channels: int = 3,
    *,
    image_size: int = 32,
    width: int = 0,
    activation: str = "auto",
    norm: str = "auto",
    dropout: float = 0.0,
) -> Network:
    """LeNet-5 (LeCun et al. 1998) with max pooling and ReLU; `width` (6) scales every layer.

    Convolutions 5x5 to 6 and 16 channels, each halved by pooling, then 120 and 84 units. Instance
    norm goes to the convolutions only: the units have no positions.
    """
    style = resolve_style(activation, norm, Style("relu", "none"))
    vectors = Style(style.activation, "none" if style.norm == "instance" else style.norm)
    width = width or 6
    first, second, third, fourth = width, width * 16 // 6, width * 20, width * 14
    grid = max(1, image_size // 2 // 2)
    layers: list[nn.Module] = [
        *conv_layers(in_channels, first, 5, style),
        nn.MaxPool2d(2, ceil_mode=image_size < 2),
        *conv_layers(first, second, 5, style),
        nn.MaxPool2d(2, ceil_mode=image_size < 4),
        nn.AdaptiveAvgPool2d(grid),
        nn.Flatten(),
        *linear_layers(second * grid**2, third, vectors),
        *linear_layers(third, fourth, vectors),
    ]
    if dropout > 0:
        layers.append(nn.Dropout(dropout))
    return Network(layers, fourth, num_classes)


def vgg(
    num_classes: int,
    in_channels: int = 3,
    *,
    depth: int = 0,
    width: int = 0,
    activation: str = "auto",
    norm: str = "auto",
    dropout: float = 0.0,
) -> Network:
    """A plain stack of `depth` 3x3 convolutions (8) in stages (Simonyan, Zisserman 2015).

    Two convolutions a stage, max pooling between stages, channels from `width` (64) doubling up to
    8 times as many; stages beyond the fifth deepen the last. Global average pooling instead of the
    three linear layers, so any picture size fits.
    """
    style = resolve_style(activation, norm, Style("relu", "batch"))
    width, depth = width or 64, depth or 8
    channels = in_channels
    layers: list[nn.Module] = []
    for index in range(depth):
        stage = min(index // 2, 4)
        if index % 2 == 0 and 0 < index < 10:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))  # a 1x1 map stays one
        out_channels = width * min(2**stage, 8)
        layers += conv_layers(channels, out_channels, 3, style)
        channels = out_channels
    return Network([*layers, *features_of_maps(dropout)], channels, num_classes)
