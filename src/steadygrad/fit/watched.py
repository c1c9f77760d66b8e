"""Our own runs watched: the monitor inside, rules asked while it goes on."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from torch import nn

from steadygrad.build import is_foreign
from steadygrad.judging import Judge, failure_text
from steadygrad.monitor import Monitor
from steadygrad.monitor.lines import launcher_passed_over
from steadygrad.record import Epoch, Facts, Finding, Line, Loop, Record, Step


class Watched:
    """While entered, what `train` does is measured; `take` gets the lines of the Record.

    Steps, epochs and facts are left out: the run knows its own better. `first_step` is added to
    what is measured where a run goes on. Nothing of it changes the run, and nothing that goes wrong
    in it comes out: `failures` has it.
    """

    def __init__(self, record: Record, take: Callable[[Line], None], first_step: int = 0) -> None:
        self._judge = Judge(record, (), "")
        self._take = take
        self._first_step = first_step
        self._monitor = Monitor(self._measured)
        self._monitor.on_step = self._stepped
        self._stack = ExitStack()
        self._began = time.perf_counter()
        self._due = False
        self._failures: list[str] = []

    def follow(self, network: nn.Module, model: str) -> Self:
        """Say what will be trained: a network of the user's own (`model`) has lines of theirs."""
        file = inspect.getsourcefile(type(network)) if is_foreign(model) else None
        self._stack.enter_context(launcher_passed_over(file or ""))
        return self

    def remember(self, findings: list[Finding]) -> None:
        """Said already: these are news no more."""
        self._judge.ledger.remember(findings)

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        try:
            self._monitor.install()
        except Exception as error:
            self._failures.append(failure_text("the monitor could not start", error))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(Exception):
            self._monitor.uninstall()
        self._stack.close()

    def end(self) -> None:
        """Training came to its end: measure what is still open."""
        try:
            self._monitor.finish()
        except Exception as error:
            self._failures.append(failure_text("the monitor failed at the end", error))

    def news(self, step: int) -> list[Finding]:
        """After a step: what is certain since now. Costs nothing on steps that are not watched."""
        if not self._due:
            return []
        self._due = False
        if not self._judge.is_due(step, time.perf_counter() - self._began):
            return []
        return self._judge.ask(step)

    def settle(self) -> list[Finding]:
        """The final findings, root causes first, with the errors seen on the way."""
        return self._judge.settle(None)

    @property
    def seconds(self) -> float:
        """Time watching took so far."""
        return self._monitor.seconds + self._judge.seconds

    @property
    def failures(self) -> list[str]:
        """What went wrong in watching itself."""
        return [*self._failures, *self._monitor.failures, *self._judge.failures]

    def _measured(self, line: Line) -> None:
        if isinstance(line, Facts | Step | Epoch):
            return
        if not isinstance(line, Loop):
            line.step += self._first_step
        self._take(line)

    def _stepped(self, step: int, watched: bool) -> None:  # noqa: ARG002
        self._due = self._due or watched
