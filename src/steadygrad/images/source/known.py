"""Sets known by name: digits, mnist, fashion-mnist, cifar10, cifar100."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steadygrad.errors import InputError
from steadygrad.images.source.base import Source
from steadygrad.images.source.cifar import find_cifar, is_cifar100, open_cifar
from steadygrad.images.source.download import fetch
from steadygrad.images.source.idx import find_idx, is_fashion, numbered, open_idx


@dataclass(frozen=True)
class KnownSet:
    """Where a set comes from, the SHA-256 of its files, and what its folder may be called."""

    url: str
    files: Mapping[str, str]
    folders: tuple[str, ...]


KNOWN: dict[str, KnownSet] = {
    "digits": KnownSet("", {}, ()),
    "mnist": KnownSet(
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        {
            "train-images-idx3-ubyte.gz": (
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
            ),
            "train-labels-idx1-ubyte.gz": (
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
            ),
            "t10k-images-idx3-ubyte.gz": (
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
            ),
            "t10k-labels-idx1-ubyte.gz": (
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
            ),
        },
        ("mnist", "MNIST"),
    ),
    "fashion-mnist": KnownSet(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        {
            "train-images-idx3-ubyte.gz": (
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
            ),
            "train-labels-idx1-ubyte.gz": (
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
            ),
            "t10k-images-idx3-ubyte.gz": (
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
            ),
            "t10k-labels-idx1-ubyte.gz": (
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
            ),
        },
        ("fashion-mnist", "fashion_mnist", "FashionMNIST"),
    ),
    "cifar10": KnownSet(
        "https://www.cs.toronto.edu/~kriz",
        {
            "cifar-10-python.tar.gz": (
                "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
            )
        },
        ("cifar10", "cifar-10", "CIFAR10"),
    ),
    "cifar100": KnownSet(
        "https://www.cs.toronto.edu/~kriz",
        {
            "cifar-100-python.tar.gz": (
                "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"
            )
        },
        ("cifar100", "cifar-100", "CIFAR100"),
    ),
}


def default_cache_folder() -> Path:
    """Return $STEADYGRAD_CACHE, or ~/.cache/steadygrad."""
    return Path(os.environ.get("STEADYGRAD_CACHE") or "~/.cache/steadygrad").expanduser()


def open_known(name: str, data_root: str | None = None) -> Source:
    """Open a known set from `data_root`, $STEADYGRAD_DATA or the cache folder, or download it.

    The folder itself and sub-folders with the set's name are looked into. InputError when it is
    found nowhere and can't be downloaded.
    """
    found = find_known(name, data_root)
    if found is not None:
        return found
    folder = default_cache_folder() / name
    fetch(KNOWN[name].files, KNOWN[name].url, folder, name)
    source = _open_from(name, folder)
    if source is None:
        raise InputError(f"'{folder}' does not hold {name}. Remove that folder and try again.")
    source.name = name
    return source


def find_known(name: str, data_root: str | None = None) -> Source | None:
    """Open a known set that lies on this machine already, or return None; never downloads."""
    if name == "digits":
        return _open_digits()
    for folder in _candidates(name, data_root):
        source = _open_from(name, folder)
        if source is not None:
            source.name = name
            return source
    return None


def _open_digits() -> Source:
    # Slow to import (over a second), and only needed here.
    from sklearn.datasets import load_digits

    scans, target = load_digits(return_X_y=True)
    # Scans are 8×8 with values 0 to 16.
    images = np.round(scans.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    labels = target.astype(np.int64)
    splits = [""] * len(labels)
    classes = tuple(str(digit) for digit in range(10))
    return Source("digits", None, classes, numbered(splits), labels, splits, images)


def _candidates(name: str, data_root: str | None) -> Iterator[Path]:
    """Folders where the set may lie, the most explicit first; only those that exist."""
    roots = [
        Path(root).expanduser() for root in (data_root, os.environ.get("STEADYGRAD_DATA")) if root
    ]
    if data_root and not roots[0].is_dir():
        raise InputError(
            f"The data root '{data_root}' is not a folder. Expected one that holds {name}."
        )
    for root in (*roots, default_cache_folder(), Path()):
        subfolders = [root / folder for folder in KNOWN[name].folders]
        # "raw" is where torchvision keeps IDX files.
        candidates = [*subfolders, *(folder / "raw" for folder in subfolders)]
        candidates += [root] if root in roots else []
        yield from (folder for folder in candidates if folder.is_dir())


def _open_from(name: str, folder: Path) -> Source | None:
    """Open the set if this folder holds it, and holds this one and not its like."""
    if name.startswith("cifar"):
        batches = _find_cifar(folder, hundred=name == "cifar100")
        return open_cifar(batches) if batches else None
    files = find_idx(folder)
    if not {"train", "test"} <= set(files):
        return None
    return open_idx(folder, files) if is_fashion(files) == (name == "fashion-mnist") else None


def _find_cifar(folder: Path, hundred: bool) -> Path | None:
    inside = folder / ("cifar-100-python" if hundred else "cifar-10-batches-py")
    for candidate in (inside, folder):
        batches = find_cifar(candidate) if candidate.is_dir() else None
        if batches is not None and is_cifar100(batches) == hundred:
            return batches
    return None
