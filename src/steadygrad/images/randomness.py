"""Random numbers as pure functions of a seed and a few names: nothing is global, all repeats."""

from __future__ import annotations

import hashlib

import torch


def derived_seed(seed: int, *salt: int | str) -> int:
    """A 63-bit seed that depends on `seed` and every item of `salt`, the same on every machine.

    >>> derived_seed(0, "order", 1) == derived_seed(0, "order", 1) != derived_seed(0, "order", 2)
    True
    """
    text = repr((int(seed), *salt)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def generator(seed: int, *salt: int | str) -> torch.Generator:
    """A CPU generator for the stream named by `salt`; draws are moved to the device afterwards."""
    return torch.Generator().manual_seed(derived_seed(seed, *salt))


def uniform(rng: torch.Generator, size: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    """`size` float32 draws from [low, high)."""
    return torch.rand(size, generator=rng) * (high - low) + low
