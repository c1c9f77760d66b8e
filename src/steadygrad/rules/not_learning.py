"""Rule not-learning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from steadygrad.record import Finding, Record
from steadygrad.rules.reading import guess_loss, majority_share

FLAT = 0.97
"""Share of the guessing loss. Healthy runs with mixup and label smoothing 0.2 end under 0.9."""
MIN_STEPS = 100
MIN_EPOCHS = 3
"""Early on every run is flat: a net of 20 layers may take an epoch to move."""
WINDOW_FRACTION = 0.1
BETTER_THAN_GUESSING = 1.2
"""Validation accuracy over that of guessing; above it the network has learned something."""


def not_learning(record: Record) -> Iterator[Finding]:
    """The loss stays at what guessing gives.

    Severity: error

    What
        After at least 100 steps and 3 epochs the median loss of the last tenth of the steps is at
        or above 0.97 of the best constant guess (the entropy of the class shares, ln C where they
        are equal), and held-out pictures are not told apart either.
    Why
        The gradient carries nothing to the weights: a rate far too high or too low, dead or frozen
        units, labels that don't belong to the pictures.
    Fix
        First see whether it can learn 20 pictures by heart. If it can't, change the rate by tens
        (`--lr`), then the initialisation (`--init auto`) and the norm (`--norm batch`). If it can,
        look at the labels.
    Source
        Stanford CS231n notes, part 3: overfit a tiny subset before training.
    """
    guess = guess_loss(record)
    losses = [line.loss for line in record.steps if math.isfinite(line.loss)]
    if guess is None or not _long_enough(record) or len(losses) < MIN_STEPS:
        return
    width = max(20, round(WINDOW_FRACTION * len(losses)))
    last = median(losses[-width:])
    accuracies = [e.val_accuracy for e in record.epochs if e.val_accuracy is not None]
    chance = majority_share(record)
    learned = bool(accuracies) and max(accuracies) > min(
        BETTER_THAN_GUESSING * chance, (1 + chance) / 2
    )
    if last < FLAT * guess or learned:
        return
    lowest = min(median(losses[i : i + width]) for i in range(0, len(losses) - width + 1, width))
    story = f" It had been down to {lowest:.3g} and rose again." if lowest < 0.9 * guess else ""
    yield Finding(
        rule="not-learning",
        severity="error",
        step=record.steps[-1].step,
        saw=f"The median loss of the last {width} of {len(losses)} steps is {last:.4g}; guessing "
        f"gives {guess:.4g}.{story}",
        expected=f"Under {FLAT * guess:.3g} after a few epochs, and falling.",
        fix="Change the rate tenfold either way (`--lr`), use `--init auto` and `--norm batch`; "
        "check that 20 pictures can be learned by heart, and that labels fit their pictures.",
        source="CS231n, neural networks part 3",
        numbers={"loss": last, "guess_loss": guess, "lowest": lowest, "steps": len(losses)},
    )


def _long_enough(record: Record) -> bool:
    if not record.steps:
        return False
    return record.steps[-1].epoch + 1 >= MIN_EPOCHS or len(record.epochs) >= MIN_EPOCHS
