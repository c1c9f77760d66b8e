"""Rule zero-grad-misplaced."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import PARAMETER, Finding, Graph, Optimizer, Record
from steadygrad.rules.graph import graphs, is_weighted
from steadygrad.rules.heads import place

MIN_UPDATES = 3
SHARE = 0.4
"""Of the watched updates."""
MIN_BACKWARDS = 1.5
"""Per update, from where a wipe between them throws gradients away that were meant to add up."""
READ_SHAPES = 2
"""Shapes of weights seen between two backwards: gradients are read there by hand."""


def zero_grad_misplaced(record: Record) -> Iterator[Finding]:
    """Gradients are wiped before they are used.

    Severity: error

    What
        Three watched updates or more found no gradient although a backward had just made one: a
        `zero_grad` stands between `backward` and `step`. Or, within an accumulation, a backward's
        gradient is wiped before the next adds to it. Two-step optimizers (SAM), adversarial
        examples of the same batch, gradients read by hand and several optimizers are no
        accumulation and left alone.
    Why
        `step` with gradients of zero or None does nothing, or only decays weights; an accumulation
        that is wiped learns from its last small batch alone.
    Fix
        Move `optimizer.zero_grad()` behind `optimizer.step()`, or before the first `backward` of an
        update.
    Source
        PyTorch documentation of torch.optim.Optimizer.zero_grad.
    """
    loop = record.loop
    inside = _may_accumulate(record)
    for optimizer in loop.optimizers:
        if _often(optimizer.wiped, optimizer):
            saw = (
                f"{optimizer.wiped} of {optimizer.watched} watched updates of {optimizer.name} "
                "found no gradient although a backward had made one: it was wiped in between."
            )
        elif inside and _often(optimizer.wiped_inside, optimizer):
            saw = (
                f"Before {optimizer.wiped_inside} of {optimizer.watched} watched updates of "
                f"{optimizer.name} a backward's gradient was wiped unused, though "
                f"{optimizer.backwards_per_step:.3g} backwards belong to one update."
            )
        else:
            continue
        yield Finding(
            rule="zero-grad-misplaced",
            severity="error",
            step=loop.step,
            saw=saw,
            expected="zero_grad, then the backwards of one update, then step.",
            fix="Move `optimizer.zero_grad()` to right behind `optimizer.step()`.",
            source="PyTorch documentation, Optimizer.zero_grad",
            where=place(optimizer.wipe_where, optimizer.step_where, optimizer.where),
            numbers={
                "wiped": optimizer.wiped,
                "wiped_inside": optimizer.wiped_inside,
                "watched": optimizer.watched,
            },
        )


def _often(count: int, optimizer: Optimizer) -> bool:
    return count >= MIN_UPDATES and count >= SHARE * optimizer.watched


def _may_accumulate(record: Record) -> bool:
    """Whether several backwards of one update are meant to add up."""
    loop = record.loop
    active = [optimizer for optimizer in loop.optimizers if optimizer.steps]
    if len(active) != 1 or active[0].closure or active[0].backwards_per_step < MIN_BACKWARDS:
        return False
    if loop.manual_updates or _same_examples(record):
        return False
    return not any(_reads_gradients(record, graph) or _attacks(graph) for graph in graphs(record))


def _same_examples(record: Record) -> bool:
    """Whether an update's passes have the same labels for changed inputs: adversarial training."""
    by_step: dict[int, list[tuple[str, tuple[int, ...]]]] = {}
    for batch in record.batches:
        if batch.kind == "train" and batch.grad_enabled and batch.labels:
            by_step.setdefault(batch.step, []).append((batch.fingerprint, tuple(batch.labels)))
    return any(
        len({labels for _, labels in passes}) == 1 < len({print_ for print_, _ in passes})
        for passes in by_step.values()
    )


def _attacks(graph: Graph) -> bool:
    """Whether a model is given an input that learns: its first weight meets another leaf."""
    return any(
        operation.inputs[:1] == [PARAMETER] and is_weighted(operation)
        for operation in graph.operations
    )


def _reads_gradients(record: Record, graph: Graph) -> bool:
    """Whether tensors of the weights' shapes are worked on between two backwards."""
    if len(graph.roots) < 2:
        return False
    shapes = {tuple(p.shape) for p in record.loop.parameters if len(p.shape) > 1}
    between = graph.operations[min(graph.roots) + 1 : max(graph.roots)]
    read = {
        tuple(operation.input_shapes[0])
        for operation in between
        if operation.input_shapes and all(made < 0 for made in operation.inputs)
    }
    return len(read & shapes) >= READ_SHAPES
