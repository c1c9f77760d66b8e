"""Rule norm-gap."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from steadygrad.record import Finding, Operation, Record
from steadygrad.rules.graph import graphs, signals
from steadygrad.rules.reading import listed
from steadygrad.rules.series import loss_signals, one_goal

MEAN_GAP = 0.5
"""RMS of batch mean - running mean, in running standard deviations. Healthy nets have 0.05 to 0.2
after 50 updates (0.6 within the first ten), a momentum of 1e-4 leaves 1."""
MEAN_GAP_SEEN = 0.3
"""Enough where evaluation shows it as well."""
MEAN_GAP_UNUSED = 1.0
"""With an ordinary momentum, where nothing was evaluated yet: batches that truly differ from each
other (one shift for all pictures of a batch, say) reach 0.6."""
ORDINARY = 0.05
NOISE = 3.0
"""Times what chance gives a batch mean of so few values."""
VARIANCE_RATIO = 4.0
"""Either way. Healthy: 0.9 to 1.15."""
MIN_UPDATES = 50
CATCH_UP = 3.0
"""Over the momentum: the running statistics have forgotten 95 % of where they began."""
SLOW = 0.005
"""A momentum so low that few runs are long enough: it is enough that an evaluation came before the
running statistics did."""
BIRTH = 5
FAST, FAST_VALUES = 0.9, 2048
"""A momentum with which the running statistics are those of the last batch, as good as they are
with so many values. (Keras' 0.99 is torch's 0.01.)"""
SUSTAINED = 2
"""Watched steps: a small net's run has few after the first ten."""
RECENT = 8
WORSE = 2.0
"""Evaluation loss by training loss."""


@dataclass
class _Norm:
    operation: Operation
    gap: float
    variance_ratio: float
    values: float
    step: int

    @property
    def momentum(self) -> float | None:
        value = self.operation.attributes.get("momentum")
        return None if value is None else float(value)


def norm_gap(record: Record) -> Iterator[Finding]:
    """Batch norm normalises differently in training and in evaluation.

    Severity: warning

    What
        After 50 updates (or the 3 / momentum that running statistics need) the batches' means still
        lie over half a standard deviation from the running ones (a whole one where the momentum is
        ordinary and nothing was evaluated yet), or the variances differ four-fold. Or the momentum
        is 0.9 and more with few values per channel, which makes the last batch the running
        statistics.
    Why
        Evaluation normalises by the running statistics. Where those are not what training sees, the
        layers behind get inputs they were not trained on, and accuracy drops for no visible reason.
    Fix
        `momentum=0.1` (torch's is the share of the NEW batch: Keras' 0.99 is 0.01 here), more
        updates, or `torch.optim.swa_utils.update_bn(loader, model)` before evaluating.
    Source
        Ioffe and Szegedy, Batch Normalization (2015); torch.nn.BatchNorm2d, note on momentum.
    """
    if not one_goal(record):
        return
    norms = _norms(record)
    seen = _evaluates_worse(record)
    fast = [norm for norm in norms if _is_fast(norm)]
    least = MEAN_GAP_SEEN if seen else MEAN_GAP
    used = seen or _evaluated(record)
    apart = fast or [norm for norm in norms if _is_apart(norm, least, used)]
    if not apart:
        return
    worst = max(apart, key=lambda norm: norm.gap)
    names = [norm.operation.layer for norm in apart]
    yield Finding(
        rule="norm-gap",
        severity="warning",
        step=worst.step,
        saw=_fast_text(worst) if fast else _gap_text(worst, seen) + f" Affected: {listed(names)}.",
        expected="Means within 0.2 standard deviations of the running ones, variances within 30 %.",
        fix="Use `momentum=0.1` where the norm is made (it is the share of the new batch), or "
        "`torch.optim.swa_utils.update_bn(loader, model)` before evaluating.",
        source="torch.nn.BatchNorm2d",
        where=worst.operation.built or worst.operation.where,
        numbers={
            "running_mean_gap": worst.gap,
            "running_var_ratio": worst.variance_ratio,
            "momentum": worst.momentum,
            "layers": names,
        },
    )


def _norms(record: Record) -> list[_Norm]:
    operations = {
        operation.layer: operation
        for graph in graphs(record)
        for operation in graph.operations
        if operation.name == "batch_norm" and operation.attributes.get("training")
    }
    found: list[_Norm] = []
    for layer, operation in operations.items():
        momentum = operation.attributes.get("momentum") or 0.0
        wait = max(MIN_UPDATES, CATCH_UP / momentum if momentum >= SLOW else 0.0)
        if momentum >= FAST:
            wait = BIRTH
        if 0 < momentum < SLOW and MIN_UPDATES <= record.loop.step < 1 / momentum:
            wait = BIRTH if _evaluated(record) else wait
        lines = [
            line
            for line in signals(record, layer)
            if "running_mean_gap" in line.values and line.step >= wait
        ]
        if len(lines) >= SUSTAINED:
            recent = [line.values for line in lines[-RECENT:]]
            found.append(
                _Norm(
                    operation,
                    median(values["running_mean_gap"] for values in recent),
                    median(values.get("running_var_ratio", 1.0) for values in recent),
                    median(values.get("values_per_channel", 1024.0) for values in recent),
                    lines[-1].step,
                )
            )
    return found


def _evaluated(record: Record) -> bool:
    passes = (batch for batch in record.batches if batch.kind == "evaluation")
    return any(not batch.training for batch in passes) or any(
        epoch.val_loss is not None for epoch in record.epochs
    )


def _is_apart(norm: _Norm, least: float, used: bool) -> bool:
    if not used and (norm.momentum or 0.0) >= ORDINARY:
        least = MEAN_GAP_UNUSED
    bound = max(least, NOISE / math.sqrt(max(1.0, norm.values)))
    ratio = norm.variance_ratio
    return norm.gap > bound or not 1 / VARIANCE_RATIO < ratio < VARIANCE_RATIO


def _is_fast(norm: _Norm) -> bool:
    return norm.momentum is not None and norm.momentum >= FAST and norm.values < FAST_VALUES


def _evaluates_worse(record: Record) -> bool:
    """Whether evaluation batches, or held-out pictures, score far worse than training."""
    epochs = [epoch for epoch in record.epochs if epoch.val_loss is not None]
    if epochs:
        return (epochs[-1].val_loss or 0.0) > WORSE * epochs[-1].train_loss > 0
    train = [line.values["value"] for line in loss_signals(record) if "value" in line.values]
    evaluated = [
        line.values["value"]
        for line in record.signals
        if line.kind == "evaluation" and "value" in line.values
    ]
    if not train or not evaluated:
        return False
    return median(evaluated[-RECENT:]) > WORSE * median(train[-RECENT:]) > 0


def _gap_text(norm: _Norm, seen: bool) -> str:
    text = (
        f"After {norm.step} updates the batch means of {norm.operation.layer} lie {norm.gap:.2g} "
        f"standard deviations from the running ones, variances are {norm.variance_ratio:.2g} times "
        "those"
    )
    text += f" (momentum {norm.momentum:g})." if norm.momentum is not None else "."
    return text + (" The evaluation loss is over twice that of training." if seen else "")


def _fast_text(norm: _Norm) -> str:
    return (
        f"With momentum={norm.momentum:g} the running statistics of {norm.operation.layer} are "
        f"those of the last batch: {norm.values:.0f} values per channel."
    )
