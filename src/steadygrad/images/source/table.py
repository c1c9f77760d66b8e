"""A CSV with the columns path, label and, optionally, split."""

from __future__ import annotations

import csv
import posixpath
from collections.abc import Iterator
from pathlib import Path

from steadygrad.errors import InputError, nearest
from steadygrad.images.source.base import (
    SPLIT_NAMES,
    Source,
    labels_by_name,
    unreadable,
)
from steadygrad.images.source.listing import walk

# A folder of class folders that holds this file is read by it: it fixes the splits.
SPLITS_FILE = "splits.csv"


def open_table(table: Path, name: str | None = None) -> Source:
    """Read a CSV with a header; paths are relative to the CSV, an empty label means unlabelled.

    Columns beside path, label and split are ignored. InputError names the file and line of whatever
    can't be used.
    """
    names, labels, splits = [], [], []
    for path, label, split in _rows(table):
        names.append(path)
        labels.append(label)
        splits.append(split)
    if not names:
        raise InputError(f"'{table}' has a header but no rows. Expected a picture on each line.")
    root = table.parent
    if not any((root / path).exists() for path in names):
        slashes = " Write paths with / instead of \\." if "\\" in names[0] else ""
        raise InputError(
            f"None of the {len(names)} pictures in '{table}' is there, the first being "
            f"'{root / names[0]}'. Paths are relative to the CSV's own folder.{slashes}"
        )
    classes, numbers = labels_by_name(labels)
    source = Source(name or table.stem, root, classes, names, numbers, splits)
    source.advice = f"Check the column 'label' of '{table}'."
    return source


def open_folder_by_table(root: Path) -> Source:
    """Read a folder by the splits.csv in it, and note pictures that it leaves out."""
    source = open_table(root / SPLITS_FILE, root.resolve().name)
    source.notes.append(f"Read by {SPLITS_FILE} inside the folder: its labels and splits hold.")
    listed = {posixpath.normpath(path) for path in source.names}
    unlisted = [name for name in walk(root, set()).pictures if name not in listed]
    if unlisted:
        source.notes.append(
            f"Left out {len(unlisted)} files that {SPLITS_FILE} does not list, such as "
            f"'{unlisted[0]}'."
        )
    return source


def _rows(table: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (path, label, split) of each row that is not blank."""
    line = 1
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            columns = _columns(table, next(reader, []))
            for row in reader:
                line = reader.line_num
                if any(cell.strip() for cell in row):
                    yield _row(f"'{table}', line {line}", row, columns)
    except OSError as error:
        raise unreadable(table, error) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"'{table}' is not UTF-8 text: {error.reason} at byte {error.start}. Save it as UTF-8."
        ) from error
    except csv.Error as error:
        raise InputError(f"'{table}', after line {line}: not readable as CSV: {error}.") from error


def _columns(table: Path, header: list[str]) -> dict[str, int]:
    columns = {name.strip().lower(): number for number, name in enumerate(header)}
    missing = [name for name in ("path", "label") if name not in columns]
    if not missing:
        return columns
    one_cell = len(header) == 1 and any(mark in header[0] for mark in ";\t")
    hint = " Separate columns with commas." if one_cell else ""
    raise InputError(
        f"'{table}', line 1: no column {' and no column '.join(map(repr, missing))} in the header "
        f"{','.join(header)[:100]!r}. Expected a header path,label or path,label,split.{hint}"
    )


def _row(where: str, row: list[str], columns: dict[str, int]) -> tuple[str, str, str]:
    if len(row) <= max(columns["path"], columns["label"]):
        raise InputError(f"{where}: {len(row)} columns where the header has {len(columns)}.")
    path, label = row[columns["path"]].strip(), row[columns["label"]].strip()
    if not path or "\0" in path:
        raise InputError(f"{where}: no usable path. Expected the path of a picture.")
    number = columns.get("split", len(row))
    split = row[number].strip().lower() if number < len(row) else ""
    if split and split not in SPLIT_NAMES:
        guess = nearest(split, SPLIT_NAMES)
        hint = f" Did you mean '{guess}'?" if guess else ""
        raise InputError(
            f"{where}: there is no split '{split}'.{hint} Expected train, val, test or nothing."
        )
    return path, label, SPLIT_NAMES.get(split, "")
