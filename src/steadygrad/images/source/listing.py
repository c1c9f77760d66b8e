"""Which files of a folder are pictures, and which names never are."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from steadygrad.images.source.base import natural_key, unreadable

# What systems and tools leave behind, in lower case; names with a leading dot besides.
LEFTOVERS = frozenset(
    {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "__pycache__", "@eadir", "$recycle.bin"}
)
# Files that no one takes for pictures. All others are listed: what is no picture by its content
# is then reported as broken rather than silently skipped.
NOT_PICTURES = frozenset(
    f".{extension}"
    for extension in (
        *("txt", "csv", "tsv", "json", "jsonl", "xml", "yaml", "yml", "toml", "ini", "cfg", "md"),
        *("rst", "html", "htm", "pdf", "py", "ipynb", "log", "sh", "mat", "npy", "npz", "pkl"),
        *("h5", "parquet", "db", "zip", "tar", "gz", "bz2", "xz", "7z", "rar", "doc", "docx"),
        *("xls", "xlsx", "mp3", "wav", "mp4", "avi", "mov", "mkv"),
    )
)


@dataclass
class Listing:
    """What one folder holds: pictures (and in `ignored`, how many files of which extension)."""

    pictures: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)


def is_hidden(name: str) -> bool:
    """Say whether a file or folder is a leftover (.DS_Store, __MACOSX, Thumbs.db …)."""
    return name.startswith(".") or name.lower() in LEFTOVERS


def list_folder(folder: Path) -> Listing:
    """List one folder, not what lies below it; names in natural order.

    Links are followed; a link that leads nowhere is listed as a picture, and so reported as broken.
    InputError where the folder can't be read.
    """
    listing = Listing()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                _sort_in(entry, listing)
    except OSError as error:
        raise unreadable(folder, error) from error
    listing.pictures.sort(key=natural_key)
    listing.folders.sort(key=natural_key)
    return listing


def _sort_in(entry: os.DirEntry[str], listing: Listing) -> None:
    if is_hidden(entry.name):
        return
    try:
        is_folder, is_file = entry.is_dir(), entry.is_file()
    except OSError:  # a link to itself, or into a folder that may not be read
        is_folder, is_file = False, False
    if is_folder:
        listing.folders.append(entry.name)
    elif not is_file and not entry.is_symlink():
        listing.ignored["(pipe, socket or device)"] += 1
    elif (extension := os.path.splitext(entry.name)[1].lower()) in NOT_PICTURES:
        listing.ignored[extension] += 1
    else:
        listing.pictures.append(entry.name)


def walk(folder: Path, seen: set[tuple[int, int]]) -> Listing:
    """List the pictures of a folder and of all folders below it, as paths relative to it.

    `seen` holds (device, inode) of folders not to enter, and grows: a folder that links lead to
    several times, or back to, is entered once.
    """
    result = Listing()
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            status = os.stat(folder / below)
        except OSError as error:
            raise unreadable(folder / below, error) from error
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        listing = list_folder(folder / below)
        result.pictures += [_join(below, name) for name in listing.pictures]
        result.ignored += listing.ignored
        waiting += [_join(below, name) for name in reversed(listing.folders)]
    result.pictures.sort(key=natural_key)
    return result


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def ignored_note(ignored: Counter[str]) -> list[str]:
    """Word what was ignored as at most one note."""
    if not ignored:
        return []
    kinds = ", ".join(f"{count} {kind}" for kind, count in ignored.most_common())
    return [f"Ignored {ignored.total()} files that are no pictures by their names: {kinds}."]
