"""Calls of models: which train, which evaluate, and what they were given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from steadygrad.monitor.batches import main_input, measure
from steadygrad.monitor.lines import here
from steadygrad.monitor.nodes import Node
from steadygrad.monitor.statistics import is_plain
from steadygrad.record import Batch, Where

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


class Calls:
    """Takes note of each call a user makes of a model, or of weights by hand."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.segments = [Segment()]
        self.batch_size = 0
        self.light: Batch | None = None
        """The last training call that was not watched."""
        self.training_lines: set[tuple[str | None, int | None]] = set()
        self._evaluated = 0

    def root_called(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """The user calls a model."""
        monitor = self._monitor
        model = monitor.inventory.model(module)
        images = main_input(args, kwargs)
        if not model.has_parameters or images is None:
            return
        where = monitor.observer.called = here()
        monitor.observer.prelude = False
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
            self.light = batch

    def data_used(self, data: Tensor, where: Where) -> None:
        """Code without modules multiplies data by a weight: its call of a model begins here."""
        last = self.segments[-1]
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
        self.segments.append(Segment(batch, images))

    def _stray(self, where: Where) -> bool:
        waiting = sum(s.batch is not None and not s.used for s in self.segments)
        known = self.training_lines
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
            wanted = monitor.passes.evaluation_seconds < EVALUATION_SHARE * monitor.elapsed()
        # In evaluation mode with gradients on it may be training after all.
        window.follow(wanted or (window.watching and batch.grad_enabled and run.calls <= 3))

    def _leave(self) -> None:
        """Another call begins: was the last one an evaluation? Then it is written now."""
        last = self.segments[-1]
        if last.batch is None or last.used:
            return
        waiting = sum(s.batch is not None and not s.used for s in self.segments)
        if last.evaluates() or waiting > MOST_CALLS:
            self._monitor.passes.write_evaluation(len(self.segments) - 1)

    def root_returned(self, result: Any) -> None:
        """The model's call is over."""
        if self._monitor.window.following and self.segments[-1].batch is not None:
            made = [self._monitor.window.tracer.maker(t) for t in _tensors(result)]
            self.segments[-1].outputs = [node for node in made if node is not None]

    def label(self, data: Tensor, labels: list[int]) -> None:
        """A loss got these labels with a prediction: they belong to the last batch of that size.

        The first loss of a batch names its classes: those of another task would mix with them.
        """
        if not labels:
            return
        if not self._monitor.window.following:
            light = self.light
            if light is not None and light.size == len(labels) and not light.labels:
                light.labels = labels
            return
        maker = self._monitor.window.tracer.maker(data)
        near = [self.segments[maker.segment]] if maker is not None else []
        if any(segment.batch is not None and segment.batch.labels for segment in near):
            return
        for segment in (*near, *reversed(self.segments)):
            batch = segment.batch
            if batch is not None and batch.size >= len(labels) and not batch.labels:
                batch.labels = labels
                return


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
