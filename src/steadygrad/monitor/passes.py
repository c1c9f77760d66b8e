"""Cuts what the tracer sees into passes: calls of a model that led to a backward, and others."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from torch import Tensor

from steadygrad.monitor.calls import Segment
from steadygrad.monitor.nodes import Node
from steadygrad.record import Epoch

if TYPE_CHECKING:
    from steadygrad.monitor.monitor import Monitor


class Passes:
    """The calls of models and the backwards since the last update."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.watched = 0
        """Watched updates so far."""
        self.roots: list[Node] = []
        self.evaluation_seconds = 0.0
        """Own time spent on evaluations."""

    @property
    def segment(self) -> int:
        """The number of the current call of a model."""
        return len(self._monitor.calls.segments) - 1

    def open(self) -> None:
        """Watch from here on."""
        window = self._monitor.window
        window.watching = True
        self._begin()
        window.follow(True)

    def close(self) -> None:
        """Stop watching; what the pass holds was written before or is dropped."""
        window = self._monitor.window
        window.watching = False
        self._monitor.observer.prelude = False
        window.follow(False)
        self._begin()

    def _begin(self) -> None:
        self._monitor.window.tracer.forget()
        self.roots = []
        self._monitor.calls.segments = [Segment()]

    def rooted(self, losses: list[Tensor]) -> None:
        """backward is called on these."""
        tracer = self._monitor.window.tracer
        for tensor in losses if self._monitor.window.following else []:
            node = tracer.maker(tensor)
            if node is None:
                continue
            self.roots.append(node)
            known = node.ancestors()
            for number in {other.segment for other in tracer.nodes if id(other) in known}:
                segment = self._monitor.calls.segments[number]
                segment.used = True
                if segment.batch is not None:
                    where = segment.batch.where
                    self._monitor.calls.training_lines.add((where.file, where.line))

    def end_evaluation(self) -> Epoch | None:
        """A backward begins: whatever ran since the last update without one is over."""
        evaluations = self._monitor.evaluations
        run = evaluations.current
        if run is None:
            return None
        # The call that leads to this backward is the last one; those before were evaluation.
        for number in range(1, self.segment):
            if self._monitor.calls.segments[number].evaluates():
                self.write_evaluation(number)
        last = self._monitor.calls.segments[-1]
        if last.evaluates() and last.batch is not None and last.batch.grad_enabled:
            run.calls -= 1  # in evaluation mode, yet trained
            run.training = run.training and run.calls > 0
        if not run.calls:
            evaluations.current = None
            return None
        return evaluations.end(self._monitor.step)

    def flush_light(self, wanted: bool) -> None:
        """After a step that was not watched: its labels, while the run is young."""
        light, self._monitor.calls.light = self._monitor.calls.light, None
        if wanted and light is not None and light.labels:
            light.step = self._monitor.step - 1
            self._monitor.sink(light)

    def flush_training(self) -> None:
        """An update is done: write the pass that led to it."""
        for number, segment in enumerate(self._monitor.calls.segments):
            if segment.evaluates() and not segment.used:
                learned = segment.batch is not None and segment.batch.grad_enabled
                if not learned or self.roots:
                    self.write_evaluation(number)
        nodes = self._monitor.window.tracer.nodes
        if nodes and self.roots:
            self._monitor.writer.write(nodes, "train", self._monitor.calls.segments, self.roots)
        self.watched += 1

    def write_evaluation(self, number: int) -> None:
        """Write what followed one call as an evaluation, and forget it."""
        began = perf_counter()
        segment, tracer = self._monitor.calls.segments[number], self._monitor.window.tracer
        nodes = [node for node in tracer.nodes if node.segment == number]
        if nodes:
            tracer.nodes = [node for node in tracer.nodes if node.segment != number]
            self._monitor.writer.write(nodes, "evaluation", [segment], [])
        self._monitor.calls.segments[number] = Segment()
        self.evaluation_seconds += perf_counter() - began
