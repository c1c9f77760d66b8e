"""`with steadygrad.watch(model, optimizer):` around a loop, in a script or a notebook."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from steadygrad.errors import SteadygradError
from steadygrad.record import Finding, Record
from steadygrad.watch import words
from steadygrad.watch.reporting import write_report
from steadygrad.watch.session import Options, Session, current, set_current

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


class Watching:
    """A watched stretch of training; made by `steadygrad.watch`.

    Inside `steadygrad watch script.py` it looks on at the watch that runs already: starting and
    stopping are then that one's business.
    """

    def __init__(
        self,
        ignore: Sequence[str] = (),
        on_finding: Callable[[Finding], None] | None = None,
        report: str | Path | None = None,
    ) -> None:
        self._ignore = tuple(ignore)
        self._on_finding = on_finding
        self._report = report
        self._session: Session | None = None
        self._outer = False
        self._known: list[Any] = []
        self._pending: list[Finding] = []

    def know(self, *objects: Any) -> None:
        """Models and optimizers that exist already, so that they are known by name at once."""
        self._known += [each for each in objects if each is not None]

    def start(self) -> Self:
        """Begin to watch. A second watch in one process is a SteadygradError."""
        running = current()
        if running is not None and not running.options.whole_script:
            raise SteadygradError(
                "A watch is running already; one process has one. Stop it first: watching.stop(), "
                "or leave its `with` block."
            )
        if self._session is not None:
            raise SteadygradError("This watch was started before; call steadygrad.watch() anew.")
        if running is not None:
            self._session, self._outer = running, True
            running.listeners.append(self._told)
        else:
            self._session = Session(Options(ignore=self._ignore), [self._told])
            set_current(self._session)
            self._session.start()
        self._session.measuring.introduce(self._known)
        return self

    def stop(self, exception: BaseException | None = None) -> list[Finding]:
        """Watch no longer; returns the findings, root causes first. Again: the same ones."""
        session = self._session
        if session is None:
            raise SteadygradError("This watch was never started: call start(), or use `with`.")
        if self._outer:
            if self._told in session.listeners:
                session.listeners.remove(self._told)
        elif not session.inert:
            session.finish(exception)
            set_current(None)
            if self._on_finding is None:
                _say(words.session_text(session))
            if self._report is not None:
                write_report(self._report, session, Path(sys.argv[0]).name or "notebook")
        return self.findings

    def close(self, exception: BaseException | None = None) -> None:
        """Stop if it was started; for callers that can't know."""
        if self._session is not None:
            self.stop(exception)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(error)

    @property
    def findings(self) -> list[Finding]:
        """What is certain so far; after the end the final list, root causes first."""
        return list(self._session.findings) if self._session is not None else []

    @property
    def record(self) -> Record:
        """Everything measured so far."""
        return self._session.record if self._session is not None else Record()

    @property
    def failures(self) -> list[str]:
        """What went wrong inside Steadygrad itself; the loop goes on without it."""
        return self._session.failures if self._session is not None else []

    def new(self) -> Iterator[Finding]:
        """Findings that became certain since the last call."""
        while self._pending:
            yield self._pending.pop(0)

    def _told(self, finding: Finding) -> None:
        self._pending.append(finding)
        if self._on_finding is not None:
            self._on_finding(finding)
        elif finding.severity != "note" and not self._outer and self._session is not None:
            _say(words.finding_text(finding, self._session.folder))


def _say(text: str) -> None:
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def watch(
    model: nn.Module | None = None,
    optimizer: Optimizer | None = None,
    ignore: Sequence[str] = (),
    on_finding: Callable[[Finding], None] | None = None,
    report: str | Path | None = None,
) -> Watching:
    """Watch the training that happens inside a `with` block, or from `start()` to `stop()`.

    Findings are printed on standard error when they are certain, with all of them at the end, or
    handed to `on_finding`, and are in `findings` and `new()`. All training of the process is seen;
    naming `model` and `optimizer` only makes them known before the first step. `report` is an HTML
    file to write at the end.

    >>> import torch
    >>> model = torch.nn.Linear(4, 2)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> with watch(model, optimizer, on_finding=print) as watching:
    ...     for step in range(5):
    ...         images, labels = torch.randn(32, 4), torch.randint(0, 2, (32,))
    ...         loss = torch.nn.functional.cross_entropy(model(images), labels)
    ...         optimizer.zero_grad()
    ...         loss.backward()
    ...         optimizer.step()
    >>> watching.record.loop.backwards
    5
    """
    watching = Watching(ignore, on_finding, report)
    watching.know(model, optimizer)
    return watching
