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
    Step,
    Where,
)
from steadygrad.record.watched import (
    Batch,
    Graph,
    LayerSignals,
    Loader,
    Loop,
    Operation,
    Optimizer,
    Parameter,
    ParameterSignals,
    Scheduler,
)

Line = (
    Facts | Step | Epoch | Event | Finding | Graph | LayerSignals | ParameterSignals | Batch | Loop
)
KINDS: dict[str, type[Any]] = {
    "facts": Facts,
    "step": Step,
    "epoch": Epoch,
    "event": Event,
    "signals": LayerSignals,
    "parameter-signals": ParameterSignals,
    "graph": Graph,
    "batch": Batch,
    "loop": Loop,
    "finding": Finding,
}
LISTS: dict[type[Any], str] = {
    Step: "steps",
    Epoch: "epochs",
    Event: "events",
    LayerSignals: "signals",
    ParameterSignals: "parameter_signals",
    Graph: "graphs",
    Batch: "batches",
    Finding: "findings",
}
"""Kinds of line of which a Record keeps all, and where."""
UNDECODABLE = "backslashreplace"
"""File names that are no text in the system's encoding hold surrogates, which UTF-8 refuses."""
PASS = "pass"
"""How a line's own field `kind` (train, evaluation) is spelled on disk: "kind" names the line."""
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
    parameter_signals: list[ParameterSignals] = field(default_factory=list[ParameterSignals])
    graphs: list[Graph] = field(default_factory=list[Graph])
    batches: list[Batch] = field(default_factory=list[Batch])
    loop: Loop = field(default_factory=Loop)
    findings: list[Finding] = field(default_factory=list[Finding])

    def add(self, line: Line) -> None:
        """Take in one measured line; a second Facts or Loop replaces the first."""
        if isinstance(line, Facts):
            self.facts = line
        elif isinstance(line, Loop):
            self.loop = line
        else:
            getattr(self, LISTS[type(line)]).append(line)

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
        for name in LISTS.values():
            setattr(self, name, [line for line in getattr(self, name) if line.step <= step])


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
        lines: list[Line] = [record.facts, record.loop]
        for name in LISTS.values():
            lines += getattr(record, name)
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
    values = dataclasses.asdict(line)
    if "kind" in values:
        values[PASS] = values.pop("kind")
    return json.dumps({"kind": NAMES[type(line)], **values}, ensure_ascii=False) + "\n"


def _decode(text: str) -> Line:
    values = json.loads(text)
    kind = KINDS[values.pop("kind")]
    if PASS in values:
        values["kind"] = values.pop(PASS)
    return _build(kind, values)


NESTED: dict[tuple[type[Any], str], type[Any]] = {
    (Graph, "operations"): Operation,
    (Loop, "optimizers"): Optimizer,
    (Loop, "schedulers"): Scheduler,
    (Loop, "loaders"): Loader,
    (Loop, "parameters"): Parameter,
}
"""Lists of plain data inside a line; every other dict with these keys is a place."""
PLACES = {"where", "built", "called", "origin"}


def _build(kind: type[Any], values: dict[str, Any]) -> Any:
    for name, value in values.items():
        inner = NESTED.get((kind, name))
        if inner is not None:
            values[name] = [_build(inner, item) for item in value]
        elif isinstance(value, dict) and (name in PLACES or name.endswith("_where")):
            values[name] = Where(**cast("dict[str, Any]", value))
    return kind(**values)
