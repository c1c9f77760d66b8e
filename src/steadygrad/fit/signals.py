"""Ctrl-C and SIGTERM: obeyed at once, but between two steps while there is something to save."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from steadygrad.errors import SteadygradError


class Interrupted(SteadygradError):
    """The run was asked to stop and left; what it says tells how to go on."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_status = 128 + signal_number


class StopSignals:
    """While entered, SIGINT and SIGTERM end the run with Interrupted and the sentence `message`.

    Within `held` the first signal only sets `number`, for the loop to read between two steps; a
    second one is obeyed at once. Outside the main thread, where Python allows no handlers, signals
    keep their meaning.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.message = "Stopped before training began; there is nothing to keep."
        self._held = False
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        if isinstance(error, KeyboardInterrupt) and self.number is not None:
            raise Interrupted(self.message, self.number) from None

    @contextmanager
    def held(self) -> Iterator[None]:
        """A stretch in which a first signal waits until somebody looks at `number`."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        waits = self._held and self.number is None
        self.number = number
        if not waits:
            # No SteadygradError: libraries catch Exception in places and would go on.
            raise KeyboardInterrupt
