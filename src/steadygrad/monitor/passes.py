"""Cuts what the tracer sees into passes: calls of a model that led to a backward, and others."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from steadygrad.monitor.batches import main_input, measure
from steadygrad.monitor.lines import here
from steadygrad.monitor.nodes import Node
from steadygrad.monitor.statistics import is_plain
from steadygrad.record import Batch, Epoch, Where

if TYPE_CHECKING:
    from steadygrad.monitor.monitor import Monitor

EVALUATED_RUNS, EVALUATED_BATCHES = 3, 3
"""Of the first evaluations so many batches are watched; of later ones one."""
EVALUATION_SHARE = 0.01
"""Of the run's time, for watching later evaluations."""
STRAY_CALLS = 8
"""Forward passes without backward, from another line than training's, that are an evaluation."""
MOST_CALLS = 64
"""Forward passes that may lead to one backward; beyond, the older ones are let go."""


@dataclass
class Segment:
    """What follows one call of a model, up to the next."""

    batch: Batch | None = None
    images: Tensor | None = None
    outputs: list[Node] = field(default_factory=list[Node])
    used: bool = False
    """A backward went through it."""

    def evaluates(self) -> bool:
        """Whether nothing was meant to be learned of it: gradients off, or evaluation mode."""
        batch = self.batch
        return batch is not None and not (batch.training and batch.grad_enabled)


class Passes:
    """The calls of models and the backwards since the last update."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.watched = 0
        """Watched updates so far."""
        self.batch_size = 0
        self.roots: list[Node] = []
        self._segments = [Segment()]
        self._training_lines: set[tuple[str | None, int | None]] = set()
        self._light: Batch | None = None
        self._evaluated = 0
        self._evaluation_seconds = 0.0

    @property
    def segment(self) -> int:
        """The number of the current call of a model."""
        return len(self._segments) - 1

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
        self._segments = [Segment()]

    def root_called(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """The user calls a model."""
        monitor = self._monitor
        model = monitor.inventory.model(module)
        images = main_input(args, kwargs)
        if not model.has_parameters or images is None:
            return
        where = monitor.observer.called = here()
        monitor.window.wake()
        self._leave()
        batch = self._batch(images, model.name, where, module.training)
        evaluates = Segment(batch).evaluates() or self._stray(where)
        if evaluates:
            model.evaluation_calls += 1
            self._evaluation_called(batch)
        else:
            model.training_calls += 1
            self._training_called(images)
            monitor.window.follow(monitor.window.watching)
        if monitor.window.following:
            batch.modes = modes(module)
            self._take(batch, images)
        elif not evaluates:
            self._light = batch

    def data_used(self, data: Tensor, where: Where) -> None:
        """Code without modules multiplies data by a weight: its call of a model begins here."""
        last = self._segments[-1]
        same = last.batch is not None and last.batch.grad_enabled == torch.is_grad_enabled()
        if not is_plain(data) or data.dim() == 0 or (same and not last.used):
            return
        self._leave()
        batch = self._batch(data, "", where, True)
        if Segment(batch).evaluates():
            self._evaluation_called(batch)
        else:
            self._training_called(data)
        self._take(batch, data)

    def _batch(self, images: Tensor, model: str, where: Where, training: bool) -> Batch:
        batch = Batch(self._monitor.step, "train", model=model, where=where)
        batch.training, batch.grad_enabled = training, torch.is_grad_enabled()
        batch.size, batch.shape = len(images), list(images.shape)
        return batch

    def _training_called(self, images: Tensor) -> None:
        self.batch_size = len(images)
        self._monitor.repetition.add(images)

    def _take(self, batch: Batch, images: Tensor) -> None:
        batch.origin = self._monitor.origins.of(images)
        measure(images, batch, self._monitor.observer.pending)
        self._segments.append(Segment(batch, images))

    def _stray(self, where: Where) -> bool:
        waiting = sum(s.batch is not None and not s.used for s in self._segments)
        known = self._training_lines
        return bool(known) and (where.file, where.line) not in known and waiting >= STRAY_CALLS

    def _evaluation_called(self, batch: Batch) -> None:
        monitor, window = self._monitor, self._monitor.window
        run = monitor.evaluations.call(batch.model, batch.where, monitor.step, batch.training)
        if run.calls == 1:
            self._evaluated += 1
        if not batch.grad_enabled:
            monitor.book.used_for("evaluation")
        early = self._evaluated <= EVALUATED_RUNS
        wanted = run.calls <= (EVALUATED_BATCHES if early else 1)
        if wanted and not early:
            wanted = self._evaluation_seconds < EVALUATION_SHARE * monitor.elapsed()
        # In evaluation mode with gradients on it may be training after all.
        window.follow(wanted or (window.watching and batch.grad_enabled and run.calls <= 3))

    def _leave(self) -> None:
        """Another call begins: was the last one an evaluation? Then it is written now."""
        last = self._segments[-1]
        if last.batch is None or last.used:
            return
        waiting = sum(s.batch is not None and not s.used for s in self._segments)
        if last.evaluates() or waiting > MOST_CALLS:
            self._write_evaluation(self.segment)

    def root_returned(self, result: Any) -> None:
        """The model's call is over."""
        if self._monitor.window.following and self._segments[-1].batch is not None:
            made = [self._monitor.window.tracer.maker(t) for t in _tensors(result)]
            self._segments[-1].outputs = [node for node in made if node is not None]

    def label(self, data: Tensor, labels: list[int]) -> None:
        """A loss got these labels with a prediction: they belong to the last batch of that size."""
        if not labels:
            return
        if not self._monitor.window.following:
            if self._light is not None and self._light.size == len(labels):
                self._light.labels = labels
            return
        maker = self._monitor.window.tracer.maker(data)
        near = [self._segments[maker.segment]] if maker is not None else []
        for segment in (*near, *reversed(self._segments)):
            batch = segment.batch
            if batch is not None and batch.size >= len(labels) and not batch.labels:
                batch.labels = labels
                return

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
                segment = self._segments[number]
                segment.used = True
                if segment.batch is not None:
                    where = segment.batch.where
                    self._training_lines.add((where.file, where.line))

    def end_evaluation(self) -> Epoch | None:
        """A backward begins: whatever ran since the last update without one is over."""
        evaluations = self._monitor.evaluations
        run = evaluations.current
        if run is None:
            return None
        # The call that leads to this backward is the last one; those before were evaluation.
        for number in range(1, self.segment):
            if self._segments[number].evaluates():
                self._write_evaluation(number)
        last = self._segments[-1]
        if last.evaluates() and last.batch is not None and last.batch.grad_enabled:
            run.calls -= 1  # in evaluation mode, yet trained
            run.training = run.training and run.calls > 0
        if not run.calls:
            evaluations.current = None
            return None
        return evaluations.end(self._monitor.step)

    def flush_light(self, wanted: bool) -> None:
        """After a step that was not watched: its labels, while the run is young."""
        light, self._light = self._light, None
        if wanted and light is not None and light.labels:
            light.step = self._monitor.step - 1
            self._monitor.sink(light)

    def flush_training(self) -> None:
        """An update is done: write the pass that led to it."""
        for number, segment in enumerate(self._segments):
            if segment.evaluates() and not segment.used:
                learned = segment.batch is not None and segment.batch.grad_enabled
                if not learned or self.roots:
                    self._write_evaluation(number)
        nodes = self._monitor.window.tracer.nodes
        if nodes and self.roots:
            self._monitor.writer.write(nodes, "train", self._segments, self.roots)
        self.watched += 1

    def _write_evaluation(self, number: int) -> None:
        began = perf_counter()
        segment, tracer = self._segments[number], self._monitor.window.tracer
        nodes = [node for node in tracer.nodes if node.segment == number]
        if nodes:
            tracer.nodes = [node for node in tracer.nodes if node.segment != number]
            self._monitor.writer.write(nodes, "evaluation", [segment], [])
        self._segments[number] = Segment()
        self._evaluation_seconds += perf_counter() - began


NORMS = (nn.modules.batchnorm._NormBase,)
DROPOUTS = (nn.modules.dropout._DropoutNd,)


def modes(module: nn.Module) -> dict[str, int]:
    """`Batch.modes`."""
    norms = [inner.training for inner in module.modules() if isinstance(inner, NORMS)]
    dropouts = [inner.training for inner in module.modules() if isinstance(inner, DROPOUTS)]
    return {
        "norms": len(norms),
        "norms_training": sum(norms),
        "dropouts": len(dropouts),
        "dropouts_training": sum(dropouts),
    }


def _tensors(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    values = list(result.values()) if isinstance(result, dict) else result
    if isinstance(values, list | tuple):
        return [value for value in values if isinstance(value, Tensor)]
    return []
