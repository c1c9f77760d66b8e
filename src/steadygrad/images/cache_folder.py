"""The cache on disk: published whole or not at all, whoever else writes and whenever it is killed.

CACHE/pixels/<count>x<size>x<channels>-<how>-v<policy>-<fingerprint>/pixels.npy, files.json
CACHE/pixels/tmp-<random>/        being written, locked by its writer
CACHE/index/<hash of the root>.json
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from steadygrad.errors import SteadygradError
from steadygrad.images.source.base import unreadable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

# A folder younger than this may belong to somebody who has not locked it yet.
_STALE_SECONDS = 60
# Where locks don't work, nobody decodes longer than this.
_STALE_SECONDS_WITHOUT_LOCKS = 7 * 24 * 3600
_DRAFT_PREFIX = "tmp-"

Index = dict[str, tuple[int, int, str]]
"""{name: (size in bytes, mtime in nanoseconds, digest)}"""


@contextmanager
def storing(folder: Path) -> Iterator[None]:
    """Word a failed write (folder not writable, disk full) as one SteadygradError."""
    try:
        yield
    except OSError as error:
        raise SteadygradError(
            f"The picture cache in '{folder}' can't be written: {error.strerror}. Free space "
            "there, or set STEADYGRAD_CACHE to a folder that can be written."
        ) from error


class Draft:
    """A cache being written, row by row; `publish` makes it appear, `close` removes what is left.

    Rows go through ordinary writes, not a writable memory map: on a full disk a write raises, while
    a store into a map kills the process.
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int, int]) -> None:
        self.folder = folder
        self.path = folder / f"{_DRAFT_PREFIX}{secrets.token_hex(8)}"
        self.lock: int | None = None
        self.file: BinaryIO | None = None
        with storing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            _remove_stale(folder)
            _require_space(folder, math.prod(shape))
        try:
            self._begin(shape)
        except BaseException:
            self.close()
            raise

    def _begin(self, shape: tuple[int, int, int, int]) -> None:
        with storing(self.folder):
            self.path.mkdir()
            self.lock = _lock(self.path)
            self.file = (self.path / "pixels.npy").open("wb")
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(self.file, header)

    def write(self, rows: np.ndarray) -> None:
        """Append rows, (size, size, channels) uint8 or a stack of them."""
        assert self.file is not None
        with storing(self.folder):
            self.file.write(rows.data)

    def publish(self, target: Path, sidecar: Mapping[str, Any]) -> None:
        """Make the cache appear as `target`, whole; if somebody else was first, theirs stays."""
        assert self.file is not None
        with storing(self.folder):
            _sync(self.file)
            self.file.close()
            with (self.path / "files.json").open("w", encoding="utf-8") as file:
                json.dump(sidecar, file)
                _sync(file)
            try:
                os.rename(self.path, target)
            except OSError:
                if not (target / "files.json").exists():
                    raise
            _sync_folder(self.folder)

    def close(self) -> None:
        """Remove what was not published."""
        if self.file is not None:
            with suppress(OSError):  # closing flushes, and the disk may be full
                self.file.close()
        shutil.rmtree(self.path, ignore_errors=True)
        if self.lock is not None:
            os.close(self.lock)


def open_published(
    target: Path, shape: tuple[int, int, int, int]
) -> tuple[np.memmap, dict[str, Any]] | None:
    """Map a published cache read-only; None where there is none or it is not whole."""
    if not target.is_dir():
        return None
    try:
        sidecar = json.loads((target / "files.json").read_text(encoding="utf-8"))
        pixels = np.load(target / "pixels.npy", mmap_mode="r")
        if pixels.shape == shape and pixels.dtype == np.uint8 and len(sidecar["files"]) == shape[0]:
            return pixels, sidecar
    except PermissionError as error:
        raise unreadable(target, error) from error
    except (OSError, ValueError, TypeError, LookupError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise MemoryError(str(target)) from error
    # Damaged after it was published. Whoever still maps it keeps his pages.
    shutil.rmtree(target, ignore_errors=True)
    return None


def has_candidates(folder: Path, prefix: str) -> bool:
    """Say whether any published cache begins with `prefix`."""
    return folder.is_dir() and any(name.startswith(prefix) for name in os.listdir(folder))


def load_index(folder: Path, root: Path) -> Index:
    """Return what is remembered of the files below `root`; nothing where that can't be read."""
    try:
        entries = json.loads(_index_path(folder, root).read_text(encoding="utf-8"))
        return {name: (size, mtime, digest) for name, (size, mtime, digest) in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def save_index(folder: Path, root: Path, index: Index) -> None:
    """Remember the files below `root`, replacing what was remembered, atomically."""
    path = _index_path(folder, root)
    scratch = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with storing(folder):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with scratch.open("w", encoding="utf-8") as file:
                json.dump(index, file)
                _sync(file)
            os.replace(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)


def _index_path(folder: Path, root: Path) -> Path:
    digest = hashlib.blake2b(os.fsencode(os.path.realpath(root)), digest_size=16)
    return folder / "index" / f"{digest.hexdigest()}.json"


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every system can open or sync a folder; the rename is done
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _require_space(folder: Path, num_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise SteadygradError(
            f"The picture cache needs {num_bytes / 1e9:.1f} GB in '{folder}', where "
            f"{free / 1e9:.1f} GB are free. Free space there, set STEADYGRAD_CACHE to another "
            "disk, or choose a smaller size."
        )


def _lock(folder: Path) -> int | None:
    """Lock a folder until closed or until this process ends, however; None where that fails."""
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _remove_stale(folder: Path) -> None:
    """Remove drafts whose writer is dead: he locked them, and a dead process holds no lock."""
    for path in folder.glob(f"{_DRAFT_PREFIX}*"):
        with suppress(OSError):  # it vanished or is somebody else's: not ours to remove
            age = time.time() - path.stat().st_mtime
            lock = _lock(path) if age > _STALE_SECONDS else None
            if lock is not None or age > _STALE_SECONDS_WITHOUT_LOCKS:
                shutil.rmtree(path, ignore_errors=True)
            if lock is not None:
                os.close(lock)
