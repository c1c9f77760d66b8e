"""Rule non-finite."""

from __future__ import annotations

import math
from collections.abc import Iterator

from steadygrad.record import Finding, Record


def non_finite(record: Record) -> Iterator[Finding]:
    """A loss is NaN or infinite.

    Severity: error

    What
        The first loss that is no number: before training, at a step, or over the held-out pictures.
        Infinite gradients alone are not reported: mixed precision skips such steps on purpose.
    Why
        One NaN update makes every weight NaN. Nothing after it can be used.
    Fix
        Lower the rate (`--lr` at a tenth), clip gradients (`--clip-norm 1`), use `--precision
        fp32`; look for NaN in the data and for logarithms or divisions in your own loss.
    Source
        IEEE 754: NaN is the result of every operation it enters.
    """
    initial = record.facts.initial.get("loss")
    if initial is not None and not math.isfinite(float(initial)):
        yield _finding(record, 0, f"The loss is {initial} before the first step.")
        return
    for line in record.steps:
        if not math.isfinite(line.loss):
            yield _finding(record, line.step, f"The loss is {line.loss} at step {line.step}")
            return
    for epoch in record.epochs:
        if epoch.val_loss is not None and not math.isfinite(epoch.val_loss):
            text = f"The validation loss is {epoch.val_loss} after epoch {epoch.epoch + 1}"
            yield _finding(record, epoch.step, text)
            return


def _finding(record: Record, step: int, saw: str) -> Finding:
    before = [line for line in record.steps if line.step < step and math.isfinite(line.loss)]
    after = [line for line in record.steps if line.step >= step]
    lr = after[0].lr if after else (before[-1].lr if before else None)
    numbers: dict[str, object] = {"lr": lr}
    if before:
        numbers["last_finite_loss"] = before[-1].loss
        saw += f"; the step before it had {before[-1].loss:.4g}"
    if lr is not None and step:
        saw += f". The learning rate was {lr:.3g}"
    return Finding(
        rule="non-finite",
        severity="error",
        step=step,
        saw=saw.rstrip(".") + ".",
        expected="A finite loss at every step.",
        fix="Train with a tenth of the rate (`--lr`), or `--clip-norm 1`, or `--precision fp32`; "
        "if it is NaN from the start, look for NaN in the inputs.",
        source="the recorded losses",
        numbers=numbers,
    )
