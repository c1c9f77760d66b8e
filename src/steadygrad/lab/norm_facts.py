"""What each norm averages over, found by changing one value and seeing which outputs follow."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from steadygrad.nn.norms import NORMS, num_groups

NORM_NAMES = ("batch", "layer", "instance", "group")
SHAPE = (4, 8, 3, 3)  # N, C, H, W of the maps measured on; 8 channels make 2 groups


def reached(norm: str, seed: int = 0) -> np.ndarray:
    """(N, C, H, W) bool: which outputs change when the first value of the input does."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    layer = NORMS[norm](SHAPE[1]).double().train()
    nudged = maps.clone()
    nudged[0, 0, 0, 0] += 0.5
    with torch.no_grad():
        return ((layer(nudged) - layer(maps)).abs() > 1e-9).numpy()


def expected_reach(norm: str) -> np.ndarray:
    """The same by definition: the values that share mean and variance with the first."""
    mask = np.zeros(SHAPE, bool)
    pictures = slice(None) if norm == "batch" else 0
    size = SHAPE[1] // num_groups(SHAPE[1])
    channels = {"layer": slice(None), "group": slice(0, size)}.get(norm, 0)
    mask[pictures, channels] = True
    return mask


def mode_difference(norm: str, seed: int) -> float:
    """Largest difference between training's and evaluation's answer on one batch."""
    generator = torch.Generator().manual_seed(seed)
    layer = NORMS[norm](SHAPE[1])
    maps = 2.0 + 3.0 * torch.randn(SHAPE, generator=generator)
    with torch.no_grad():
        trained: Tensor = layer.train()(maps)
        return float((layer.eval()(maps) - trained).abs().max())
