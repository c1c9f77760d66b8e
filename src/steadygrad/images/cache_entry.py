"""One entry of the picture cache: what it holds, what it is keyed by, how it is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from steadygrad.errors import SteadygradError
from steadygrad.images.cache_folder import Draft, open_published
from steadygrad.images.decode import POLICY_VERSION
from steadygrad.images.source.base import Source


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One picture's file: `digest` of its bytes, their number, what it holds, and why it is broken.

    Width and height are after EXIF rotation, 0 where broken. `digest` is "" where the file could
    not be read at all. `error` is None where all is well.
    """

    name: str
    digest: str
    bytes: int
    format: str
    mode: str
    width: int
    height: int
    error: str | None = None


@dataclass(frozen=True)
class Cache:
    """All pictures at working size: `pixels` (N, size, size, channels) uint8, zeros where broken.

    `pixels` is a read-only memory map, or the source's own array where that has the size already.
    `files` has one entry per row. `fingerprint` stands for the content and the settings.
    """

    pixels: np.ndarray
    files: list[FileInfo]
    fingerprint: str


@dataclass(frozen=True)
class Settings:
    """What pixels depend on beside the files."""

    size: int
    channels: int
    how: str

    def shape(self, count: int) -> tuple[int, int, int, int]:
        """Return the shape of the pixels of `count` pictures."""
        return count, self.size, self.size, self.channels

    def prefix(self, count: int) -> str:
        """Return how the names of all caches with these settings and this count begin."""
        return f"{count}x{self.size}x{self.channels}-{self.how}-v{POLICY_VERSION}-"


def digest_of(data: bytes | np.ndarray) -> str:
    """Return the digest that stands for a file's bytes, or for a row of an array: 32 hex digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()  # pyright: ignore[reportArgumentType]


def fingerprint_of(settings: Settings, keys: Sequence[str]) -> str:
    """Return what stands for pictures, given by a key each and in order, under these settings."""
    digest = hashlib.blake2b(settings.prefix(len(keys)).encode(), digest_size=16)
    for key in keys:
        digest.update(f"{key}\n".encode())
    return digest.hexdigest()


def _target(folder: Path, settings: Settings, count: int, fingerprint: str) -> Path:
    return folder / f"{settings.prefix(count)}{fingerprint}"


def publish(draft: Draft, settings: Settings, files: list[FileInfo], fingerprint: str) -> Cache:
    """Make a finished draft the cache for all to use, and open it (or whichever came first)."""
    target = _target(draft.folder, settings, len(files), fingerprint)
    # Names stay out: the same pictures under other names are the same cache.
    sidecar = {"fingerprint": fingerprint, "files": [astuple(info)[1:] for info in files]}
    draft.publish(target, sidecar)
    published = open_published(target, settings.shape(len(files)))
    if published is None:
        raise SteadygradError(f"The picture cache '{target}' was damaged while in use. Try again.")
    return Cache(published[0], files, fingerprint)


def open_cache(source: Source, settings: Settings, folder: Path, fingerprint: str) -> Cache | None:
    """Open the published cache of these pictures; None where there is none."""
    target = _target(folder / "pixels", settings, len(source), fingerprint)
    published = open_published(target, settings.shape(len(source)))
    if published is None:
        return None
    pixels, sidecar = published
    rows = zip(source.names, sidecar["files"], strict=True)
    return Cache(pixels, [FileInfo(name, *row) for name, row in rows], fingerprint)
