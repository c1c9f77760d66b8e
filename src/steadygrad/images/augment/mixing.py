"""Mix pairs of pictures and their labels: mixup and cutmix."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from steadygrad.images.augment.erase import span


def one_hot(targets: torch.Tensor, num_classes: int) -> torch.Tensor:
    """(B,) int64 labels or (B, K) probabilities → (B, K) float32 probabilities."""
    return F.one_hot(targets, num_classes).float() if targets.dim() == 1 else targets


def mixup(
    pixels: torch.Tensor, targets: torch.Tensor, rng: torch.Generator, alpha: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Blend each picture and its label with another one's (Zhang et al. 2018).

    The share is drawn per picture from Beta(alpha, alpha). `targets` (B, K) probabilities;
    returns float32 pixels and targets of the same shapes.
    """
    share = beta(rng, len(pixels), alpha).to(pixels.device)
    partner = torch.randperm(len(pixels), generator=rng).to(pixels.device)
    floats = pixels.float()
    mixed = floats.lerp(floats[partner], (1 - share)[:, None, None, None])
    return mixed, targets.lerp(targets[partner], (1 - share)[:, None])


def cutmix(
    pixels: torch.Tensor, targets: torch.Tensor, rng: torch.Generator, alpha: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Paste a rectangle of another picture; the label is shared by area (Yun et al. 2019)."""
    batch, _, height, width = pixels.shape
    share = beta(rng, batch, alpha)
    partner = torch.randperm(batch, generator=rng).to(pixels.device)
    side = (1 - share).sqrt()
    centre_y = torch.rand(batch, generator=rng) * height
    centre_x = torch.rand(batch, generator=rng) * width
    rows = span((centre_y - side * height / 2).round(), (side * height).round(), height)
    columns = span((centre_x - side * width / 2).round(), (side * width).round(), width)
    mask = (rows[:, :, None] & columns[:, None, :])[:, None].to(pixels.device)
    pasted = mask.float().mean(dim=(1, 2, 3))
    mixed = torch.where(mask, pixels[partner], pixels)
    return mixed, targets.lerp(targets[partner], pasted[:, None])


def beta(rng: torch.Generator, size: int, alpha: float) -> torch.Tensor:
    """`size` draws from Beta(alpha, alpha), as a ratio of gamma draws from the given generator."""
    concentration = torch.full((2, size), float(alpha))
    # torch has no public gamma sampler that takes a generator; this one is what its own
    # distributions call, with a generator added.
    first, second = torch._standard_gamma(concentration, generator=rng)
    return torch.where(first + second > 0, first / (first + second), 0.5)
