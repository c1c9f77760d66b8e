"""Rule underfitting."""

from __future__ import annotations

import math
from collections.abc import Iterator

from steadygrad.record import Epoch, Finding, Record
from steadygrad.rules.batches import entropy, foreign, label_counts, labelled
from steadygrad.rules.reading import guess_loss, smooth
from steadygrad.rules.series import optimizer_place

MIN_EPOCHS = 12
HIGH = 0.6
"""Share of the guessing loss at which both curves stall. Ordinary sets end under 0.4."""
LEARNED = 0.97
"""Above it nothing is learned at all: that is the rule not-learning."""
STALLED = 0.98
"""Loss now over the loss a third of the run ago."""
GAP = 1.2
"""Validation over training loss: a wider gap is no lack of capacity."""


def underfitting(record: Record) -> Iterator[Finding]:
    """Training and validation loss both stall high.

    Severity: note

    What
        Over the last third of at least 12 epochs both losses improved by under 2 %, both still
        above 0.6 of what guessing gives, and close together.
    Why
        The network can't express more, or is held back: too small, too strongly regularised, or the
        rate has shrunk too early.
    Fix
        More capacity: deeper first (`--depth`), then wider (`--width`); more epochs at a useful
        rate; less augmentation, dropout and weight decay; larger pictures (`--image-size`). The
        same holds for a network of your own: add layers, then channels.
    Source
        Goodfellow, Bengio, Courville, Deep Learning (2016), section 5.2.
    """
    guess = guess_loss(record) or entropy(label_counts(labelled(record)).values())
    scored = [e for e in record.epochs if e.val_loss is not None and math.isfinite(e.val_loss)]
    if not guess or len(scored) < MIN_EPOCHS:
        return
    train = smooth([e.train_loss for e in scored])
    val = smooth([e.val_loss or 0.0 for e in scored])
    before = len(scored) - 1 - len(scored) // 3
    stalled = all(c[-1] >= STALLED * c[before] for c in (train, val))
    high = all(HIGH * guess <= c[-1] < LEARNED * guess for c in (train, val))
    if not (stalled and high and val[-1] <= GAP * train[-1]):
        return
    yield Finding(
        rule="underfitting",
        severity="note",
        step=scored[-1].step,
        saw=f"Training loss {train[-1]:.3g} and validation loss {val[-1]:.3g} have hardly moved "
        f"since {_when(record, scored[before])}; guessing gives {guess:.3g}.",
        expected=f"A training loss well under {HIGH * guess:.3g}, or still falling.",
        fix="Add layers, then channels; train longer at a useful rate; less dropout, weight decay "
        "and augmentation."
        if foreign(record)
        else "Try a deeper network (`--depth`), then a wider one (`--width`), more epochs, less "
        "regularisation, or larger pictures (`--image-size`).",
        source="Goodfellow et al. 2016, section 5.2",
        where=optimizer_place(record),
        numbers={"train_loss": train[-1], "val_loss": val[-1], "guess_loss": guess},
    )


def _when(record: Record, epoch: Epoch) -> str:
    return f"step {epoch.step}" if foreign(record) else f"epoch {epoch.epoch + 1}"
