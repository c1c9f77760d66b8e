"""What a person sees while the work runs: a moving bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from steadygrad.record import Epoch, Step
from steadygrad.report.markup import visible
from steadygrad.report.words import percent

PLAIN_INTERVAL = 10.0
"""Seconds between two progress lines where there is no terminal."""


class Progress:
    """Shows stages, steps and epochs on standard error, with the time left.

    `fit.run` calls `stage`, `advance`, `say`, `step` and `epoch`; nothing it does depends on them.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        from rich.console import Console

        self.quiet = quiet
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar: Any = None
        self._task: Any = None
        self._stage = ""
        self._begin: tuple[float, int] | None = None
        """When the stage's first part was reported done, and how many were done then."""
        self._left: float | None = None
        """Seconds the stage still needs, where there is no bar to say so."""
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop_bar()

    def say(self, text: str) -> None:
        """One line that stays."""
        if not self.quiet:
            self.console.print(visible(text), markup=False, emoji=False)
            self._last_line = time.monotonic()

    def stage(self, name: str, total: int = 0) -> None:
        """A new stage begins; `total` > 0 makes it one that `advance` counts."""
        self._stop_bar()
        self._stage = name
        self._begin = self._left = None
        self._last_line = time.monotonic()
        if self.quiet or not self.console.is_terminal:
            return
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = [TextColumn("{task.description}", markup=False), BarColumn()]
        counting = [MofNCompleteColumn(), TimeRemainingColumn()] if total else []
        self._bar = Bar(*columns, *counting, console=self.console, transient=True)
        self._task = self._bar.add_task(name, total=total or None)
        self._bar.start()

    def advance(self, done: int, total: int, text: str = "") -> None:
        """`done` of `total` parts of the stage are finished."""
        now = time.monotonic()
        first = self._begin is None
        if self._begin is None:
            self._begin = (now, done)
        if self._bar is not None:
            if first:  # a resumed run begins far from 0: that is no speed
                self._bar.reset(self._task, completed=done, total=total)
            description = f"{self._stage}  {text}".strip()
            self._bar.update(self._task, completed=done, total=total, description=description)
            return
        began, before = self._begin
        if done > before:
            self._left = (now - began) / (done - before) * (total - done)
        if self.quiet or now - self._last_line < PLAIN_INTERVAL or self._left is None:
            return
        parts = [
            f"{self._stage}: {done} of {total}",
            text,
            f"about {show_seconds(self._left)} left",
        ]
        self.say(", ".join(part for part in parts if part))

    def step(self, step: Step, total: int) -> None:
        """One update of the weights is done."""
        self.advance(step.step, total, f"epoch {step.epoch + 1}, loss {step.loss:.3f}")

    def epoch(self, epoch: Epoch) -> None:
        """An epoch ended, or the held-out pictures were scored."""
        if epoch.val_accuracy is not None:
            left = f", about {show_seconds(self._left)} left" if self._left else ""
            accuracy = percent(epoch.val_accuracy)
            self.say(
                f"epoch {epoch.epoch + 1}: train loss {epoch.train_loss:.3f}, "
                f"validation loss {epoch.val_loss:.3f}, accuracy {accuracy}{left}"
            )

    def _stop_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            sys.stderr.flush()


def show_seconds(seconds: float) -> str:
    """A duration as people say it.

    >>> show_seconds(8.4), show_seconds(75), show_seconds(4000)
    ('8 s', '1 min 15 s', '1 h 6 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
