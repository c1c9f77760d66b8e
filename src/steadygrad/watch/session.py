"""One watched run: what the monitor measures goes in, findings come out while it still runs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from steadygrad.judging.judge import Judge
from steadygrad.judging.ledger import at_least
from steadygrad.record import Finding, Record
from steadygrad.watch.measuring import Measuring

FOUND = 3
"""Exit status where a finding stopped the script."""
SWALLOWED = 3
"""Times a script may catch the stop (`except:` in its loop) before the process is ended."""


class Stop(SystemExit):
    """Ends the script from inside: no `except Exception` holds it, and no thread prints it."""


@dataclass(frozen=True)
class Options:
    """How a run is watched."""

    ignore: tuple[str, ...] = ()
    fail_on: str = "never"
    """Stop at the first certain finding at least that severe."""
    stop_after: int = 0
    """Stop after so many updates; 0: never."""
    period: int = 0
    """Watch every so manieth step besides the first ones; 0: automatic."""
    folder: str = ""
    """Where record.jsonl is written; empty: nowhere."""
    whole_script: bool = False
    """Of `steadygrad watch`: whoever asks for a watch inside looks on at this one."""


class Session:
    """Holds the Record of the running script, asks the rules, and stops the script where told to.

    `listeners` get each finding once, the moment it is certain. In forked children a session is
    inert.
    """

    def __init__(self, options: Options, listeners: list[Callable[[Finding], None]]) -> None:
        self.options = options
        self.listeners = listeners
        self.folder = os.getcwd()
        """Where the run began: paths are shown relative to it."""
        self.measuring = Measuring(options.period, options.folder)
        self._judge = Judge(self.record, options.ignore, self.folder)
        self.steps = 0
        self.stopped: Finding | int | None = None
        """Why the script was stopped: a finding, or after how many updates."""
        self.findings: list[Finding] = []
        """The final list, once `finish` ran; what is certain so far until then."""
        self.on_swallowed: Callable[[], None] | None = None
        """Called when the script catches the stop again and again; may end the process."""
        self._stops = 0
        self._began = time.perf_counter()
        self._ended: float | None = None
        self._process = os.getpid()
        self._finishing = threading.Lock()

    def start(self) -> None:
        """Put the monitor in place; torch must be imported. A failure is kept for the end."""
        if not self.inert:
            self.measuring.start(self._on_step)

    def take_over(self, record: Record, outcome: dict[str, Any]) -> None:
        """Take in what a child process measured and found."""
        seconds = float(outcome.get("watch_seconds", 0.0))
        self.measuring.take_over(record, seconds, outcome.get("failures", []))
        self._judge.ledger.remember(record.findings)
        self.steps = int(outcome.get("steps", record.loop.step))

    @property
    def record(self) -> Record:
        """Everything measured so far."""
        return self.measuring.record

    @property
    def inert(self) -> bool:
        """In a forked child, and when all is said."""
        return os.getpid() != self._process or self._ended is not None

    def _on_step(self, step: int, watched: bool) -> None:
        if self.inert:
            return
        self.steps = step
        hurry = self.options.fail_on != "never"
        if watched and (hurry or self._judge.is_due(step, self._elapsed())):
            self._look()
        if 0 < self.options.stop_after <= step and self.stopped is None:
            self.stopped = step
        if self.stopped is not None:
            self.stop()

    def _look(self) -> None:
        new = self._judge.ask(self.steps)
        self.measuring.flush()
        self.findings = list(self._judge.ledger.told)
        for finding in new:
            if self.stopped is None and at_least(finding, self.options.fail_on):
                self.stopped = finding
            for listener in list(self.listeners):
                listener(finding)

    def stop(self) -> NoReturn:
        """End the script from inside, for the reason in `stopped`."""
        self._stops += 1
        if self._stops > SWALLOWED and self.on_swallowed is not None:
            self.on_swallowed()
        raise Stop(FOUND if isinstance(self.stopped, Finding) else 0)

    def finish(self, exception: BaseException | None = None) -> list[Finding]:
        """Take the monitor out and say what stays, root causes first; later calls repeat it."""
        if self.inert or not self._finishing.acquire(blocking=False):
            return self.findings
        self.measuring.finish(exception)
        keep = self.stopped if isinstance(self.stopped, Finding) else None
        self.findings = self._judge.settle(keep)
        self._ended = time.perf_counter()
        self.measuring.close(self.findings)
        return self.findings

    @property
    def withdrawn(self) -> Sequence[Finding]:
        """What was told on the way and is not in the final list."""
        return self._judge.ledger.withdrawn

    @property
    def watch_seconds(self) -> float:
        """Time spent by the monitor and the rules."""
        return self.measuring.seconds + self._judge.seconds

    @property
    def script_seconds(self) -> float:
        """Time of the script's own, from its start to its end."""
        return max(self._elapsed() - self.watch_seconds, 0.0)

    @property
    def failures(self) -> list[str]:
        """What went wrong inside Steadygrad, in words."""
        return [*self.measuring.failures, *self._judge.failures]

    @property
    def trained(self) -> bool:
        """Whether there was any learning to judge."""
        return self.steps > 0 or self.record.loop.backwards > 0

    def _elapsed(self) -> float:
        return (time.perf_counter() if self._ended is None else self._ended) - self._began


_current: Session | None = None


def current() -> Session | None:
    """The session that runs in this process, if one does."""
    return _current if _current is not None and not _current.inert else None


def set_current(session: Session | None) -> None:
    """Make `session` the one that runs here."""
    global _current
    _current = session


def _before_fork() -> None:
    if _current is not None:
        _current.measuring.flush()


def _after_fork() -> None:
    if _current is not None:
        _current.measuring.silence()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
