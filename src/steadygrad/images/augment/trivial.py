"""TrivialAugment (Müller & Hutter 2021): one random operation of random strength per picture."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from steadygrad.images.augment.colour import gray
from steadygrad.images.augment.geometry import warp

Operation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(b, C, H, W) float32 pixels 0–255 and (b,) strengths in [-1, 1] → pixels of the same shape."""


def trivial_augment(pixels: torch.Tensor, rng: torch.Generator, share: float) -> torch.Tensor:
    """Apply one operation of `OPERATIONS`, uniformly chosen, to a `share` of the pictures.

    Ranges are those of the paper's "wide" space. (B, C, H, W) numbers 0–255 in, float32 in
    [0, 255] out. Pictures with the same operation are processed together.
    """
    batch = len(pixels)
    chosen = torch.rand(batch, generator=rng) < share
    which = torch.randint(len(OPERATIONS), (batch,), generator=rng)
    strength = torch.rand(batch, generator=rng) * 2 - 1
    changed = pixels.float().clone()
    for number, operation in enumerate(OPERATIONS.values()):
        rows = (chosen & (which == number)).nonzero().squeeze(1)
        if len(rows) and operation is not identity:
            rows = rows.to(pixels.device)
            values = strength.to(pixels.device)[rows]
            changed[rows] = operation(changed[rows], values).clamp(0, 255)
    return changed


def identity(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
    """Leave the picture as it is."""
    return pixels


def brightness(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Blend with black: factors 0.01 … 1.99."""
    return pixels * factor(strength)


def contrast(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Blend with the mean gray of the picture."""
    mean = gray(pixels).mean(dim=(1, 2, 3), keepdim=True)
    return torch.lerp(mean.expand_as(pixels), pixels, factor(strength))


def saturation(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Blend with the gray picture."""
    return torch.lerp(gray(pixels).expand_as(pixels), pixels, factor(strength))


def sharpness(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Blend with a 3×3 smoothed picture (centre weight 5 of 13); the border stays."""
    if min(pixels.shape[2:]) < 3:
        return pixels
    channels = pixels.shape[1]
    kernel = torch.ones(1, 1, 3, 3, device=pixels.device)
    kernel[0, 0, 1, 1] = 5
    kernel = (kernel / kernel.sum()).expand(channels, 1, 3, 3)
    smooth = pixels.clone()
    smooth[:, :, 1:-1, 1:-1] = torch.nn.functional.conv2d(pixels, kernel, groups=channels)
    return torch.lerp(smooth, pixels, factor(strength))


def posterize(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Keep only the upper 2 … 8 bits."""
    bits = 8 - (strength.abs() * 6).round()
    step = torch.exp2(8 - bits)[:, None, None, None]
    return (pixels / step).floor() * step


def solarize(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Invert the pixels above a threshold of 255 … 0."""
    threshold = (255 * (1 - strength.abs()))[:, None, None, None]
    return torch.where(pixels >= threshold, 255 - pixels, pixels)


def autocontrast(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
    """Stretch each channel to the full range."""
    low = pixels.amin(dim=(2, 3), keepdim=True)
    high = pixels.amax(dim=(2, 3), keepdim=True)
    flat = high <= low
    return torch.where(flat, pixels, (pixels - low) * (255 / (high - low).clamp(min=1e-6)))


def equalize(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
    """Flatten each channel's histogram: a level becomes the share of pixels below it."""
    batch, channels, height, width = pixels.shape
    levels = pixels.round().clamp(0, 255).long().reshape(batch * channels, -1)
    counts = torch.zeros(len(levels), 256, device=pixels.device)
    counts.scatter_add_(1, levels, torch.ones_like(levels, dtype=torch.float32))
    below = counts.cumsum(dim=1) - counts
    last = counts.gather(1, levels.amax(dim=1, keepdim=True))
    others = height * width - last
    table = (below * 255 / others.clamp(min=1)).round().clamp(max=255)
    equalized = torch.where(others == 0, levels.float(), table.gather(1, levels))
    return equalized.view(batch, channels, height, width)


def rotate(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Turn by up to 135 degrees."""
    angle = strength * math.radians(135)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return warp(pixels, affine(cos, -sin, sin, cos))


def shear_x(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Slant sideways by up to 0.99."""
    one = torch.ones_like(strength)
    return warp(pixels, affine(one, 0.99 * strength, 0 * one, one))


def shear_y(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Slant upwards by up to 0.99."""
    one = torch.ones_like(strength)
    return warp(pixels, affine(one, 0 * one, 0.99 * strength, one))


def translate_x(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Move sideways by up to an eighth of the width (32 of 256 pixels)."""
    one = torch.ones_like(strength)
    return warp(pixels, affine(one, 0 * one, 0 * one, one, x=strength / 4))


def translate_y(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Move up or down by up to an eighth of the height."""
    one = torch.ones_like(strength)
    return warp(pixels, affine(one, 0 * one, 0 * one, one, y=strength / 4))


def factor(strength: torch.Tensor) -> torch.Tensor:
    """Strengths in [-1, 1] → blend factors in [0.01, 1.99], shaped for broadcasting."""
    return (1 + 0.99 * strength)[:, None, None, None]


def affine(
    xx: torch.Tensor,
    xy: torch.Tensor,
    yx: torch.Tensor,
    yy: torch.Tensor,
    *,
    x: torch.Tensor | float = 0.0,
    y: torch.Tensor | float = 0.0,
) -> torch.Tensor:
    """(b, 2, 3) matrices from their columns."""
    ones = torch.ones_like(xx)
    return torch.stack(
        [torch.stack([xx, xy, x * ones], dim=1), torch.stack([yx, yy, y * ones], dim=1)], dim=1
    )


OPERATIONS: dict[str, Operation] = {
    "identity": identity,
    "autocontrast": autocontrast,
    "equalize": equalize,
    "rotate": rotate,
    "solarize": solarize,
    "saturation": saturation,
    "posterize": posterize,
    "contrast": contrast,
    "brightness": brightness,
    "sharpness": sharpness,
    "shear-x": shear_x,
    "shear-y": shear_y,
    "translate-x": translate_x,
    "translate-y": translate_y,
}
