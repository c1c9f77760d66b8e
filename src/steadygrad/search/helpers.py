"""The other jobs on this machine: processes that take part, and end with the first one."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self


class Helpers:
    """So many processes that do `work(*words)` while entered; who dies early is told to `say`.

    Left with an error they are ended, else they are waited for.
    """

    def __init__(
        self,
        count: int,
        work: Callable[..., None],
        words: tuple[Any, ...],
        say: Callable[[str], None],
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._say = say
        self._ears: dict[int, Connection] = {}
        self._processes: list[Any] = []
        for _ in range(count):
            ear, mouth = context.Pipe(duplex=False)
            process = context.Process(target=_help, args=(mouth, work, words), daemon=True)
            process.start()
            mouth.close()
            self._processes.append(process)
            self._ears[process.sentinel] = ear
        self._is_ending = False
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._is_ending = True
            for process in self._processes:
                process.terminate()
        # It waits for all of them, and alone: of two threads that do, one learns no exit status.
        self._watcher.join()

    def _watch(self) -> None:
        alive = {process.sentinel: process for process in self._processes}
        while alive:
            for sentinel in wait(list(alive)):
                assert isinstance(sentinel, int)
                process = alive.pop(sentinel)
                process.join()
                if process.exitcode and not self._is_ending:
                    why = _last_words(self._ears[sentinel]) or _how(process.exitcode)
                    self._say(f"A job of this search has ended early: {why} The others go on.")


def _last_words(ear: Connection) -> str:
    try:
        return ear.recv()
    except EOFError:  # it had no time for any
        return ""


def _how(status: int) -> str:
    return f"it was killed by signal {-status}." if status < 0 else f"exit status {status}."


def _help(mouth: Connection, work: Callable[..., None], words: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work(*words)
    except KeyboardInterrupt:  # the terminal's Ctrl-C reaches every process
        return
    except Exception as error:
        mouth.send(f"{type(error).__name__}: {error}")
        sys.exit(1)


def _end_with_parent() -> None:
    """A killed parent can't end its jobs: they see it go, and leave nothing half written."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
