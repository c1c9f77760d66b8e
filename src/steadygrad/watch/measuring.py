"""The monitor of one watched run and where its lines go: the Record, and a file if one is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steadygrad.judging.judge import failure_text
from steadygrad.record import Finding, Record, RecordWriter
from steadygrad.record.store import LISTS, Line

if TYPE_CHECKING:
    from steadygrad.monitor import Monitor


class Measuring:
    """Owns the Record of a run; nothing that goes wrong in measuring comes out of here."""

    def __init__(self, period: int, folder: str) -> None:
        self.record = Record()
        self._period = period
        self._monitor: Monitor | None = None
        self._failures: list[str] = []
        self._seconds = 0.0
        self._writer = _open_record(folder)

    def start(self, on_step: Callable[[int, bool], None]) -> None:
        """Put the monitor in place; torch must be imported."""
        if self._monitor is not None:
            return
        began = time.perf_counter()
        try:
            from steadygrad.monitor import Monitor

            self._monitor = Monitor(self._take, period=self._period)
            self._monitor.on_step = on_step
            self._monitor.install()
        except Exception as error:
            self._failures.append(failure_text("the monitor could not start", error))
        self._seconds += time.perf_counter() - began

    def _take(self, line: Line) -> None:
        self.record.add(line)
        if self._writer is not None:
            self._writer.write(line)

    def introduce(self, objects: Sequence[Any]) -> None:
        """Make models and optimizers known to the monitor before they are first used."""
        monitor = self._monitor
        if monitor is None:
            return
        for each in objects:
            is_optimizer = hasattr(each, "param_groups")
            take: Any = monitor.book.optimizer if is_optimizer else monitor.inventory.model
            monitor.guarded(take, each)

    def take_over(self, record: Record, seconds: float, failures: Sequence[str]) -> None:
        """Take in what was measured in another process."""
        lists = [getattr(record, name) for kind, name in LISTS.items() if kind is not Finding]
        for line in (record.facts, *chain(*lists), record.loop):
            self._take(line)
        self._seconds += seconds
        self._failures += failures

    def finish(self, exception: BaseException | None) -> None:
        """Measure what is still open and take the monitor out."""
        monitor = self._monitor
        if monitor is None:
            return
        try:
            monitor.finish(exception)
        except Exception as error:
            self._failures.append(failure_text("the monitor failed at the end", error))
        with suppress(Exception):
            monitor.uninstall()

    def close(self, findings: Sequence[Finding]) -> None:
        """Write the final findings behind what was measured."""
        self.record.findings = list(findings)
        if self._writer is not None:
            with suppress(OSError, ValueError):
                for finding in findings:
                    self._writer.write(finding)
                self._writer.close()
            self._writer = None

    def flush(self) -> None:
        """Hand what is written to the system, or a forked child would write it a second time."""
        if self._writer is not None:
            with suppress(OSError, ValueError):
                self._writer.flush()

    def silence(self) -> None:
        """In a forked child: take the monitor out, so that the child runs as if never watched."""
        if self._monitor is not None:
            with suppress(Exception):
                self._monitor.inert()

    @property
    def seconds(self) -> float:
        """Time measuring took so far."""
        return self._seconds + (self._monitor.seconds if self._monitor is not None else 0.0)

    @property
    def failures(self) -> list[str]:
        """What went wrong."""
        return [*self._failures, *(self._monitor.failures if self._monitor is not None else [])]


def _open_record(folder: str) -> RecordWriter | None:
    if not folder:
        return None
    Path(folder).mkdir(parents=True, exist_ok=True)
    path = Path(folder) / "record.jsonl"
    path.unlink(missing_ok=True)
    return RecordWriter(path)
