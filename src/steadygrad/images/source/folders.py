"""A folder with one sub-folder per class, optionally with train/, val/, test/ above them."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from steadygrad.errors import InputError
from steadygrad.images.source.base import (
    SPLIT_NAMES,
    SPLITS,
    Source,
    labels_by_name,
    natural_key,
)
from steadygrad.images.source.listing import Listing, ignored_note, list_folder, walk

LAYOUT = "Expected one folder per class with its pictures inside, or a CSV with columns path,label."


@dataclass
class _Found:
    """Pictures gathered so far, one entry per picture in each of the three lists."""

    names: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def add(self, prefix: str, pictures: list[str], label: str, split: str) -> None:
        self.names += [f"{prefix}/{name}" for name in pictures]
        self.labels += [label] * len(pictures)
        self.splits += [split] * len(pictures)


def open_folders(root: Path) -> Source:
    """List a folder of class folders; pictures below a class folder, however deep, are its own.

    Classes are the folders' names in natural order. InputError when there is no picture, no class
    folder or only one class.
    """
    top = list_folder(root)
    found = _Found(ignored=top.ignored)
    if top.pictures and top.folders:
        found.notes.append(
            f"Ignored {len(top.pictures)} files beside the class folders, such as "
            f"'{top.pictures[0]}'."
        )
    split_folders = _split_folders(root, top)
    if split_folders:
        others = [name for name in top.folders if name not in split_folders]
        if others:
            found.notes.append(f"Ignored beside the splits: {', '.join(others)}.")
        for name in split_folders:
            _add_split(root, name, found)
    else:
        _add_classes(root, "", top.folders, "", found)
    return _finish(root, top, found)


def _split_folders(root: Path, top: Listing) -> list[str]:
    """The folders that are splits, in the order train, val, test; none where they are classes.

    A folder named train is a split when class folders lie in it, and when nothing but splits, or a
    second split, lies beside it: among vehicles it may well be a class.
    """
    named = [name for name in top.folders if name.lower() in SPLIT_NAMES]
    named.sort(key=lambda name: SPLITS.index(SPLIT_NAMES[name.lower()]))
    if not any(list_folder(root / name).folders for name in named):
        return []
    others = [name for name in top.folders if name not in named]
    if len({SPLIT_NAMES[name.lower()] for name in named}) > 1:
        return named
    return [] if any(walk(root / name, set()).pictures for name in others) else named


def _add_split(root: Path, name: str, found: _Found) -> None:
    listing = list_folder(root / name)
    split = SPLIT_NAMES[name.lower()]
    found.ignored += listing.ignored
    _add_classes(root, name, listing.folders, split, found)
    if not listing.pictures:
        return
    if listing.folders:
        found.notes.append(
            f"Ignored {len(listing.pictures)} files beside the class folders of '{name}', such as "
            f"'{listing.pictures[0]}'."
        )
    else:
        found.notes.append(
            f"The {len(listing.pictures)} pictures of '{name}' lie in no class folder: unlabelled."
        )
        found.add(name, listing.pictures, "", split)


def _add_classes(root: Path, above: str, folders: list[str], split: str, found: _Found) -> None:
    # Links from a class folder back up must not bring in the other classes.
    barred = {_identity(root), _identity(root / above)}
    for folder in sorted(folders, key=natural_key):
        prefix = f"{above}/{folder}" if above else folder
        listing = walk(root / prefix, set(barred))
        found.ignored += listing.ignored
        if listing.pictures:
            found.add(prefix, listing.pictures, folder, split)
        else:
            found.notes.append(f"Ignored '{prefix}': no picture in it.")


def _identity(folder: Path) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _finish(root: Path, top: Listing, found: _Found) -> Source:
    if not found.names and top.pictures:
        raise InputError(
            f"'{root}' holds {len(top.pictures)} pictures but no class folders. {LAYOUT}"
        )
    if not found.names:
        raise InputError(f"There is no picture in '{root}'. {LAYOUT}")
    classes, labels = labels_by_name(found.labels)
    notes = found.notes + ignored_note(found.ignored)
    source = Source(
        root.resolve().name, root, classes, found.names, labels, found.splits, None, notes
    )
    source.advice = _deeper(root, classes) or source.advice
    return source


def _deeper(root: Path, classes: tuple[str, ...]) -> str:
    """Offer the folder below when the classes seem to lie one level down."""
    below = root / classes[0] if len(classes) == 1 else None
    if below is not None and below.is_dir() and len(list_folder(below).folders) >= 2:
        return f"Did you mean '{below}'?"
    return ""
