"""Rule overfitting."""

from __future__ import annotations

import math
from collections.abc import Iterator

from steadygrad.record import Epoch, Finding, Record
from steadygrad.rules.batches import foreign
from steadygrad.rules.reading import smooth
from steadygrad.rules.series import optimizer_place

MIN_EPOCHS = 8
SINCE_BEST = 4
"""Epochs after the best one: a shorter rise is noise or a schedule's bump."""
RISE = 1.25
"""Validation loss over its own best, both smoothed over 3 epochs."""
FALL = 0.8
"""Training loss over its value at that best epoch."""
ACCURACY_GAIN = 0.005
"""A validation accuracy that grows by more since then says the run was worth going on: the loss of
a net that grows confident rises while its answers improve."""

STEEP, STEEP_GAIN = 1.5, 0.03
"""Where the loss rose that much, a hundredth more right answers does not make up for it."""


def overfitting(record: Record) -> Iterator[Finding]:
    """Training goes on improving while validation gets worse.

    Severity: warning

    What
        At least 4 epochs (in a watched script: evaluations) ago the validation loss was at its
        best; since then it rose by over 25 %, the training loss fell by over 20 %, and validation
        accuracy gained nothing.
    Why
        The network learns the training pictures by heart instead of what they have in common.
    Fix
        Keep the best epoch (Steadygrad does) and stop there (`--patience 5`). To get further: more
        pictures, stronger augmentation (`--trivial 1`, `--mixup 0.2`), `--dropout 0.2`, more
        `--weight-decay`, a smaller network (`--width`). In PyTorch: save the state_dict at the best
        validation loss, `nn.Dropout(0.2)` before the head, `AdamW(..., weight_decay=0.05)`, random
        crops and flips for the training pictures.
    Source
        Prechelt, Early Stopping - But When? (1998).
    """
    scored = [e for e in record.epochs if e.val_loss is not None and math.isfinite(e.val_loss)]
    if len(scored) < MIN_EPOCHS or not all(math.isfinite(e.train_loss) for e in scored):
        return
    val = smooth([e.val_loss or 0.0 for e in scored])
    train = smooth([e.train_loss for e in scored])
    best = min(range(len(val)), key=val.__getitem__)
    rose = val[-1] > RISE * val[best] and train[-1] < FALL * train[best]
    if (
        len(val) - 1 - best < SINCE_BEST
        or not rose
        or _still_gaining(scored, best, val[-1] / val[best])
    ):
        return
    yield Finding(
        rule="overfitting",
        severity="warning",
        step=scored[-1].step,
        saw=f"Since {_when(record, scored[best])} the validation loss went from {val[best]:.3g} "
        f"to {val[-1]:.3g} while the training loss went from {train[best]:.3g} to "
        f"{train[-1]:.3g}.",
        expected="Both fall together, or validation levels off.",
        fix="Keep the weights of the best evaluation and stop there; add random crops and flips, "
        "nn.Dropout(0.2), weight_decay in the optimizer, or data."
        if foreign(record)
        else "Stop at the best epoch (`--patience 5`), or add augmentation (`--trivial 1`), "
        "`--dropout 0.2`, `--weight-decay`, or pictures.",
        source="Prechelt 1998",
        where=optimizer_place(record),
        numbers={
            "best_epoch": scored[best].epoch,
            "best_val_loss": val[best],
            "val_loss": val[-1],
            "train_loss": train[-1],
        },
    )


def _when(record: Record, epoch: Epoch) -> str:
    return f"step {epoch.step}" if foreign(record) else f"epoch {epoch.epoch + 1}"


def _still_gaining(scored: list[Epoch], best: int, rise: float) -> bool:
    accuracies = [e.val_accuracy for e in scored]
    known = [a for a in accuracies if a is not None]
    if len(known) < len(scored):
        return False
    smoothed = smooth(known)
    worth = ACCURACY_GAIN if rise < STEEP else STEEP_GAIN
    return smoothed[-1] > smoothed[best] + worth
