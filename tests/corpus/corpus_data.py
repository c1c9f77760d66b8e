"""The pictures the corpus trains on: digits, Fashion-MNIST, CIFAR-10, as numpy arrays.

Only digits comes with the project's own packages. The other two are read below STEADYGRAD_DATA;
a script that asks for them without it ends with status 77, which the runner counts as skipped.
"""

import gzip
import importlib.util
import os
import pickle
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

SKIPPED = 77
"""Exit status of a case whose data is not on this machine: automake's number for skipping."""

TRAIN_DIGITS = 1437
"""Four fifths of the 1,797 digits; the rest is for validation."""

CIFAR_BATCH = 10_000
"""Pictures in one of CIFAR-10's python batches."""

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def digits() -> Arrays:
    """8×8 handwritten digits, always split the same way: x_train, y_train, x_test, y_test.

    Images are float32 (N, 1, 8, 8) with the raw ink, 0 to 16; labels are int64. The table is read
    from scikit-learn's folder without importing it, which would take a second.
    """
    package = importlib.util.find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("digits come with scikit-learn: pip install scikit-learn")
    folder = Path(package.submodule_search_locations[0])
    with gzip.open(folder / "datasets" / "data" / "digits.csv.gz", "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    table = table[np.random.default_rng(0).permutation(len(table))]
    images, labels = table[:, :64].reshape(-1, 1, 8, 8), table[:, 64].astype(np.int64)
    n = TRAIN_DIGITS
    return images[:n].copy(), labels[:n], images[n:].copy(), labels[n:]


def fashion(n_train: int = 4000, n_test: int = 1000) -> Arrays:
    """The first Fashion-MNIST pictures: uint8 (N, 1, 28, 28), 0 to 255, and int64 labels."""
    folder = data_root() / "fashion-mnist"
    arrays = []
    for name, count in (("train", n_train), ("t10k", n_test)):
        with gzip.open(folder / f"{name}-images-idx3-ubyte.gz") as file:
            file.read(16)
            pixels = np.frombuffer(file.read(count * 784), np.uint8)
        with gzip.open(folder / f"{name}-labels-idx1-ubyte.gz") as file:
            file.read(8)
            labels = np.frombuffer(file.read(count), np.uint8)
        arrays += [pixels.reshape(-1, 1, 28, 28).copy(), labels.astype(np.int64)]
    return tuple(arrays)


def cifar(n_train: int = 4000, n_test: int = 1000) -> Arrays:
    """The first CIFAR-10 pictures: uint8 (N, 3, 32, 32), 0 to 255, and int64 labels.

    The archives are unpacked once, into a folder for temporary files; after that only the
    pictures asked for are read.
    """
    batches = [f"data_batch_{i + 1}" for i in range(-(-n_train // CIFAR_BATCH))]
    train = [cifar_batch(name) for name in batches]
    x_train = np.concatenate([images[:n_train] for images, _ in train])[:n_train]
    y_train = np.concatenate([labels for _, labels in train])[:n_train]
    x_test, y_test = cifar_batch("test_batch")
    return x_train, y_train, np.array(x_test[:n_test]), y_test[:n_test]


def cifar_batch(name: str) -> tuple[np.ndarray, np.ndarray]:
    """One of the python batches: memory-mapped images and their labels."""
    folder = Path(tempfile.gettempdir()) / f"corpus-cifar10-{os.getuid()}"
    images, labels = folder / f"{name}.images.npy", folder / f"{name}.labels.npy"
    if not (images.exists() and labels.exists()):
        unpack_cifar(name, images, labels)
    return np.load(images, mmap_mode="r"), np.load(labels)


def unpack_cifar(name: str, images: Path, labels: Path) -> None:
    """Write one batch as two npy files; each appears whole, so that processes may race."""
    root = data_root()
    images.parent.mkdir(mode=0o700, exist_ok=True)
    for archive in sorted(root.glob("cifar10-part*.tar.xz")):
        with tarfile.open(archive) as members:
            for member in members:
                content = members.extractfile(member) if Path(member.name).name == name else None
                if content is None:
                    continue
                # The archive is the user's own copy of a published data set.
                batch = pickle.load(content, encoding="bytes")
                save(images, np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32))
                save(labels, np.asarray(batch[b"labels"], np.int64))
                return
    raise FileNotFoundError(f"{name} is in no cifar10-part*.tar.xz below {root}")


def save(path: Path, array: np.ndarray) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npy", delete=False) as file:
        np.save(file, array)
    os.replace(file.name, path)


def data_root() -> Path:
    """The folder named by STEADYGRAD_DATA; without one the script ends as skipped."""
    root = os.environ.get("STEADYGRAD_DATA")
    if not root:
        print("skipped: STEADYGRAD_DATA does not say where the pictures are", file=sys.stderr)
        raise SystemExit(SKIPPED)
    return Path(root)
