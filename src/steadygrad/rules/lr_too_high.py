"""Rule lr-too-high."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from steadygrad.record import Finding, Record
from steadygrad.rules.series import (
    constant_guess,
    decay_shares,
    loss_curve,
    one_goal,
    optimizer_place,
    rate,
    type_rate,
    update_ratios,
    windows,
)

RATIO_WINDOW = 5
"""Watched updates in a row: Adam's very first one is large in healthy runs."""
RATIO_HIGH = 0.1
"""Of the median weight per update. Healthy nets have 1e-4 to 1e-1 (SGD 0.1 with momentum on batch
norm, Adam 1e-2), sick ones 0.1 to 50: decisive only together with what the loss does."""
PEAK_SHARE = 0.25
"""Of the largest single update, where that is more than its neighbours: one blow can kill every
unit, and the updates after it are nothing. Adam's and RMSprop's first is healthy at 0.1 to 0.4."""
BLOW = 1.0
"""A single update as large as the weights themselves: then a rise of the loss is no noise."""
RATIO_SUSPECT = 0.05
RATIO_LARGE = 0.02
"""Under this no jump of the loss is the rate's fault: it is noise, or the data."""
RATIO_WANTED = 0.01
CERTAIN_STEPS = 100
"""Steps at the loss of the start after which large updates are taken to be the reason."""
JUMP = 3.0
"""Times the first loss. Healthy runs with 8 pictures a batch reach 1.7."""
RISE = 1.5
BIRTH = 20
"""Steps in which a net is ruined: it looks normal afterwards."""
FLAT = 0.97
FLAT_STEPS, FLAT_STEPS_SUSPECT = 30, 100
FELL = 0.85
"""Of the first loss: it had begun to learn."""
WIDTH = 15
"""Steps of a median of the loss."""
DECAY_SHARE = 0.5
"""Over it the updates are weight decay's: another fault."""


@dataclass
class _Story:
    """What convinced the rule."""

    severity: str
    step: int
    saw: str


def lr_too_high(record: Record) -> Iterator[Finding]:
    """The steps are too large: the loss jumps, or the weights are thrown about.

    Severity: error or warning

    What
        The record of the birth tells it: in the first 20 steps the loss goes to over 3 times its
        start, or stays over 1.5 times, while the median weight changes by over 10 % per update
        (1.5 times are enough where one update was larger than the weights themselves); or
        it does so and the loss then stays at its start; or the loss had fallen and goes back to
        where it came from for good. Runs with several losses or optimizers are left out.
    Why
        Each update overshoots. Weights grow until units die or saturate, and from there no gradient
        leads back.
    Fix
        A tenth of the rate, or what the finding computes from the measured ratio: updates of about
        1 % of the weights at the start. A warm-up helps where large rates are wanted later.
    Source
        Stanford CS231n notes, part 3 (ratio of updates to weights); Bengio, Practical
        recommendations (2012), section 3.1.1.
    """
    curve = loss_curve(record)
    ratios = [ratio for _, ratio, _ in update_ratios(record)]
    if not one_goal(record) or len(curve) < 2 or not ratios or _is_decay(record):
        return
    peak = max(ratios)
    ratio = max(PEAK_SHARE * peak, *windows(ratios, RATIO_WINDOW), 0.0)
    start = max(curve[0][1], constant_guess(record) or 0.0)
    jump = RISE if peak > BLOW else JUMP
    story = _story(curve, ratio, start, jump) if start > 0 else None
    if story is None:
        return
    lr = rate(record)
    wanted = min(lr / 10, _wanted(record))
    worst = max(ratio, peak)
    yield Finding(
        rule="lr-too-high",
        severity="error" if story.severity == "error" else "warning",
        step=story.step,
        saw=f"{story.saw} With the learning rate {lr:.3g} the median weight changes by "
        f"{worst:.2g} of its size in the largest "
        "update.",
        expected="A loss that falls from its start, and updates of 0.1 to 3 % of the weights.",
        fix=f"Use {type_rate(record, wanted)}.",
        source="CS231n, neural networks part 3",
        where=optimizer_place(record),
        numbers={"lr": lr, "update_ratio": worst, "start_loss": start, "suggested_lr": wanted},
    )


def _story(
    curve: list[tuple[int, float]], ratio: float, start: float, jump: float
) -> _Story | None:
    losses = [loss for _, loss in curve]
    birth = losses[1 : 1 + BIRTH]
    recovered = len(losses) > 2 * BIRTH and median(losses[-WIDTH:]) < FELL * start
    severity = "warning" if recovered else "error"
    if max(birth) > jump * start and ratio > RATIO_HIGH:
        step = next(step for step, loss in curve[1:] if loss > jump * start)
        saw = f"The loss went from {losses[0]:.3g} to {max(birth):.3g} within {len(birth)} steps."
        return _Story(severity, step, saw)
    if len(birth) >= BIRTH // 2 and median(birth) > RISE * start and ratio > RATIO_HIGH:
        saw = f"The loss rose from {losses[0]:.3g} and stays around {median(birth):.3g}."
        return _Story(severity, curve[min(BIRTH, len(curve) - 1)][0], saw)
    return _late(curve, ratio, start)


def _late(curve: list[tuple[int, float]], ratio: float, start: float) -> _Story | None:
    """Flat at the start's loss, back at it, or far over it."""
    losses = [loss for _, loss in curve]
    smooth = windows(losses, WIDTH)
    if len(losses) < FLAT_STEPS or ratio < RATIO_LARGE:
        return None
    step, now = curve[-1][0], median(losses[-2 * WIDTH :])
    if max(smooth[: -WIDTH or None]) > JUMP * start and ratio > RATIO_SUSPECT:
        return _Story("error", step, f"The loss went from {losses[0]:.3g} to {max(smooth):.3g}.")
    if now < FLAT * start:
        return None
    if len(losses) > 4 * WIDTH and min(smooth[: -2 * WIDTH]) < FELL * start:
        saw = f"The loss had fallen to {min(smooth):.3g} and is back at {now:.3g} for good."
        return _Story("error", step, saw)
    saw = f"After {len(losses)} steps the loss is {now:.3g}, where it began ({losses[0]:.3g})."
    if ratio > RATIO_HIGH:
        # A fresh head on a frozen backbone looks so for a while.
        return _Story("error" if len(losses) >= CERTAIN_STEPS else "warning", step, saw)
    if ratio > RATIO_SUSPECT and len(losses) >= FLAT_STEPS_SUSPECT:
        return _Story("warning", step, saw)
    return None


def _wanted(record: Record) -> float:
    """The rate at which the first update would have changed the weights by RATIO_WANTED."""
    step, ratio, _ = update_ratios(record)[0]
    used = next((line.lr for line in record.steps if line.step > step), rate(record))
    return used * RATIO_WANTED / ratio if ratio > 0 and used > 0 else rate(record)


def _is_decay(record: Record) -> bool:
    shares = [share for _, share in decay_shares(record)[:BIRTH]]
    return bool(shares) and median(shares) > DECAY_SHARE
