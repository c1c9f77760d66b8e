"""Rule lr-too-low."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from steadygrad.record import Finding, Record
from steadygrad.rules.series import (
    constant_guess,
    loss_curve,
    one_goal,
    optimizer_place,
    rate,
    rate_rising,
    type_rate,
    update_ratios,
    windows,
)

RATIO_LOW = 2e-5
"""Of the median weight per update. Healthy small nets have 2e-4 to 1e-1, fine-tuning 1e-4; Adam at
1e-6 has 1e-5."""
RATIO_SLOW = 1e-4
"""Under it a loss that does not move in SLOW_STEPS is the rate's fault as well."""
SPREAD = 10.0
"""The fastest weight by the bound. Where the last layer learns and the first ones don't, the
gradient vanishes: another fault."""
RATIO_WANTED = 1e-3
MIN_STEPS, SLOW_STEPS = 40, 200
MIN_WATCHED = 5
MOVED, MOVED_SLOW = 0.7, 0.98
"""Of the loss over the run: fallen below, it does learn."""
LEARNED = 0.5
"""Of the loss of guessing: below, the net knew its task before (the end of a fine-tuning)."""


def lr_too_low(record: Record) -> Iterator[Finding]:
    """The steps are too small to get anywhere.

    Severity: warning

    What
        For at least 40 steps no update changed the median weight by more than 2e-5 of its size, or
        for 200 steps by more than 1e-4, all layers alike, and the loss hardly moved though there
        are gradients. The largest rate of the run counts, and a warm-up is waited for.
    Why
        At 1e-5 per update a weight takes 100,000 updates to change by its own size.
    Fix
        The rate that the finding computes: updates of about a thousandth of the weights. A rate
        from a paper belongs to its optimizer: Adam's usual 1e-3 is far too low for plain SGD.
    Source
        Stanford CS231n notes, part 3: the ratio of updates to weights should be around 1e-3.
    """
    ratios = update_ratios(record)
    if len(ratios) < MIN_WATCHED or not one_goal(record) or rate_rising(record):
        return
    ratio = max(windows([middle for _, middle, _ in ratios], MIN_WATCHED))
    largest = max(windows([top for _, _, top in ratios], MIN_WATCHED))
    steps = len(record.steps)
    lowest = ratio < RATIO_LOW and steps >= MIN_STEPS
    slow = ratio < RATIO_SLOW and steps >= SLOW_STEPS
    bound = SPREAD * (RATIO_LOW if lowest else RATIO_SLOW)
    if not (lowest or slow) or largest > bound or _moved(record, MOVED if lowest else MOVED_SLOW):
        return
    lr = rate(record)
    wanted = lr * RATIO_WANTED / ratio if ratio > 0 else 1e-3
    yield Finding(
        rule="lr-too-low",
        severity="warning",
        step=record.steps[-1].step,
        saw=f"In {steps} steps no update changed the median weight by more than {ratio:.1e} of its "
        f"size, and the loss stays at {record.steps[-1].loss:.3g}. The learning rate is {lr:.3g}.",
        expected="Updates of 1e-4 to 3e-2 of the weights, and a loss that falls.",
        fix=f"Use {type_rate(record, wanted)}.",
        source="CS231n, neural networks part 3",
        where=optimizer_place(record),
        numbers={"lr": lr, "update_ratio": ratio, "suggested_lr": wanted, "steps": steps},
    )


def _moved(record: Record, share: float) -> bool:
    """Whether the loss fell, was low from the start, or is unknown."""
    losses = [loss for _, loss in loss_curve(record)]
    if len(losses) < MIN_STEPS:
        return True
    width = len(losses) // 4
    first, last = median(losses[:width]), median(losses[-width:])
    guess = constant_guess(record)
    return last < share * first or (guess is not None and last < LEARNED * guess)
