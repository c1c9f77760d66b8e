"""MobileNetV2: inverted residuals with depthwise convolutions (Sandler et al. 2018)."""

from __future__ import annotations

from torch import nn

from steadygrad.nn.blocks import (
    Network,
    Residual,
    Style,
    conv_layers,
    features_of_maps,
    resolve_style,
)

# Expansion, channels at width 32, blocks, stride of the first (table 2 of the paper).
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
LAST_CHANNELS = 1280
SMALLEST_MAP = 4  # strides that would leave a smaller map are not taken


def mobilenet(
    num_classes: int,
    in_channels: int = 3,
    *,
    image_size: int = 224,
    width: int = 0,
    activation: str = "auto",
    norm: str = "auto",
    dropout: float = 0.0,
) -> Network:
    """MobileNetV2 with `width` (32) channels in the stem and all others in proportion.

    The stem and the stages halve the maps while at least 4 positions a side remain, counted for
    `image_size`: five times for photos of 128 pixels and more, three times for 32.
    """
    style = resolve_style(activation, norm, Style("relu", "batch"))
    width = width or 32
    size, stride = _halve(image_size, 2)
    layers = conv_layers(in_channels, width, 3, style, stride=stride)
    channels = width
    for expansion, base, count, first_stride in STAGES:
        out_channels = _scaled(base, width)
        size, stride = _halve(size, first_stride)
        for index in range(count):
            layers += inverted_residual(
                channels, out_channels, expansion, stride if index == 0 else 1, style
            )
            channels = out_channels
    last = max(LAST_CHANNELS, _scaled(LAST_CHANNELS, width)) if width >= 32 else width * 40
    layers += conv_layers(channels, last, 1, style)
    return Network([*layers, *features_of_maps(dropout)], last, num_classes)


def inverted_residual(
    in_channels: int, out_channels: int, expansion: int, stride: int, style: Style
) -> list[nn.Module]:
    """1x1 to more channels, 3x3 depthwise, 1x1 to few, not activated; a shortcut where it fits."""
    inner = in_channels * expansion
    layers: list[nn.Module] = []
    if expansion > 1:
        layers += conv_layers(in_channels, inner, 1, style)
    layers += conv_layers(inner, inner, 3, style, stride=stride, groups=inner)
    layers += conv_layers(inner, out_channels, 1, style, activate=False)
    if stride == 1 and in_channels == out_channels:
        return [Residual(nn.Sequential(*layers), nn.Identity(), nn.Identity())]
    return layers


def _scaled(base: int, width: int) -> int:
    """Channels in proportion to the stem's, as a multiple of 8 (what kernels like)."""
    return max(8, round(base * width / 32 / 8) * 8)


def _halve(size: int, stride: int) -> tuple[int, int]:
    """The map's new size and the stride taken, which is 1 where the map is small already."""
    if stride == 2 and size // 2 >= SMALLEST_MAP:
        return (size + 1) // 2, 2
    return size, 1
