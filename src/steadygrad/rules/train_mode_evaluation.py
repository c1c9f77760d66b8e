"""Rule train-mode-evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Batch, Finding, Record
from steadygrad.rules.graph import LOSSES, graphs
from steadygrad.rules.heads import place
from steadygrad.rules.loops import mode_matters, repeats_inputs

MIN_RUNS = 2
"""Evaluations: a single one before the first epoch may be a look at the start."""
SHARE = 0.5
"""Of the evaluation batches seen."""
SCORES = LOSSES | {"argmax", "eq", "topk"}
"""What is made of outputs that are evaluated."""


def train_mode_evaluation(record: Record) -> Iterator[Finding]:
    """The model is evaluated in training mode.

    Severity: error

    What
        Two evaluations or more (or the only one of a script that ended) ran with `model.training`
        True and batch norms or dropout at work. Left alone: pictures a generator draws, passes
        that only renew the statistics of norms, the same batch several times (Monte Carlo dropout),
        a look at the batch that was just trained on, and models the mode does not matter to.
    Why
        Dropout makes scores random and too low; batch norms score each picture by its neighbours in
        the batch, and take the evaluation pictures into their running statistics.
    Fix
        `model.eval()` before the evaluation, `model.train()` after it.
    Source
        PyTorch notes, Autograd mechanics: evaluation mode.
    """
    loop = record.loop
    batches = _seen(record)
    at_work = [batch for batch in batches if batch.training and _works(batch)]
    runs, training = loop.evaluation_runs, loop.evaluation_runs_training
    if at_work and loop.finished and _is_scored(record):
        training = max(training, 1)  # picture by picture: the monitor saw no scores
    needed = 1 if loop.finished else MIN_RUNS
    if training < needed or not mode_matters(record) or repeats_inputs(batches):
        return
    evaluated = any(batch.kind == "evaluation" for batch in record.batches)
    if evaluated and len(at_work) <= SHARE * len(batches):
        return
    modes = (at_work or record.batches or [Batch(0)])[-1].modes
    yield Finding(
        rule="train-mode-evaluation",
        severity="error",
        step=loop.step,
        saw=f"{training} of {runs} evaluations ran in training mode"
        + (
            f", with {modes.get('norms_training', 0)} norms and "
            f"{modes.get('dropouts_training', 0)} dropouts at work."
            if modes
            else "."
        ),
        expected="`model.training` is False while the model is evaluated.",
        fix="Call `model.eval()` before the evaluation and `model.train()` after it.",
        source="PyTorch notes, Autograd mechanics",
        where=place(loop.evaluation_where, *(batch.where for batch in at_work)),
        numbers={"evaluation_runs": runs, "in_training_mode": training},
    )


def _seen(record: Record) -> list[Batch]:
    """Evaluation batches, without those that are trained on just then."""
    trained = {b.fingerprint for b in record.batches if b.kind == "train" and b.fingerprint}
    return [
        batch
        for batch in record.batches
        if batch.kind == "evaluation" and batch.fingerprint not in trained
    ]


def _is_scored(record: Record) -> bool:
    """Whether outputs of an evaluation become classes or losses."""
    return any(
        operation.name in SCORES
        for graph in graphs(record, "evaluation")
        for operation in graph.operations
    )


def _works(batch: Batch) -> bool:
    modes = batch.modes
    return bool(modes.get("norms_training") or modes.get("dropouts_training"))
