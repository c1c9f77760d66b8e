"""Rule eval-mode-training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from steadygrad.record import Batch, Finding, Operation, Record
from steadygrad.rules.graph import graphs
from steadygrad.rules.heads import place
from steadygrad.rules.loops import DROPOUTS, MODAL_NORMS, drops, frozen_share, modal, trained

MIN_STEPS = 3
"""Watched steps in a row."""
MOSTLY_FROZEN = 0.5
"""Share of a model's tensors that are frozen, from where its evaluation mode is meant."""


def eval_mode_training(record: Record) -> Iterator[Finding]:
    """The model is in evaluation mode while it is trained.

    Severity: error

    What
        At the last three watched steps or more every forward pass that backward went through had
        `model.training` False, in a model with batch norms that learn or with dropout. Left alone:
        norms and dropouts that were set one by one (the model itself is in training mode), frozen
        backbones, networks no optimizer trains, layer norms, and passes of both kinds in a step (a
        discriminator that judges, adversarial examples).
    Why
        Batch norms use running statistics that no longer follow, dropout does nothing. It mostly
        comes from a validation that ends without `model.train()`, or a pretrained model that is
        handed over in evaluation mode.
    Fix
        `model.train()` at the beginning of every training epoch.
    Source
        PyTorch notes, Autograd mechanics: evaluation mode.
    """
    by_model: dict[str, list[Batch]] = {}
    for batch in record.batches:
        if batch.kind == "train" and batch.grad_enabled:
            by_model.setdefault(batch.model, []).append(batch)
    for model, batches in by_model.items():
        steps = sorted({batch.step for batch in batches})[-MIN_STEPS:]
        latest = [batch for batch in batches if batch.step in steps]
        if len(steps) < MIN_STEPS or any(batch.training for batch in latest):
            continue
        counted = [batch for batch in batches if batch.modes and not batch.training]
        if not trained(model, record.loop) or not _matters(record, model, counted[-1:]):
            continue
        yield _finding(record, batches, latest)


def _matters(record: Record, model: str, batches: Sequence[Batch]) -> bool:
    """Whether norms that learn or dropouts are switched off by it."""
    frozen = frozen_share(model, record.loop) >= MOSTLY_FROZEN
    norms = any(b.modes.get("norms") and not b.modes.get("norms_training") for b in batches)
    dropouts = any(
        b.modes.get("dropouts") and not b.modes.get("dropouts_training") for b in batches
    )
    operations = [operation for graph in graphs(record) for operation in modal(graph)]
    names = {operation.name for graph in graphs(record) for operation in graph.operations}
    if operations or names & DROPOUTS:
        kinds = [operation for operation in operations if not _works(operation)]
        norms = norms and any(_learns(operation) for operation in kinds)
        dropouts = any(drops(operation) for operation in kinds)
    elif record.graphs:
        norms = False  # layer norms only; dropout may hide in an attention or a recurrent layer
    return norms or (dropouts and not frozen)


def _works(operation: Operation) -> bool:
    return bool(operation.attributes.get("training", False))


def _learns(operation: Operation) -> bool:
    return operation.name in MODAL_NORMS and not operation.attributes.get("frozen", False)


def _finding(record: Record, batches: Sequence[Batch], latest: Sequence[Batch]) -> Finding:
    before = [batch.step for batch in batches if batch.training]
    since = min(b.step for b in batches if not b.training and b.step > max(before, default=-1))
    counted = [batch for batch in batches if batch.modes and not batch.training]
    modes = (counted or latest)[-1].modes
    history = (
        f" It was in training mode until step {max(before)}: left in evaluation mode, as after a "
        "validation."
        if before
        else " It never was in training mode."
    )
    return Finding(
        rule="eval-mode-training",
        severity="error",
        step=since,
        saw=f"From step {since} on the model runs in evaluation mode while it is trained "
        f"({modes.get('norms', 0)} norms and {modes.get('dropouts', 0)} dropouts are off)."
        + history,
        expected="`model.training` is True at every training step.",
        fix="Call `model.train()` at the beginning of each training epoch (after each validation).",
        source="PyTorch notes, Autograd mechanics",
        where=place(*(batch.where for batch in reversed(latest)), record.loop.backward_where),
        numbers={"since": since, "trained_before": bool(before)},
    )
