"""The fast net: patch whitening, identity starts, pooling before the norm.

The lineage of Page's and Jordan's CIFAR-10 nets (2018-2024; arXiv 2404.00498), with every number
an option, so that it serves 8x8 scans and photos.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from steadygrad.nn.activations import ACTIVATIONS, widen
from steadygrad.nn.blocks import Residual, Style, conv_layers, resolve_style
from steadygrad.nn.whitening import PatchWhitening

SMALLEST_POOLED = 6  # maps smaller than this are not halved again: the last is at least 3x3
GRAY_PATCH_SIZE = 16  # from this size on gray pictures are whitened in 4x4 patches, not 3x3
PHOTO_SIZE = 64  # from this size on the stem takes every second 4x4 patch
NORM_MOMENTUM = 0.4  # short runs: the running statistics must follow within a few dozen steps
PHOTO_NORM_MOMENTUM = 0.1  # photos come in batches of 64, and in thousands of steps


@dataclass(frozen=True)
class FastShape:
    """Every number of a fast net.

    Each group is a convolution, halving of the maps (in the first `num_poolings` groups), then norm
    and activation, then `convs_per_group` - 1 more convolutions; with `residual` those stand in a
    shortcut. Maps are halved by "max" or "average" pooling, or by a "stride" of the convolution.
    `features` pools the last maps by "max", "average" or "both". `head_scale` multiplies the
    logits: the head learns that much slower. Norm scales stay 1 unless `trained_scale`.
    """

    widths: tuple[int, ...] = (64, 256, 256)
    convs_per_group: int = 2
    num_poolings: int = 3
    halving: str = "max"
    residual: bool = False
    stem_kernel: int = 2
    stem_stride: int = 1
    stem_padding: int = 0
    stem_components: int = 0
    stem_bias: bool = True
    features: str = "max"
    head_scale: float = 1.0
    trained_scale: bool = False
    norm_momentum: float = NORM_MOMENTUM
    dropout: float = 0.0


class FastNet(nn.Module):
    """The network a FastShape describes; `steadygrad.nn.whitening.fit_whitening` sets its stem."""

    init_scheme = "dirac"

    def __init__(self, num_classes: int, in_channels: int, shape: FastShape, style: Style):
        super().__init__()
        self.head_scale = shape.head_scale
        self.features = shape.features
        self.stem = PatchWhitening(
            in_channels,
            shape.stem_kernel,
            shape.stem_stride,
            shape.stem_padding,
            shape.stem_components,
        )
        # A fixed bias spares the gradient of the largest maps there are.
        self.stem.bias.requires_grad_(shape.stem_bias)
        self.stem_activation = _stem_activation(style, self.stem.out_channels)
        channels = self.stem.out_channels // widen(style.activation)
        groups: list[nn.Module] = []
        for index, width in enumerate(shape.widths):
            groups.append(_group(channels, width, index < shape.num_poolings, shape, style))
            channels = width
        self.groups = nn.Sequential(*groups)
        self.dropout = nn.Dropout(shape.dropout)
        self.head = nn.Linear(channels * (2 if shape.features == "both" else 1), num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W), preprocessed -> logits (N, num_classes)."""
        maps = self.groups(self.stem_activation(self.stem(images)))
        if self.features == "max":
            features = maps.amax((2, 3))
        elif self.features == "average":
            features = maps.mean((2, 3))
        else:
            features = torch.cat([maps.amax((2, 3)), maps.mean((2, 3))], dim=1)
        logits = self.head(self.dropout(features))
        return logits if self.head_scale == 1.0 else logits * self.head_scale


def fast(
    num_classes: int,
    in_channels: int = 3,
    *,
    image_size: int = 32,
    depth: int = 0,
    width: int = 0,
    activation: str = "auto",
    norm: str = "auto",
    dropout: float = 0.0,
) -> FastNet:
    """A fast net for this picture size.

    Three groups of `depth` convolutions (2), with `width` (32), 4x and 4x channels. From three
    convolutions a group on, a shortcut spans the later ones. Photos of 64 pixels and more start at
    64 channels and double, with a stem of 4x4 patches and stride 2, convolutions that stride, and
    ReLU: half the time of pooling and GELU there, and no less accurate.
    """
    shape = shape_for(image_size, in_channels, depth=depth, width=width, dropout=dropout)
    default = Style("relu" if image_size >= PHOTO_SIZE else "gelu", "batch")
    style = resolve_style(activation, norm, default)
    return FastNet(num_classes, in_channels, shape, style)


def shape_for(
    image_size: int, in_channels: int = 3, *, depth: int = 0, width: int = 0, dropout: float = 0.0
) -> FastShape:
    """The FastShape for pictures of that size; 0 means its own default.

    >>> shape_for(32).num_poolings, shape_for(8).num_poolings, shape_for(96).stem_stride
    (3, 1, 2)
    """
    photos = image_size >= PHOTO_SIZE
    gray = in_channels == 1
    width = width or (64 if photos else 32)
    # A gray 2x2 patch has four numbers only: too few filters.
    patch = (4 if image_size >= GRAY_PATCH_SIZE else 3) if gray else 2
    stem_kernel, stem_stride, stem_padding = (4, 2, 1) if photos else (patch, 1, 0)
    size = (image_size + 2 * stem_padding - stem_kernel) // stem_stride + 1
    widths = (width, (2 if photos else 4) * width, 4 * width)
    num_poolings = 0
    while num_poolings < len(widths) and size >= SMALLEST_POOLED:
        size //= 2
        num_poolings += 1
    return FastShape(
        widths=widths,
        convs_per_group=depth or 2,
        num_poolings=num_poolings,
        halving="stride" if photos else "max",
        residual=depth > 2,
        stem_kernel=stem_kernel,
        stem_stride=stem_stride,
        stem_padding=stem_padding,
        stem_components=24 if photos else 0,
        stem_bias=not photos,
        features="average" if photos else "max",
        norm_momentum=PHOTO_NORM_MOMENTUM if photos else NORM_MOMENTUM,
        dropout=dropout,
    )


def _stem_activation(style: Style, channels: int) -> nn.Module:
    return ACTIVATIONS[style.activation](channels)


def _group(
    in_channels: int, out_channels: int, pooled: bool, shape: FastShape, style: Style
) -> nn.Module:
    stride = 2 if pooled and shape.halving == "stride" else 1
    first, *rest = conv_layers(in_channels, out_channels, 3, style, stride=stride)
    pools = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
    pool = [pools[shape.halving](2)] if pooled and shape.halving in pools else []
    layers = [first, *pool, *rest]
    inner: list[nn.Module] = []
    for _ in range(shape.convs_per_group - 1):
        inner += conv_layers(out_channels, out_channels, 3, style)
    if shape.residual and inner:
        after = nn.Identity() if style.activation == "maxout" else inner.pop()
        layers.append(Residual(nn.Sequential(*inner), nn.Identity(), after))
    else:
        layers += inner
    group = nn.Sequential(*layers)
    for module in group.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = shape.norm_momentum
            if not shape.trained_scale:
                module.weight.requires_grad_(False)
    return group
