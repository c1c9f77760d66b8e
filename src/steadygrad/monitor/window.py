"""Switches the tracer on and off, from places where torch's stack of modes may be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadygrad.monitor.tracer import Tracer, pop, push

if TYPE_CHECKING:
    from steadygrad.monitor.monitor import Monitor


class Window:
    """Whether operations are followed right now, and whether the current step is watched."""

    def __init__(self, monitor: Monitor, tracer: Tracer) -> None:
        self._monitor = monitor
        self.tracer = tracer
        self.watching = False
        """The step that runs is watched."""
        self.following = False
        """Operations are wanted: the step is watched, or a batch of an evaluation is."""
        self._suspended = 0
        self._in_stack = False

    def follow(self, wanted: bool) -> None:
        """Follow operations from here on, or stop."""
        wanted = wanted and self._monitor.live
        if wanted != self.following:
            self._monitor.taps.eager(wanted)
        self.following = wanted
        self.tracer.dormant = False
        self._settle()

    def wake(self) -> None:
        """Training is near: follow operations again if that was given up before."""
        if self.watching and (self.tracer.dormant or not self.following):
            self.follow(True)

    def suspend(self, pause: bool) -> None:
        """See nothing while backward runs or an optimizer computes; go on after it."""
        self._suspended += 1 if pause else -1
        self._settle()

    def _settle(self) -> None:
        wanted = self.following and self._suspended <= 0
        if wanted != self._in_stack:
            (push if wanted else pop)(self.tracer)
            self._in_stack = wanted
