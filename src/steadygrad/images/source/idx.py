"""IDX files, the format of MNIST: a header of big-endian sizes, then bytes."""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from steadygrad.errors import InputError
from steadygrad.images.source.base import (
    SPLIT_NAMES,
    SPLITS,
    UNLABELLED,
    Source,
    unreadable,
)

_FILE = re.compile(
    r"(?:.*[-_])?(?P<split>train|t10k|test|val|valid|validation)[-_](?P<kind>images|labels)"
    r"[-.]idx[134]-ubyte(?:\.gz)?",
    re.IGNORECASE,
)
_UNSIGNED_BYTE = 0x08
_CHUNK = 1 << 24

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# SHA-256 of Fashion-MNIST's labels: the files don't name classes, and classes are matched by name,
# so the set must give the same names whether opened by name or by folder.
_FASHION_LABELS = {
    "train": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    "test": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
}

Files = dict[str, dict[str, Path]]


def find_idx(folder: Path) -> Files:
    """Return {split: {"images": path, "labels": path}} of the IDX files in a folder.

    Unpacked files are taken before gzipped ones. InputError where two sets lie in one folder.
    """
    files: Files = {}
    for path in sorted(folder.iterdir(), key=lambda path: (path.suffix == ".gz", path.name)):
        match = _FILE.fullmatch(path.name)
        if match is None or not path.is_file():
            continue
        split = match["split"].lower()
        pair = files.setdefault("test" if split == "t10k" else SPLIT_NAMES[split], {})
        first = pair.setdefault(match["kind"].lower(), path)
        if _plain_name(first) != _plain_name(path):
            raise InputError(
                f"'{folder}' holds two IDX sets: '{first.name}' and '{path.name}'. "
                "Put each in a folder of its own."
            )
    return {split: pair for split, pair in files.items() if "images" in pair}


def _plain_name(path: Path) -> str:
    return path.name.removesuffix(".gz").replace(".idx", "-idx")


def open_idx(folder: Path, files: Files) -> Source:
    """Read the IDX files that `find_idx` found into memory; classes are named by their number."""
    images, labels, splits, notes = [], [], [], []
    for split in SPLITS:
        if split not in files:
            continue
        pair = files[split]
        images.append(_read_images(pair["images"]))
        count = len(images[-1])
        if "labels" in pair:
            labels.append(_read_labels(pair["labels"], count))
        else:
            labels.append(np.full(count, UNLABELLED, dtype=np.int64))
            notes.append(f"No labels beside '{pair['images'].name}': its pictures are unlabelled.")
        splits += [split] * count
        if images[-1].shape[1:] != images[0].shape[1:]:
            raise InputError(f"The pictures in '{folder}' differ in size between splits.")
    values = np.unique(np.concatenate(labels))
    values = values[values >= 0]
    classes = FASHION_CLASSES if is_fashion(files) else tuple(str(value) for value in values)
    numbers = np.concatenate(labels)
    numbers = np.where(numbers >= 0, np.searchsorted(values, numbers), UNLABELLED)
    source = Source(
        folder.resolve().name,
        folder,
        classes,
        numbered(splits),
        numbers.astype(np.int64),
        splits,
        np.concatenate(images) if len(images) > 1 else images[0],
        notes,
    )
    source.advice = "Check its label files."
    return source


def numbered(splits: list[str]) -> list[str]:
    """Name pictures that have no file: their split and their number in it.

    >>> numbered(["train", "train", "test", ""])
    ['train/00000', 'train/00001', 'test/00000', '00000']
    """
    counts: dict[str, int] = {}
    names = []
    for split in splits:
        number = counts.get(split, 0)
        counts[split] = number + 1
        names.append(f"{split}/{number:05d}" if split else f"{number:05d}")
    return names


def is_fashion(files: Files) -> bool:
    """Say whether IDX files are Fashion-MNIST's, by their labels."""
    for split, digest in _FASHION_LABELS.items():
        if "labels" in files.get(split, {}):
            values = read_idx(files[split]["labels"])
            return hashlib.sha256(values.tobytes()).hexdigest() == digest
    return False


def _read_images(path: Path) -> np.ndarray:
    images = read_idx(path)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        raise InputError(
            f"'{path}' holds an array of shape {images.shape}. Expected pictures: (N, height, "
            "width) or (N, height, width, 3)."
        )
    return images


def _read_labels(path: Path, count: int) -> np.ndarray:
    labels = read_idx(path)
    if labels.shape != (count,):
        raise InputError(
            f"'{path}' holds labels of shape {labels.shape} for {count} pictures. Expected one "
            "for each."
        )
    return labels.astype(np.int64)


def read_idx(path: Path) -> np.ndarray:
    """Read one IDX file of unsigned bytes, gzipped or not; InputError where it is damaged."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return _read_stream(path, stream)  # pyright: ignore[reportArgumentType]
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"'{path}' is damaged: {error}. Fetch it again.") from error
    except OSError as error:
        raise unreadable(path, error) from error


def _read_stream(path: Path, stream: BinaryIO) -> np.ndarray:
    magic = stream.read(4)
    if (
        len(magic) < 4
        or magic[:2] != b"\0\0"
        or magic[2] != _UNSIGNED_BYTE
        or not 1 <= magic[3] <= 4
    ):
        raise InputError(f"'{path}' is not an IDX file of unsigned bytes. Fetch it again.")
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise InputError(f"'{path}' ends inside its header. Fetch it again.")
    shape = struct.unpack(f">{magic[3]}I", sizes)
    expected = int(np.prod(shape, dtype=object))
    # Grown as bytes come, so that a forged size can't ask for more memory than the file has data.
    data = bytearray()
    while len(data) <= expected and (chunk := stream.read(_CHUNK)):
        data += chunk
    if len(data) != expected:
        raise InputError(
            f"'{path}' should hold {expected:,} bytes for {shape}, but holds "
            f"{'more' if len(data) > expected else f'{len(data):,}'}. Fetch it again."
        )
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)
