"""What every kind of source gives: names, labels, splits and, where it has them, pixels."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from steadygrad.errors import InputError

SPLITS = ("train", "val", "test")
# What people call their splits, in lower case.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
UNLABELLED = -1


@dataclass
class Source:
    """Labelled pictures, listed but not read.

    `labels` is (N,) int64, an index into `classes`, or -1 where a picture has no label. `splits`
    holds "train", "val", "test" or "" (not given) for each picture. `arrays` is (N, H, W, C) uint8
    where the pixels come as one array (IDX, CIFAR, digits), else None. `notes` tell what was
    ignored, `advice` what to do where there are too few classes to learn from.
    """

    name: str
    root: Path | None
    classes: tuple[str, ...]
    names: list[str]
    labels: np.ndarray
    splits: list[str]
    arrays: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    advice: str = "Put the pictures of each class in a folder of its own."

    def __len__(self) -> int:
        return len(self.names)

    def path(self, index: int) -> Path:
        """Return where picture `index` lies; array sources have no files and raise InputError."""
        if self.arrays is not None or self.root is None:
            raise InputError(f"The pictures of {self.name} come from one array, not from files.")
        return self.root / self.names[index]


def natural_key(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key with numbers by value and case ignored; ties go by code point.

    >>> sorted(["b", "a10", "A2", "a1"], key=natural_key)
    ['a1', 'A2', 'a10', 'b']
    """
    parts = []
    for part in re.findall(r"[0-9]+|[^0-9]+", text.casefold()):
        if part[0] in "0123456789":
            digits = part.lstrip("0")
            # Digits compare by length, then as text: int() refuses very long numbers.
            parts.append((0, len(digits), digits))
        else:
            parts.append((1, 0, part))
    return parts, text


def labels_by_name(labels: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Number class names in natural order: (classes, labels as int64); "" is -1.

    >>> labels_by_name(["b", "a", "", "b"])
    (('a', 'b'), array([ 1,  0, -1,  1]))
    """
    classes = tuple(sorted(set(labels) - {""}, key=natural_key))
    numbers = {name: number for number, name in enumerate(classes)}
    numbers[""] = UNLABELLED
    return classes, np.array([numbers[label] for label in labels], dtype=np.int64)


def require_classes(source: Source, where: str, min_classes: int = 2) -> Source:
    """Return `source` if it has enough classes; InputError with its advice when it has fewer."""
    if len(source.classes) >= min_classes:
        return source
    found = f"only one class ('{source.classes[0]}')" if source.classes else "no labels"
    expected = "a classifier needs at least two" if min_classes > 1 else "expected labels"
    raise InputError(f"'{where}' has {found}; {expected}. {source.advice}")


def unreadable(path: Path, error: OSError) -> InputError:
    """Word a file or folder that the system refuses to open."""
    if isinstance(error, PermissionError):
        return InputError(
            f"'{path}' may not be read: permission denied. Expected a folder or file this user can "
            "read; change its permissions (chmod u+rX) or leave it out."
        )
    return InputError(f"'{os.fspath(path)[:200]}' can't be read: {error.strerror}.")
