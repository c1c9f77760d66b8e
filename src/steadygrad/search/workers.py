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
    started = started.partition("|")[0]
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


class Taken(Exception):
    """The trial is somebody else's by now: this worker was silent for too long."""


class Watchers:
    """Remembers when each heart was last seen to beat; clocks of two machines never meet."""

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self._grace = grace_seconds
        self._seen: dict[int, tuple[object, float]] = {}

    def is_stale(self, number: int, token: str, beat: object, asked: float) -> bool:
        """Whether nobody works on that running trial any more.

        `asked` is when the storage was asked for the beat: whoever is suspended between the two
        must not take what he read for the present.
        """
        if surely_dead(token):
            return True
        heard = (token, beat)
        before = self._seen.get(number)
        if before is None or before[0] != heard:
            self._seen[number] = (heard, time.monotonic())
            return False
        return asked - before[1] > self._grace

    def forget_before(self, moment: float) -> None:
        """Nobody's heart could be heard at that moment: watch anew what was seen before."""
        self._seen = {number: seen for number, seen in self._seen.items() if seen[1] > moment}


class Heart:
    """Calls `beat` every few seconds while entered, from a thread.

    Decoding and scoring take as long as they take: the heart must not hang on them.
    """

    def __init__(self, beat: Callable[[], None], every: float = BEAT_SECONDS) -> None:
        self._beat, self._every = beat, every
        self.is_taken = False
        """Whether a beat was refused, the trial being another worker's by now."""
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
        while not self._stop.wait(self._every):
            try:
                self._beat()
            except Taken:
                self.is_taken = True
                return
            except Exception:
                continue  # a storage that is away for a moment: the next beat tells
