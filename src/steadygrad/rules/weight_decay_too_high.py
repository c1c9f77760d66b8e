"""Rule weight-decay-too-high."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from steadygrad.record import Finding, Record
from steadygrad.rules.series import (
    by_step,
    decay_shares,
    loss_curve,
    one_goal,
    optimizer_place,
    start_loss,
    weights,
)

SHARE = 0.3
"""Decay's part of the update by the gradient's, in the median weight. Healthy runs have 1e-3 to
0.04, sick ones 0.5 to 10 from the first update on."""
SHRUNK = 0.6
"""Of the first RMS of the median weight. Healthy weights grow or stay."""
SHRINKING = 0.9
"""Of it at the last watched update: what the steps since then have left is worked out from that."""
FIRST_STEP = 5
"""Zero-initialised heads and branches have no gradient before."""
MIN_WATCHED = 5
LEARNING = 0.75
"""Of the first loss: below, the decay does not keep the net from learning."""
SANE_DECAY = 5e-4
SANE_DECAY_DECOUPLED = 1e-2


def weight_decay_too_high(record: Record) -> Iterator[Finding]:
    """The decay pulls the weights to zero faster than the loss moves them.

    Severity: warning

    What
        Weight decay's part of the update is over 0.3 of the gradient's in the median weight, the
        weights have lost 40 % of their size, and the loss is still over three quarters of its
        start.
    Why
        The loss can only hold on to what the decay leaves. Once the weights are small, so is every
        gradient behind them, and the net outputs its last bias for everything.
    Fix
        `weight_decay=5e-4` for SGD and Adam, `0.01` to `0.05` for AdamW; none on norms and biases.
    Source
        Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019); CS231n notes, part 2.
    """
    shares = [(step, share) for step, share in decay_shares(record) if step >= FIRST_STEP]
    start, curve = start_loss(record), loss_curve(record)
    if len(shares) < MIN_WATCHED or not start or not one_goal(record):
        return
    share = median(share for _, share in shares)
    size = _size_left(record, shares[-1][0])
    now = median(loss for _, loss in curve[-10:])
    if share < SHARE or size > SHRUNK or now < LEARNING * start:
        return
    decay, sane = _decay(record)
    yield Finding(
        rule="weight-decay-too-high",
        severity="warning",
        step=shares[-1][0],
        saw=f"With weight_decay={decay:.3g} the decay's part of an update is {share:.2g} times the "
        f"gradient's; the median weight has shrunk to {100 * size:.2g} % of its size at the start "
        f"while the loss is {now:.3g} (it began at {start:.3g}).",
        expected="A share under 0.05 in the first epochs, and weights that grow or stay.",
        fix=f"Use `weight_decay={sane:g}` where the optimizer is made.",
        source="Loshchilov and Hutter 2019",
        where=optimizer_place(record),
        numbers={"decay_ratio": share, "size_left": size, "weight_decay": decay},
    )


def _size_left(record: Record, watched: int) -> float:
    """RMS of now by that of the first update, of the median weight; `watched` is the last step."""
    names = {parameter.name for parameter in weights(record)}
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for lines in by_step(record).values():
        for name, line in lines.items():
            if name in names and "rms" in line.values:
                first.setdefault(name, line.values["rms"])
                last[name] = line.values["rms"]
    left = median([last[name] / first[name] for name in first if first[name] > 0] or [1.0])
    since = record.loop.step / watched
    return left**since if left < SHRINKING and since > 1 else left


def _decay(record: Record) -> tuple[float, float]:
    """(largest weight decay of the first optimizer, one to use in its place)."""
    for optimizer in record.loop.optimizers[:1]:
        used = [float(group.get("weight_decay") or 0.0) for group in optimizer.groups]
        sane = SANE_DECAY_DECOUPLED if optimizer.decoupled_decay else SANE_DECAY
        return max(used, default=0.0), sane
    return 0.0, SANE_DECAY
