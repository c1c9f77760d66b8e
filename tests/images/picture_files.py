"""Pictures on disk for tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def write_picture(path: Path, seed: int = 0, size: tuple[int, int] = (12, 9)) -> Path:
    """Write a small picture of smooth noise; the format follows the extension."""
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


def write_folders(root: Path, names: list[str]) -> Path:
    """Write one picture for each relative path, each with other pixels."""
    for seed, name in enumerate(names):
        write_picture(root / name, seed)
    return root


def age(root: Path, seconds: int = 100) -> None:
    """Set the time of all files below back, so that they count as settled."""
    for path in root.rglob("*"):
        status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - seconds * 10**9))


@contextmanager
def without_privileges() -> Iterator[None]:
    """Run as a user to whom permissions apply (root may read and write anything)."""
    if os.geteuid() != 0:
        yield
        return
    try:
        os.seteuid(65534)
    except OSError:
        pytest.skip("needs a user to whom permissions apply")
    try:
        yield
    finally:
        os.seteuid(0)
