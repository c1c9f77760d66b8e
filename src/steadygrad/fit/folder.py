"""The run folder: created once, locked while used, every file written whole."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from steadygrad.errors import InputError, SteadygradError
from steadygrad.record import Record, RecordWriter, write_json

# recipe.json first: a folder whose clearing was cut off is no run folder any more.
CONTENTS = ("recipe.json", "record.jsonl", "checkpoint", "model.safetensors", "model.json")
CONTENTS += ("model.onnx", "model.onnx.unproven", "model.onnx.unproven.failed", "report.html")
CONTENTS += ("report.json", "summary.json", "splits.csv", "lock")
"""What a run writes. `--overwrite` deletes these and nothing else."""
BEGINNINGS = frozenset({"lock", "splits.csv", "record.jsonl"})
"""What a run killed in its first moments leaves: nobody's work, and no obstacle to a new one."""
RUNS = Path("runs")
"""Where runs go without --out, below the working folder."""
LONGEST_NAME = 80
"""Characters of the data's name in a run folder's name; file systems allow 255 bytes."""


class RunFolder:
    """One run's folder. As a context manager it holds the lock that keeps a second run out."""

    def __init__(self, path: Path, *, created: bool = False) -> None:
        self.path = path
        self.lock = FileLock(path / "lock")
        self._created = created
        self._writer: RecordWriter | None = None

    @classmethod
    def create(cls, out: str | None, data_name: str, *, overwrite: bool = False) -> Self:
        """Make a new run folder: `out`, or the first free runs/NAME-1, runs/NAME-2, ..."""
        if out is None:
            return cls(_make_free_path(data_name), created=True)
        path = Path(out)
        try:
            _require_room(path, overwrite=overwrite)
            created = not path.exists()
            path.mkdir(parents=True, exist_ok=True)
            probe = path / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise _unwritable(path, error) from None
        return cls(path, created=created)

    @classmethod
    def open(cls, path: str) -> Self:
        """Open an existing run folder."""
        if not os.path.isfile(os.path.join(path, "recipe.json")):
            there = "" if os.path.exists(path) else " There is nothing of that name."
            raise InputError(
                f"'{path}' is no run folder: it holds no recipe.json.{there} A run folder is what "
                "`steadygrad train` wrote."
            )
        return cls(Path(path))

    def __enter__(self) -> Self:
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"Another run is writing in '{self.path}'. Wait for it, or give another --out."
            ) from None
        except OSError as error:
            raise _unwritable(self.path, error) from None
        for path in _remains(self.path):
            path.unlink(missing_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._close_writer(careful=error is None)
            self._vanish_if_empty()
        finally:
            self.lock.release()

    def _vanish_if_empty(self) -> None:
        """Leave no empty folder behind where a run never began."""
        with suppress(OSError):  # somebody put something there, or took it away
            if os.listdir(self.path) == ["lock"]:
                (self.path / "lock").unlink()
                if self._created:
                    self.path.rmdir()
                if self.path.parent == RUNS:
                    RUNS.rmdir()  # fails, rightly, where other runs are in it

    def clear(self) -> None:
        """Delete what an earlier run left, keeping the lock; foreign files stay."""
        for name in CONTENTS:
            path = self.path / name
            if name == "lock" or not path.exists():
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def write_json(self, name: str, value: Any) -> None:
        """Write one JSON file of the folder, whole or not at all."""
        write_json(self.path / name, value)

    def read_json(self, name: str, *keys: str) -> dict[str, Any]:
        """Read one JSON file of the folder, which must hold these keys."""
        path = self.path / name
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"'{self.path}' holds no {name}; did the run finish?") from None
        except ValueError as error:
            raise SteadygradError(f"'{path}' is damaged: {error}.") from None
        if not isinstance(values, dict) or not values.keys() >= set(keys):
            raise SteadygradError(f"'{path}' is damaged: expected {', '.join(keys)} in it.")
        return values

    def load_record(self) -> Record:
        """The record so far; empty when there is none."""
        path = self.path / "record.jsonl"
        try:
            return Record.load(path) if path.exists() else Record()
        except (ValueError, TypeError, LookupError) as error:
            raise SteadygradError(f"'{path}' is damaged: {error}.") from None

    def save_record(self, record: Record) -> None:
        """Replace record.jsonl by exactly `record`, whole or not at all."""
        self._close_writer()
        RecordWriter.rewrite(self.path / "record.jsonl", record)

    def writer(self) -> RecordWriter:
        """The open record.jsonl."""
        if self._writer is None:
            self._writer = RecordWriter(self.path / "record.jsonl")
        return self._writer

    def _close_writer(self, *, careful: bool = True) -> None:
        """Close record.jsonl; on the way out of an error (a full disk, perhaps) come what may."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.close()
        except OSError:
            if careful:
                raise


def _require_room(path: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds a run (unless it is to be replaced) or foreign files."""
    if path.exists() and not path.is_dir():
        raise InputError(f"'{path}' is a file; --out names a folder.")
    if not path.is_dir():
        return
    if (path / "recipe.json").exists():
        if not overwrite:
            raise InputError(
                f"The run folder '{path}' exists. Continue it with --resume {path}, replace it "
                "with --overwrite, or give another --out."
            )
        return
    found = set(os.listdir(path)) - {remain.name for remain in _remains(path)}
    if found - (set(CONTENTS) if overwrite else BEGINNINGS):
        raise InputError(f"'{path}' is not empty and no run folder; give another --out.")


def _remains(path: Path) -> list[Path]:
    """Half-written files of a run that was killed: hidden, named after the file they were for."""
    return [
        child
        for child in path.iterdir()
        if child.name.startswith((".writable-", *(f".{name}." for name in CONTENTS)))
    ]


def _make_free_path(data_name: str) -> Path:
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in data_name)
    safe = safe.strip(".-").encode()[:LONGEST_NAME].decode(errors="ignore") or "run"
    number = 1
    while True:
        path = RUNS / f"{safe}-{number}"
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            number += 1
        except OSError as error:
            raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"The run folder '{path}' can't be written ({error.strerror}). Give another --out."
    )
