"""Residual networks (He et al. 2016), for small pictures and for photos."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torch import nn

from steadygrad.errors import InputError
from steadygrad.nn.blocks import (
    Network,
    Residual,
    Style,
    branch_end,
    conv_layers,
    features_of_maps,
    residual,
    resolve_style,
)

SMALL_PICTURE = 64  # up to this size a photo ResNet starts with 3x3 and no pooling


def basic_block(in_channels: int, out_channels: int, stride: int, style: Style) -> Residual:
    """Two 3x3 convolutions around a shortcut."""
    branch = [
        *conv_layers(in_channels, out_channels, 3, style, stride=stride),
        *branch_end(out_channels, out_channels, 3, style),
    ]
    return residual(branch, in_channels, out_channels, stride, style)


def bottleneck_block(in_channels: int, out_channels: int, stride: int, style: Style) -> Residual:
    """1x1 down to a quarter, 3x3 (which has the stride, as torchvision's), 1x1 up again."""
    inner = out_channels // 4
    branch = [
        *conv_layers(in_channels, inner, 1, style),
        *conv_layers(inner, inner, 3, style, stride=stride),
        *branch_end(inner, out_channels, 1, style),
    ]
    return residual(branch, in_channels, out_channels, stride, style)


Block = Callable[[int, int, int, Style], nn.Module]


def _stages(
    block: Block, channels: int, widths: list[int], counts: list[int], style: Style
) -> list[nn.Module]:
    """`counts[i]` blocks of `widths[i]` channels; each stage but the first halves the maps."""
    layers: list[nn.Module] = []
    for stage, (width, count) in enumerate(zip(widths, counts, strict=True)):
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            layers.append(block(channels, width, stride, style))
            channels = width
    return layers


def small_resnet(
    num_classes: int,
    in_channels: int = 3,
    *,
    depth: int = 0,
    width: int = 0,
    activation: str = "auto",
    norm: str = "auto",
    dropout: float = 0.0,
) -> Network:
    """The CIFAR kind: `depth` = 6 n + 2 layers (20), n blocks at each of three stages.

    The stages have `width` (16), 2x and 4x channels. He et al. 2016, section 4.2, with 1x1
    convolutions where the shortcut changes shape.
    """
    depth, width = depth or 20, width or 16
    if depth < 8 or depth % 6 != 2:
        raise InputError(
            f"A small-picture ResNet of depth {depth} does not exist: the depth is 6 n + 2. "
            f"Take {max(8, round((depth - 2) / 6) * 6 + 2)}."
        )
    style = resolve_style(activation, norm, Style("relu", "batch"))
    count = (depth - 2) // 6
    layers = [
        *conv_layers(in_channels, width, 3, style),
        *_stages(basic_block, width, [width, 2 * width, 4 * width], [count] * 3, style),
        *features_of_maps(dropout),
    ]
    return Network(layers, 4 * width, num_classes)


def small_resnet_of(default_depth: int) -> Callable[..., Network]:
    """`small_resnet` with another depth where none is asked for."""

    @functools.wraps(small_resnet)
    def build(num_classes: int, in_channels: int = 3, **options: Any) -> Network:
        options["depth"] = options.get("depth") or default_depth
        return small_resnet(num_classes, in_channels, **options)

    return build


def resnet18(
    num_classes: int,
    in_channels: int = 3,
    *,
    image_size: int = 224,
    width: int = 0,
    activation: str = "auto",
    norm: str = "auto",
    dropout: float = 0.0,
) -> Network:
    """ResNet-18: four stages of 2 basic blocks with `width` (64), 2x, 4x and 8x channels."""
    style = resolve_style(activation, norm, Style("relu", "batch"))
    width = width or 64
    stem = _photo_stem(in_channels, width, image_size, style)
    stages = _stages(basic_block, width, _doubling(width), [2, 2, 2, 2], style)
    return Network([*stem, *stages, *features_of_maps(dropout)], 8 * width, num_classes)


def resnet34(
    num_classes: int,
    in_channels: int = 3,
    *,
    image_size: int = 224,
    width: int = 0,
    activation: str = "auto",
    norm: str = "auto",
    dropout: float = 0.0,
) -> Network:
    """ResNet-34: stages of 3, 4, 6 and 3 basic blocks with `width` (64), 2x, 4x, 8x channels."""
    style = resolve_style(activation, norm, Style("relu", "batch"))
    width = width or 64
    stem = _photo_stem(in_channels, width, image_size, style)
    stages = _stages(basic_block, width, _doubling(width), [3, 4, 6, 3], style)
    return Network([*stem, *stages, *features_of_maps(dropout)], 8 * width, num_classes)


def resnet50(
    num_classes: int,
    in_channels: int = 3,
    *,
    image_size: int = 224,
    width: int = 0,
    activation: str = "auto",
    norm: str = "auto",
    dropout: float = 0.0,
) -> Network:
    """ResNet-50: stages of 3, 4, 6 and 3 bottlenecks; the last has 32x `width` (64) channels."""
    style = resolve_style(activation, norm, Style("relu", "batch"))
    width = width or 64
    stem = _photo_stem(in_channels, width, image_size, style)
    stages = _stages(bottleneck_block, width, _doubling(4 * width), [3, 4, 6, 3], style)
    return Network([*stem, *stages, *features_of_maps(dropout)], 32 * width, num_classes)


def _photo_stem(in_channels: int, width: int, image_size: int, style: Style) -> list[nn.Module]:
    """7x7 with stride 2 and max pooling; for pictures up to 64 pixels a 3x3 that keeps the size."""
    if image_size <= SMALL_PICTURE:
        return conv_layers(in_channels, width, 3, style)
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    return [*conv_layers(in_channels, width, 7, style, stride=2), pool]


def _doubling(width: int) -> list[int]:
    return [width * 2**stage for stage in range(4)]
