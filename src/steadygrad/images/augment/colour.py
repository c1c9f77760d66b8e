"""Change brightness, contrast and saturation of a batch of pictures."""

from __future__ import annotations

import torch

from steadygrad.images.randomness import uniform

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in the gray conversion


def jitter_colour(pixels: torch.Tensor, rng: torch.Generator, strength: float) -> torch.Tensor:
    """Scale brightness, contrast and saturation by factors drawn from [1 - s, 1 + s].

    (B, C, H, W) numbers 0–255 in, float32 in [0, 255] out. The three are linear in the pixels,
    so they are composed into one small matrix per picture and applied in one product.
    """
    batch, channels = pixels.shape[:2]
    brightness = uniform(rng, batch, max(0.0, 1 - strength), 1 + strength).to(pixels.device)
    contrast = uniform(rng, batch, max(0.0, 1 - strength), 1 + strength).to(pixels.device)
    saturation = uniform(rng, batch, max(0.0, 1 - strength), 1 + strength).to(pixels.device)
    floats = pixels.float()
    scale = (brightness * contrast)[:, None, None]
    weights = torch.tensor(LUMINANCE if channels == 3 else (1.0,), device=pixels.device)
    mean_gray = floats.mean(dim=(2, 3)) @ weights * brightness
    offset = ((1 - contrast) * mean_gray)[:, None]
    matrix = torch.eye(channels, device=pixels.device).expand(batch, channels, channels)
    if channels == 3:
        keep = saturation[:, None, None]
        matrix = keep * matrix + (1 - keep) * weights.expand(3, 3)
    matrix = matrix * scale
    flat = floats.permute(0, 2, 3, 1).reshape(batch, -1, channels)
    mixed = torch.baddbmm(offset[:, None, :].expand(batch, 1, channels), flat, matrix.mT)
    height, width = pixels.shape[2:]
    return mixed.view(batch, height, width, channels).permute(0, 3, 1, 2).clamp_(0, 255)


def gray(pixels: torch.Tensor) -> torch.Tensor:
    """Luminance of (B, C, H, W) pixels as (B, 1, H, W); a gray picture is its own."""
    if pixels.shape[1] != 3:
        return pixels
    weights = torch.tensor(LUMINANCE, device=pixels.device, dtype=pixels.dtype)
    return (pixels * weights[:, None, None]).sum(dim=1, keepdim=True)
