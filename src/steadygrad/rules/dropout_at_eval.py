"""Rule dropout-at-eval."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Batch, Finding, Graph, Operation, Record
from steadygrad.rules.graph import graphs
from steadygrad.rules.heads import line_of
from steadygrad.rules.loops import drops, repeats_inputs


def dropout_at_eval(record: Record) -> Iterator[Finding]:
    """Dropout stays on in evaluation mode.

    Severity: warning

    What
        A dropout drops units in a pass whose module (or model) is in evaluation mode: `F.dropout`
        without `training=`, an `nn.Dropout` made inside `forward`, or `dropout_p` of an attention.
        nn.Dropout modules put back into training mode on purpose, and the same batch passed several
        times (Monte Carlo dropout), are left alone.
    Why
        `model.eval()` reaches modules only. Predictions are random, and worse than they could be.
    Fix
        `F.dropout(x, p=0.5, training=self.training)`, or an `nn.Dropout` built in `__init__`.
    Source
        pytorch/pytorch issue 26338.
    """
    evaluated = [batch for batch in record.batches if batch.kind == "evaluation"]
    if repeats_inputs(evaluated):
        return
    places: set[tuple[str | None, int | None]] = set()
    for graph in graphs(record, "evaluation"):
        for operation in graph.operations:
            where = line_of(operation)
            if not _stays_on(record, graph, operation) or (where.file, where.line) in places:
                continue
            places.add((where.file, where.line))
            rate = float(operation.attributes.get("p", operation.attributes.get("dropout_p", 0.5)))
            yield Finding(
                rule="dropout-at-eval",
                severity="warning",
                step=graph.step,
                saw=f"{operation.name} drops {rate:.0%} of the units while the model is in "
                "evaluation mode.",
                expected="No dropout in evaluation mode.",
                fix=f"Write `F.dropout(x, p={rate:g}, training=self.training)`, or use an "
                "nn.Dropout built in `__init__`."
                if operation.name != "attention"
                else f"Write `dropout_p={rate:g} if self.training else 0.0`.",
                source="pytorch/pytorch issue 26338",
                where=where,
                numbers={"p": rate},
            )


def _stays_on(record: Record, graph: Graph, operation: Operation) -> bool:
    """Whether an operation drops units though its module or its model is in evaluation mode."""
    attributes = operation.attributes
    if operation.name == "attention":
        on = float(attributes.get("dropout_p", 0.0)) > 0 and attributes.get("training", True)
    else:
        on = drops(operation) and attributes.get("training", False)
    if not on:
        return False
    if attributes.get("functional", True) and attributes.get("module_training") is False:
        return True
    batches = [b for b in record.batches if b.kind == "evaluation" and b.step == graph.step]
    return bool(batches) and all(_is_off(batch) for batch in batches)


def _is_off(batch: Batch) -> bool:
    """Whether the whole model is in evaluation mode, no dropout module put back by hand."""
    return not batch.training and not batch.modes.get("dropouts_training")
