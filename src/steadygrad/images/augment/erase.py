"""Erase a random rectangle of each picture (Zhong et al. 2017, "Random Erasing")."""

from __future__ import annotations

import math

import torch

from steadygrad.images.randomness import uniform

AREA = (0.02, 1 / 3)
ASPECT = (0.3, 1 / 0.3)


def erase_rectangles(
    pixels: torch.Tensor, rng: torch.Generator, probability: float
) -> torch.Tensor:
    """With `probability`, replace a rectangle of a picture by the picture's mean colour.

    The rectangle covers 2 % to a third of the picture, its aspect ratio is log-uniform in
    [0.3, 3.3], and it lies inside. (B, C, H, W) numbers 0–255 in, float32 out.
    """
    batch, _, height, width = pixels.shape
    chosen = torch.rand(batch, generator=rng) < probability
    area = uniform(rng, batch, *AREA) * height * width
    ratio = torch.exp(uniform(rng, batch, math.log(ASPECT[0]), math.log(ASPECT[1])))
    part_height = (area * ratio).sqrt().clamp(max=height).round()
    part_width = (area / ratio).sqrt().clamp(max=width).round()
    top = (torch.rand(batch, generator=rng) * (height - part_height + 1)).floor()
    left = (torch.rand(batch, generator=rng) * (width - part_width + 1)).floor()
    inside = span(top, part_height, height)[:, :, None] & span(left, part_width, width)[:, None, :]
    mask = (inside & chosen[:, None, None])[:, None].to(pixels.device)
    floats = pixels.float()
    return torch.where(mask, floats.mean(dim=(2, 3), keepdim=True), floats)


def span(first: torch.Tensor, length: torch.Tensor, size: int) -> torch.Tensor:
    """(B, size) bool: which positions lie in [first, first + length)."""
    position = torch.arange(size)
    return (position >= first[:, None]) & (position < (first + length)[:, None])
