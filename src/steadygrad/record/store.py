"""The Record of a run, in memory and as an append-only record.jsonl."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, cast

from steadygrad.record.measured import (
    Epoch,
    Event,
    Facts,
    Finding,
    LayerSignals,
    Step,
    Where,
)

Line = Facts | Step | Epoch | Event | LayerSignals | Finding
KINDS: dict[str, type[Any]] = {
    "facts": Facts,
    "step": Step,
    "epoch": Epoch,
    "event": Event,
    "signals": LayerSignals,
    "finding": Finding,
}
UNDECODABLE = "backslashreplace"
"""File names that are no text in the system's encoding hold surrogates, which UTF-8 refuses."""
NAMES = {kind: name for name, kind in KINDS.items()}


@dataclass
class Record:
    """Everything measured in one run. Rules read it, reports read it, nothing else is needed.

    >>> record = Record()
    >>> record.add(Step(step=1, epoch=0, loss=2.3, lr=0.1, num_images=64))
    >>> record.steps[0].loss
    2.3
    """

    facts: Facts = field(default_factory=Facts)
    steps: list[Step] = field(default_factory=list[Step])
    epochs: list[Epoch] = field(default_factory=list[Epoch])
    events: list[Event] = field(default_factory=list[Event])
    signals: list[LayerSignals] = field(default_factory=list[LayerSignals])
    findings: list[Finding] = field(default_factory=list[Finding])

    def add(self, line: Line) -> None:
        """Take in one measured line; a second Facts replaces the first."""
        if isinstance(line, Facts):
            self.facts = line
        else:
            lists: dict[type[Any], list[Any]] = {
                Step: self.steps,
                Epoch: self.epochs,
                Event: self.events,
                LayerSignals: self.signals,
                Finding: self.findings,
            }
            lists[type(line)].append(line)

    @classmethod
    def load(cls, path: str | Path) -> Record:
        """Read record.jsonl. A torn last line (the machine died while writing) is ignored."""
        record = cls()
        with open(path, encoding="utf-8") as lines:
            for text in lines:
                if text.endswith("\n"):
                    record.add(_decode(text))
        return record

    def drop_after(self, step: int) -> None:
        """Forget everything measured after `step`: a resumed run measures it again."""
        self.steps = [line for line in self.steps if line.step <= step]
        self.epochs = [line for line in self.epochs if line.step <= step]
        self.events = [line for line in self.events if line.step <= step]
        self.signals = [line for line in self.signals if line.step <= step]
        self.findings = [line for line in self.findings if line.step <= step]


class RecordWriter:
    """Appends lines to record.jsonl as they are measured; one line is one `write` call."""

    def __init__(self, path: str | Path) -> None:
        self._file: TextIO = open(  # noqa: SIM115 (kept open)
            path, "a", encoding="utf-8", errors=UNDECODABLE
        )

    def write(self, line: Line) -> None:
        """Append one line; it reaches the disk with the next `flush`."""
        self._file.write(_encode(line))

    def flush(self) -> None:
        """Hand all lines to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()

    @staticmethod
    def rewrite(path: str | Path, record: Record) -> None:
        """Replace the file by exactly `record` (after `drop_after`), atomically."""
        lines: list[Line] = [record.facts, *record.events, *record.findings]
        lines += [*record.signals, *record.steps, *record.epochs]
        write_text(path, "".join(_encode(line) for line in lines))


def write_text(path: str | Path, text: str) -> None:
    """Write a whole text file or nothing."""
    write_bytes(path, text.encode("utf-8", UNDECODABLE))


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a whole file or nothing, on the disk: to a neighbour first, then renamed over it."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename itself
        finally:
            os.close(folder)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as strict JSON (NaN and infinities become null), whole or not at all."""
    write_text(path, strict_json(value) + "\n")


def strict_json(value: Any) -> str:
    """`value` as JSON that every reader takes.

    >>> strict_json({"loss": math.nan})
    '{\\n  "loss": null\\n}'
    """
    return json.dumps(_strict(value), indent=2, ensure_ascii=False)


def _strict(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _strict(dataclasses.asdict(value))
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in cast("list[Any]", value)]
    return value


def _encode(line: Line) -> str:
    # Python's own NaN spelling is kept here: a NaN loss is what a rule must be able to see.
    values = {"kind": NAMES[type(line)], **dataclasses.asdict(line)}
    return json.dumps(values, ensure_ascii=False) + "\n"


def _decode(text: str) -> Line:
    values = json.loads(text)
    kind = KINDS[values.pop("kind")]
    if kind is Finding:
        values["where"] = Where(**values["where"])
    return kind(**values)
