"""`torch.multiprocessing.spawn`: the training happens in child processes, the first is watched.

What the first child (rank 0) measures and finds goes through files of a temporary folder; it prints
its findings itself, and the parent has the last word.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from steadygrad.record import Finding, Record, Where, write_json
from steadygrad.watch import words
from steadygrad.watch.session import FOUND, Options, Session, Stop, current, set_current

OUTCOME = "outcome.json"


@dataclass
class Ranked:
    """What a child runs instead of the user's function; it is pickled on the way."""

    function: Callable[..., Any]
    options: Options
    quiet: bool

    def __call__(self, rank: int, *arguments: Any) -> Any:
        """The user's function, watched in the first process."""
        if rank != 0:
            return self.function(rank, *arguments)
        session = Session(self.options, [] if self.quiet else [self._say])
        set_current(session)
        session.start()
        error: BaseException | None = None
        try:
            return self.function(rank, *arguments)
        except BaseException as raised:
            error = raised
            raise
        finally:
            stopped = isinstance(error, Stop)
            session.finish(None if stopped else error)
            write_json(Path(self.options.folder) / OUTCOME, _outcome(session))
            if stopped:
                # Even where the stop is no fault: the other processes wait for this one.
                raise SystemExit(FOUND)

    def _say(self, finding: Finding) -> None:
        if finding.severity != "note":
            with suppress(OSError, ValueError):
                text = words.finding_text(finding, os.getcwd())
                print(text, file=sys.stderr, flush=True)


def _outcome(session: Session) -> dict[str, Any]:
    return {
        "steps": session.steps,
        "watch_seconds": session.watch_seconds,
        "failures": session.failures,
        "stopped": session.stopped,
    }


class Spawning:
    """Puts `Ranked` around functions given to `torch.multiprocessing.spawn`."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._folders: list[str] = []
        self._patched: list[tuple[Any, Any]] = []

    def install(self) -> None:
        """From now on; torch must be imported."""
        # Both hold the name; `torch.multiprocessing.spawn` the attribute is a function.
        for name in ("torch.multiprocessing.spawn", "torch.multiprocessing"):
            owner = importlib.import_module(name)
            original = getattr(owner, "start_processes", None)
            if original is not None:
                self._patched.append((owner, original))
                setattr(owner, "start_processes", partial(self._start, original))  # noqa: B010

    def uninstall(self) -> None:
        """As torch had it."""
        for owner, original in self._patched:
            owner.start_processes = original
        self._patched = []

    def _start(self, original: Any, function: Any, *arguments: Any, **options: Any) -> Any:
        session = current()
        if session is None or isinstance(function, Ranked):
            return original(function, *arguments, **options)
        folder = tempfile.mkdtemp(prefix="steadygrad-")
        self._folders.append(folder)
        watched = replace(session.options, folder=folder)
        try:
            return original(Ranked(function, watched, self._quiet), *arguments, **options)
        except Exception:
            session.stopped = _stopped(_read(folder).get("stopped"))
            if session.stopped is not None:
                session.stop()
            raise

    def hand_over(self, session: Session) -> None:
        """Give the session what the children measured, where it saw no training itself."""
        for folder in self._folders:
            path = Path(folder) / "record.jsonl"
            with suppress(OSError, ValueError):
                if path.is_file() and not session.trained:
                    session.take_over(Record.load(path), _read(folder))
            shutil.rmtree(folder, ignore_errors=True)
        self._folders = []


def _stopped(reason: Any) -> Finding | int | None:
    if isinstance(reason, dict):
        return Finding(**{**reason, "where": Where(**reason["where"])})
    return reason


def _read(folder: str) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        return json.loads((Path(folder) / OUTCOME).read_text(encoding="utf-8"))
    return {}
