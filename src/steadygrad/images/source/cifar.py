"""CIFAR-10 and CIFAR-100 in their python folders, unpickled without running any code."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from steadygrad.errors import InputError
from steadygrad.images.source.base import Source, unreadable
from steadygrad.images.source.idx import numbered

FOLDERS = ("cifar-10-batches-py", "cifar-100-python")
_SIDE, _CHANNELS = 32, 3
_ROW = _SIDE * _SIDE * _CHANNELS

# What pickle raises on damaged bytes, by its documentation and by trial.
_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ImportError,
    OverflowError,
    MemoryError,
)


def find_cifar(folder: Path) -> Path | None:
    """Return the folder that holds the batches: this one, or one directly below it."""
    for candidate in (folder, *(folder / name for name in FOLDERS)):
        if _is_cifar10(candidate) or is_cifar100(candidate):
            return candidate
    below = (child for child in sorted(folder.iterdir()) if child.is_dir())
    return next((child for child in below if _is_cifar10(child)), None)


def _is_cifar10(folder: Path) -> bool:
    # Not Path.is_file: it raises where a folder may not be read, which is reported later.
    return any(os.path.isfile(folder / name) for name in ("data_batch_1", "test_batch"))


def is_cifar100(folder: Path) -> bool:
    """Say whether a folder has CIFAR-100's layout: three files, no batches."""
    return all(os.path.isfile(folder / name) for name in ("train", "test", "meta"))


def open_cifar(folder: Path) -> Source:
    """Read the batches of a CIFAR python folder into one (N, 32, 32, 3) uint8 array."""
    hundred = is_cifar100(folder)
    if hundred:
        files = [("train", "train"), ("test", "test")]
        names = _load(folder / "meta").get(b"fine_label_names")
    else:
        files = [(f"data_batch_{number}", "train") for number in range(1, 6)]
        files = [*files, ("test_batch", "test")]
        names = _load(folder / "batches.meta").get(b"label_names")
    classes = _class_names(folder, names)
    present = [(name, split) for name, split in files if (folder / name).is_file()]
    notes = []
    if len(present) < len(files):
        notes.append(f"Only {len(present)} of {len(files)} batches are in '{folder.name}'.")
    images, labels, splits = [], [], []
    for name, split in present:
        key = b"fine_labels" if hundred else b"labels"
        rows, numbers = _batch(folder / name, key, len(classes))
        images.append(rows)
        labels.append(numbers)
        splits += [split] * len(numbers)
    return Source(
        folder.resolve().name,
        folder,
        classes,
        numbered(splits),
        np.concatenate(labels),
        splits,
        _to_images(images),
        notes,
    )


def _to_images(batches: list[np.ndarray]) -> np.ndarray:
    """Turn rows of R, G and B planes into (N, 32, 32, 3), batch by batch to spare memory."""
    images = np.empty((sum(map(len, batches)), _SIDE, _SIDE, _CHANNELS), dtype=np.uint8)
    start = 0
    for rows in batches:
        planes = rows.reshape(-1, _CHANNELS, _SIDE, _SIDE)
        images[start : start + len(rows)] = planes.transpose(0, 2, 3, 1)
        start += len(rows)
    return images


def _class_names(folder: Path, names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, bytes) for name in names):
        raise InputError(f"'{folder}' does not name its classes. Unpack the archive again.")
    return tuple(name.decode("utf-8", "replace") for name in names)


def _batch(path: Path, key: bytes, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    content = _load(path)
    data, labels = content.get(b"data"), content.get(key)
    rows = data.rows if isinstance(data, _Array) else None
    if (
        rows is None
        or rows.ndim != 2
        or rows.shape[1] != _ROW
        or not isinstance(labels, list)
        or len(labels) != len(rows)
        or not all(isinstance(label, int) and 0 <= label < num_classes for label in labels)
    ):
        raise InputError(
            f"'{path}' is not a CIFAR batch: expected rows of {_ROW} bytes and a label for each. "
            "Unpack the archive again."
        )
    return rows, np.array(labels, dtype=np.int64)


def _load(path: Path) -> dict[Any, Any]:
    try:
        content = _Unpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except OSError as error:
        raise unreadable(path, error) from error
    except _DAMAGE as error:
        raise InputError(
            f"'{path}' can't be read as a CIFAR file: {error}. Unpack the archive again."
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"'{path}' is not a CIFAR file. Unpack the archive again.")
    # Python 2 wrote the keys as bytes, Python 3 writes text.
    return {key.encode() if isinstance(key, str) else key: value for key, value in content.items()}


class _Dtype:
    """Stands in for numpy.dtype: remembers its name, checks nothing else."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.name = name.decode("ascii", "replace") if isinstance(name, bytes) else name

    def __setstate__(self, state: Any) -> None:
        pass


class _Array:
    """Stands in for numpy.ndarray: only unsigned bytes, and only as many as its shape says."""

    def __init__(self) -> None:
        self.rows: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        if isinstance(data, str):  # what Python 3 writes into old protocols
            data = data.encode("latin-1")
        if not isinstance(dtype, _Dtype) or dtype.name not in ("u1", "uint8", "|u1"):
            raise pickle.UnpicklingError("an array of other than unsigned bytes")
        order = "F" if fortran else "C"
        self.rows = np.frombuffer(data, dtype=np.uint8).reshape(shape, order=order)


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: Any, *_: Any) -> bytes:
    if not isinstance(text, str):
        raise pickle.UnpicklingError("bytes that are no text")
    return text.encode("latin-1")


class _Unpickler(pickle.Unpickler):
    """Knows the four names that numpy's bytes need, each as a harmless stand-in of our own."""

    def find_class(self, module: str, name: str) -> Any:
        stand_ins = {
            ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Dtype,
            ("_codecs", "encode"): _encode,
        }
        if (module, name) not in stand_ins:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR file needs")
        return stand_ins[module, name]
