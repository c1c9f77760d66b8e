"""Rule frozen-norm-updates."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import PARAMETER, Finding, Graph, Record
from steadygrad.rules.graph import graphs, is_weighted
from steadygrad.rules.reading import listed

MIN_STEPS = 2
"""Updates: a first forward pass before everything is set up proves nothing."""


def frozen_norm_updates(record: Record) -> Iterator[Finding]:
    """A frozen backbone's batch norms go on moving.

    Severity: warning

    What
        Batch norms whose weights do not learn (`requires_grad` is False) run in training mode in
        front of layers that do learn: their running statistics change at every step.
    Why
        Freezing stops the gradient, not the statistics. The features that the head was meant to
        rely on drift, and evaluation sees others than training did.
    Fix
        Set the frozen part to `backbone.eval()` after every `model.train()`.
    Source
        pytorch/pytorch issue 66073; Keras' guide to transfer learning, on BatchNormalization.
    """
    passes = graphs(record)
    if record.loop.step < MIN_STEPS or not passes:
        return
    graph = passes[-1]
    # A GAN's round holds its discriminator twice: learning, and held still for the generator.
    learning = {
        operation.where.module
        for operation in graph.operations
        if operation.name == "batch_norm" and not operation.attributes.get("frozen")
    }
    before = _before_learning(graph)
    moving = [
        graph.operations[i]
        for i in sorted(before)
        if graph.operations[i].name == "batch_norm"
        and graph.operations[i].attributes.get("frozen")
        and graph.operations[i].attributes.get("has_weight", True)
        and graph.operations[i].attributes.get("training")
        and graph.operations[i].where.module not in learning
    ]
    if not moving:
        return
    first = moving[0]
    module = (first.where.module or "").partition(".")[0] or "backbone"
    yield Finding(
        rule="frozen-norm-updates",
        severity="warning",
        step=graph.step,
        saw=f"{len(moving)} batch {'norms' if len(moving) > 1 else 'norm'} with frozen weights "
        f"{'run' if len(moving) > 1 else 'runs'} in training mode: "
        f"{listed([operation.layer for operation in moving])}.",
        expected="Frozen norms in eval mode: their statistics stay as they were trained.",
        fix=f"Call `model.{module}.eval()` after every `model.train()`.",
        source="pytorch/pytorch issue 66073",
        where=first.where,
        numbers={"layers": [operation.layer for operation in moving]},
    )


def _before_learning(graph: Graph) -> set[int]:
    """Operations whose result goes into a layer that learns."""
    found: set[int] = set()
    for index in reversed(range(len(graph.operations))):
        operation = graph.operations[index]
        learns = is_weighted(operation) and PARAMETER in operation.inputs
        if learns or index in found:
            found.update(i for i in operation.inputs if i >= 0)
    return found
