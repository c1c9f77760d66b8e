"""Tell from DATA alone which kind of source it is."""

from __future__ import annotations

from pathlib import Path

from steadygrad.errors import InputError, nearest
from steadygrad.images.source.base import Source, require_classes, unreadable
from steadygrad.images.source.cifar import find_cifar, open_cifar
from steadygrad.images.source.folders import open_folders
from steadygrad.images.source.idx import find_idx, open_idx
from steadygrad.images.source.known import KNOWN, open_known
from steadygrad.images.source.listing import is_hidden
from steadygrad.images.source.table import SPLITS_FILE, open_folder_by_table, open_table


def open_source(data: str, data_root: str | None = None, *, min_classes: int = 2) -> Source:
    """List the labelled pictures of DATA without reading them.

    DATA is a folder of class folders (optionally train/, val/, test/ above; a splits.csv in it
    rules), a CSV, a folder of IDX files, a CIFAR python folder, or the name of a known set. A known
    name means that set even where a folder is called so: write ./mnist for the folder.
    InputError where it can't be used, or has fewer than `min_classes` classes.

    >>> source = open_source("digits")
    >>> len(source), source.classes[:3], source.arrays.shape
    (1797, ('0', '1', '2'), (1797, 8, 8, 1))
    """
    return require_classes(_open(data, data_root), data[:200], min_classes)


def _open(data: str, data_root: str | None) -> Source:
    if data in KNOWN:
        return open_known(data, data_root)
    path = Path(data).expanduser()
    try:
        if path.is_dir():
            return _open_folder(path)
        if path.is_file():
            return _open_file(path)
        raise _missing(data, path)
    except OSError as error:
        raise unreadable(path, error) from error


def _open_folder(path: Path) -> Source:
    batches = find_cifar(path)
    if batches is not None:
        return open_cifar(batches)
    for folder in (path, path / "raw"):
        files = find_idx(folder) if folder.is_dir() else {}
        if files:
            return open_idx(folder, files)
    if (path / SPLITS_FILE).is_file():
        return open_folder_by_table(path)
    return open_folders(path)


def _open_file(path: Path) -> Source:
    if path.suffix.lower() == ".csv":
        return open_table(path)
    raise InputError(
        f"'{path}' is a file. Expected a folder of class folders, a CSV with columns path,label, "
        f"or one of {', '.join(KNOWN)}."
    )


def _missing(data: str, path: Path) -> InputError:
    siblings = []
    if path.parent.is_dir():
        siblings = [child.name for child in path.parent.iterdir() if not is_hidden(child.name)]
    guess = nearest(path.name, {name.lower(): name for name in siblings}) or nearest(data, KNOWN)
    by_case = {name.lower(): name for name in siblings}
    if guess in by_case:
        guess = str(path.parent / by_case[guess])
    hint = f" Did you mean '{guess}'?" if guess else ""
    return InputError(
        f"There is no '{data[:200]}'.{hint} Expected a folder of class folders, a CSV, or one of "
        f"{', '.join(KNOWN)}."
    )
