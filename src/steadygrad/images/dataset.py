"""DATA in, pictures ready to train on out: listed, decoded, audited, split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from steadygrad.errors import InputError, SteadygradError
from steadygrad.images.audit import Audit, audit, given_splits
from steadygrad.images.cache import Cache, decode_all, probe_headers
from steadygrad.images.decode import Header, is_gray
from steadygrad.images.source import Source, open_source
from steadygrad.images.split import given_split, split, split_notes
from steadygrad.record import Recipe

MAX_BROKEN_FRACTION = 0.1
MAX_SIZE = 112
"""Pixels. Twice the side costs four times the time; photos of one subject are told apart here."""
MIN_SIZE = 32
SIZE_STEP = 16
"""Networks halve the side up to four times: multiples leave no border behind."""
DEFAULT_RESIZE = "squash"
"""Keeps the whole picture: a centre crop may cut off what the label is about."""
Progress = Callable[[int, int], None]


@dataclass
class Subset:
    """Some of the pictures, with their labels; nothing is copied until `take`."""

    pixels: np.ndarray
    """(N, size, size, C) uint8: ALL pictures of the data, memory-mapped."""
    labels: np.ndarray
    """(N,) int64 of all pictures."""
    indices: np.ndarray
    """(n,) int64: which of them are in this subset, sorted."""
    num_classes: int
    rows: np.ndarray | None = None
    """(n,) int64: the row of `pixels` each picture stands in; None: its index."""

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, positions: Sequence[int] | np.ndarray) -> np.ndarray:
        """Copy pictures by position in this subset: (len(positions), size, size, C) uint8."""
        rows = self.indices if self.rows is None else self.rows
        return np.asarray(self.pixels[rows[np.asarray(positions, np.int64)]])

    def labels_of(self, positions: Sequence[int] | np.ndarray) -> np.ndarray:
        """Labels (len(positions),) int64 by position in this subset."""
        return self.labels[self.indices[np.asarray(positions, np.int64)]]

    def class_counts(self) -> np.ndarray:
        """Pictures per class (num_classes,) int64."""
        counts = np.bincount(self.labels[self.indices], minlength=self.num_classes)
        return counts.astype(np.int64)


@dataclass
class Images:
    """Decoded pictures with their splits, and everything the audit found."""

    source: Source
    cache: Cache
    audit: Audit
    splits: dict[str, np.ndarray]
    """Sorted indices under "train", "val", "test"; val and test may be empty."""
    size: int
    channels: int
    how: str
    notes: list[str] = field(default_factory=list[str])

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the labels."""
        return self.source.classes

    def subset(self, indices: np.ndarray) -> Subset:
        """The pictures at `indices` of the data."""
        labels = np.asarray(self.source.labels, np.int64)
        return Subset(self.cache.pixels, labels, np.asarray(indices, np.int64), len(self.classes))

    @cached_property
    def train(self) -> Subset:
        """The pictures to learn from."""
        return self.subset(self.splits["train"])

    @cached_property
    def val(self) -> Subset:
        """The pictures that choose epochs and settings; may be empty."""
        return self.subset(self.splits["val"])

    @cached_property
    def test(self) -> Subset:
        """The pictures that score the model once; may be empty."""
        return self.subset(self.splits["test"])

    def larger_train(
        self,
        size: int,
        *,
        threads: int = 0,
        cache_dir: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Subset:
        """The training pictures decoded at another size, as the source of random crops.

        A crop taken from a picture of the working size would be blurred by enlarging; the network
        would then meet sharper pictures in use than in training.
        """
        chosen = self.train.indices
        if size == self.size or self.source.arrays is not None:
            return self.train
        source = replace(
            self.source,
            names=[self.source.names[index] for index in chosen],
            labels=np.asarray(self.source.labels)[chosen],
            splits=["train"] * len(chosen),
        )
        cache = decode_all(
            source, size, self.channels, self.how, cache_dir, progress, threads or None
        )
        lost = next((file for file in cache.files if file.error is not None), None)
        if lost is not None:
            raise SteadygradError(
                f"{lost.name!r} could be read a moment ago and can't be now: {lost.error}. Put it "
                "back, or start again without it."
            )
        rows = np.arange(len(chosen))
        return replace(self.train, pixels=cache.pixels, rows=rows)

    def subsets(self) -> dict[str, Subset]:
        """The three splits by name, in the order train, val, test."""
        return {"train": self.train, "val": self.val, "test": self.test}

    @cached_property
    def fingerprint(self) -> str:
        """Hex digest of pixels, working size, labels, class names and splits, for recipe.json."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(self.cache.fingerprint.encode())
        for name in self.classes:
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
        digest.update(np.asarray(self.source.labels, "<i8").tobytes())
        for name in ("train", "val", "test"):
            digest.update(np.asarray(self.splits[name], "<i8").tobytes() + name.encode())
        return digest.hexdigest()


def load_images(
    data: str,
    recipe: Recipe | None = None,
    *,
    data_root: str | None = None,
    cache_dir: str | Path | None = None,
    allow_broken: bool = False,
    progress: Progress | None = None,
    to_train: bool = True,
) -> Images:
    """Read, decode (once; cached), audit and split DATA.

    Of the recipe: image_size, channels and resize (0 and "auto" are chosen), seed, val_fraction,
    test_fraction, threads. Broken files are left out and listed in `audit.broken`; over 10 % of
    them, or a class without training pictures, raises InputError. With `to_train` False the data
    is only to be scored: given splits may lack train, and one class is enough.

    >>> images = load_images("digits")
    >>> len(images.classes), images.size, images.channels, len(images.val) > 100
    (10, 8, 1, True)
    """
    recipe = recipe or Recipe()
    source = open_source(data, data_root, min_classes=2 if to_train else 1)
    images = decode_and_audit(source, recipe, cache_dir, progress)
    found = images.audit
    if found.broken_fraction > MAX_BROKEN_FRACTION and not allow_broken:
        example = found.broken[0]
        raise InputError(
            f"{len(found.broken)} of {found.num_files} files of {source.name} can't be read, for "
            f"example {example['name']!r}: {example['reason']}. Expected at most "
            f"{MAX_BROKEN_FRACTION:.0%}. Mend or remove them, or pass --allow-broken."
        )
    if to_train or not any(source.splits) or "train" in given_splits(source):
        fractions = (recipe.val_fraction, recipe.test_fraction)
        images.splits = split(source, found, recipe.seed, *fractions)
    else:
        images.splits = given_split(source, found)
    if to_train:
        _require_training_pictures(images)
    images.notes += split_notes(source, images.splits)
    return images


def audit_data(
    data: str,
    *,
    data_root: str | None = None,
    cache_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Audit DATA without training on it; nothing found stops it."""
    source = open_source(data, data_root, min_classes=1)
    return decode_and_audit(source, Recipe(), cache_dir, progress).audit


def decode_and_audit(
    source: Source, recipe: Recipe, cache_dir: str | Path | None, progress: Progress | None
) -> Images:
    """Choose size and channels where the recipe leaves them open, decode, audit; no splits yet."""
    size, channels = recipe.image_size, recipe.channels
    if size == 0 or channels == 0:
        headers = [header for header in probe_headers(source) if header is not None]
        size = size or choose_size(source, headers)
        channels = channels or choose_channels(headers)
    how = DEFAULT_RESIZE if recipe.resize == "auto" else recipe.resize
    cache = decode_all(
        source,
        size,
        channels,
        how,
        cache_dir=cache_dir,
        progress=progress,
        threads=recipe.threads or None,
    )
    empty = {name: np.zeros(0, np.int64) for name in ("train", "val", "test")}
    return Images(source, cache, audit(source, cache), empty, size, channels, how)


def choose_size(source: Source, headers: Sequence[Header]) -> int:
    """The working side in pixels: an array's own, else near the median shorter side of the files.

    Files: the nearest multiple of 16, within 32 … 112. Arrays: their longer side, at most 112.

    >>> files = [Header("JPEG", "RGB", 640, 100)] * 3
    >>> choose_size(Source("photos", None, ("a", "b"), [], np.zeros(0, np.int64), []), files)
    96
    """
    if source.arrays is not None:
        return min(max(source.arrays.shape[1:3]), MAX_SIZE)
    if not headers:
        return MIN_SIZE
    shorter = float(np.median([min(header.width, header.height) for header in headers]))
    return int(np.clip(round(shorter / SIZE_STEP) * SIZE_STEP, MIN_SIZE, MAX_SIZE))


def choose_channels(headers: Sequence[Header]) -> int:
    """1 when every picture is gray, else 3; palette pictures count as colour."""
    return 1 if headers and all(is_gray(header.mode) for header in headers) else 3


def _require_training_pictures(images: Images) -> None:
    counts = images.train.class_counts()
    absent = [name for name, count in zip(images.classes, counts) if count == 0]
    if not absent:
        return
    listed = ", ".join(repr(name) for name in absent[:5]) + (", …" if len(absent) > 5 else "")
    raise InputError(
        f"{len(absent)} of the {len(images.classes)} classes of {images.source.name} have no "
        f"training picture that can be read: {listed}. Expected at least one each, better several "
        "hundred. Add pictures or remove the class."
    )
