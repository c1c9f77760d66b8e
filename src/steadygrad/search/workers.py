"""Who works on a trial, and whether he is still alive."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

BEAT_SECONDS = 5.0
GRACE_SECONDS = 30.0
"""A trial whose heart has not beaten for so long, seen by one's own clock, is somebody dead's."""


def own_token() -> str:
    """This process on this machine, so that others here can see at once whether it lives."""
    return f"{_machine()}|{os.getpid()}|{_started(os.getpid())}"


def surely_dead(token: str) -> bool:
    """Whether that process was on this machine and is no more."""
    machine, _, rest = token.partition("|")
    pid, _, started = rest.partition("|")
    if machine != _machine() or not pid.isdigit() or not _machine():
        return False
    return _started(int(pid)) != started


def _machine() -> str:
    """This boot of this machine and its process numbers; empty where that can't be told."""
    with suppress(OSError):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        return f"{platform.node()}-{boot}-{os.readlink('/proc/self/ns/pid')}"
    return ""


def _started(pid: int) -> str:
    """Start of a process in clock ticks; empty when there is none (a zombie does no work)."""
    with suppress(OSError, IndexError):
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    return ""


class Watchers:
    """Remembers when each heart was last seen to beat; clocks of two machines never meet."""

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self._grace = grace_seconds
        self._seen: dict[int, tuple[object, float]] = {}

    def is_stale(self, number: int, token: str, beat: object) -> bool:
        """Whether nobody works on that running trial any more."""
        if surely_dead(token):
            return True
        now = time.monotonic()
        before = self._seen.get(number)
        if before is None or before[0] != beat:
            self._seen[number] = (beat, now)
            return False
        return now - before[1] > self._grace


class Heart:
    """Calls `beat` with a rising count every few seconds while entered, from a thread.

    Decoding and scoring take as long as they take: the heart must not hang on them.
    """

    def __init__(self, beat: Callable[[int], None], every: float = BEAT_SECONDS) -> None:
        self._beat, self._every = beat, every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        count = 0
        while not self._stop.wait(self._every):
            count += 1
            with suppress(Exception):  # a storage that is away for a moment: the next beat tells
                self._beat(count)
