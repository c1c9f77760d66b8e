"""The run folder: created once, locked while used, every file written whole."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from steadygrad.errors import InputError, SteadygradError
from steadygrad.record import Record, RecordWriter, write_json

CONTENTS = ("recipe.json", "record.jsonl", "checkpoint", "model.safetensors", "model.json")
CONTENTS += ("model.onnx", "report.html", "report.json", "summary.json", "splits.csv", "lock")
"""What a run writes. `--overwrite` deletes these and nothing else."""


class RunFolder:
    """One run's folder. As a context manager it holds the lock that keeps a second run out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = FileLock(path / "lock")
        self._writer: RecordWriter | None = None

    @classmethod
    def create(cls, out: str | None, data_name: str, *, overwrite: bool = False) -> Self:
        """Make a new run folder: `out`, or the first free runs/NAME-1, runs/NAME-2, ..."""
        path = Path(out) if out else _free_path(data_name)
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file; --out names a folder.")
        if path.is_dir() and any(path.iterdir()) and not overwrite:
            if (path / "recipe.json").exists():
                raise InputError(
                    f"The run folder {path} exists. Continue it with --resume {path}, replace it "
                    "with --overwrite, or give another --out."
                )
            raise InputError(f"{path} is not empty and no run folder; give another --out.")
        try:
            path.mkdir(parents=True, exist_ok=True)
            probe = path / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise InputError(
                f"The run folder {path} can't be written ({error.strerror}). Give another --out."
            ) from None
        return cls(path)

    @classmethod
    def open(cls, path: str) -> Self:
        """Open an existing run folder."""
        if not (Path(path) / "recipe.json").is_file():
            raise InputError(
                f"{path} is no run folder: it holds no recipe.json. A run folder is what "
                "`steadygrad train` wrote."
            )
        return cls(Path(path))

    def __enter__(self) -> Self:
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"Another run is writing in {self.path}. Wait for it, or give another --out."
            ) from None
        except OSError as error:
            raise InputError(f"{self.path} can't be locked ({error.strerror}).") from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()
        self.lock.release()

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

    def read_json(self, name: str) -> Any:
        """Read one JSON file of the folder."""
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{self.path} holds no {name}; did the run finish?") from None
        except json.JSONDecodeError as error:
            raise SteadygradError(f"{path} is damaged: {error}.") from None

    def load_record(self) -> Record:
        """The record so far; empty when there is none."""
        path = self.path / "record.jsonl"
        return Record.load(path) if path.exists() else Record()

    def writer(self) -> RecordWriter:
        """The open record.jsonl."""
        if self._writer is None:
            self._writer = RecordWriter(self.path / "record.jsonl")
        return self._writer


def _free_path(data_name: str) -> Path:
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in data_name)
    number = 1
    while (path := Path("runs") / f"{safe.strip('.-') or 'run'}-{number}").exists():
        number += 1
    return path
