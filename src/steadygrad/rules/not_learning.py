"""Rule not-learning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from steadygrad.record import OUTSIDE, Finding, Record, Where
from steadygrad.rules.graph import graphs, learned, losses, source
from steadygrad.rules.reading import majority_share
from steadygrad.rules.series import (
    constant_guess,
    label_majority,
    loss_curve,
    loss_signals,
    num_outputs,
    one_goal,
    optimizer_place,
    rate_rising,
)

FLAT = 0.97
"""Share of the guessing loss. Healthy runs with mixup and label smoothing 0.2 end under 0.9."""
FLAT_START = 0.99
"""Share of the first losses, where no guess is known: some tasks have little to be learned."""
MIN_STEPS, LONG_STEPS = 100, 200
MIN_EPOCHS = 3
"""Early on every run is flat: a net of 20 layers may take an epoch to move."""
EXAMPLES_PER_CLASS = 30
"""Seen so far: a thousand classes are not told apart after 200 batches."""
STILL_FALLING = 0.01
"""Of the loss, from the middle third of the steps to the last: it has begun to learn, slowly."""
PATIENCE = 5
"""Times LONG_STEPS, after which even that is too slow."""
WINDOW_FRACTION = 0.1
BETTER_THAN_GUESSING = 1.2
"""Accuracy over that of guessing; above it the network has learned something."""
SCALE_SPREAD = 0.02
"""A loss divided by the accumulation's length, or summed, is the named one times a constant."""
NOISY = 0.5
"""Quartile range of the losses by their median: such a curve proves nothing."""


@dataclass
class _Curve:
    """Losses and what they are compared with."""

    losses: list[float]
    reference: float
    bound: float
    chance: str


def not_learning(record: Record) -> Iterator[Finding]:
    """The loss stays at what guessing gives.

    Severity: error

    What
        After 200 steps (in our own runs, and once a script is over, after 100 and 3 epochs) the
        median loss of the last tenth of the steps is at or above 0.97 of the best constant guess
        (the entropy of the class shares, ln C where they are equal), it is not falling, and
        examples are not told apart either. Where the loss is no cross entropy, it has not come
        below 0.99 of its own start.
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
    curve = _curve(record)
    if curve is None or not _long_enough(record) or len(curve.losses) < MIN_STEPS:
        return
    width = max(20, round(WINDOW_FRACTION * len(curve.losses)))
    last = median(curve.losses[-width:])
    if last < curve.bound * curve.reference or _learned(record) or _falling(curve.losses):
        return
    lowest = min(
        median(curve.losses[i : i + width]) for i in range(0, len(curve.losses) - width + 1, width)
    )
    fell = lowest < 0.9 * curve.reference
    story = f" It had been down to {lowest:.3g} and rose again." if fell else ""
    ours = optimizer_place(record).file is None
    yield Finding(
        rule="not-learning",
        severity="error",
        step=record.steps[-1].step,
        saw=f"The median loss of the last {width} of {len(curve.losses)} steps is {last:.4g}; "
        f"{curve.chance} {curve.reference:.4g}.{story}",
        expected=f"Under {curve.bound * curve.reference:.3g} after a few epochs, and falling.",
        fix=_fix(ours),
        source="CS231n, neural networks part 3",
        where=_place(record),
        numbers={
            "loss": last,
            "guess_loss": curve.reference,
            "lowest": lowest,
            "steps": len(curve.losses),
        },
    )


def _fix(ours: bool) -> str:
    if ours:
        return (
            "Change the rate tenfold either way (`--lr`), use `--init auto` and `--norm batch`; "
            "check that 20 pictures can be learned by heart, and that labels fit their pictures."
        )
    return (
        "Train on 20 examples alone, without augmentation and regularisation. If the loss does not "
        "go to 0, change the rate tenfold either way; if it does, look at the labels of the rest."
    )


def _curve(record: Record) -> _Curve | None:
    """The losses with their reference; None where no curve can prove anything."""
    losses = [loss for _, loss in loss_curve(record)]
    if len(losses) < MIN_STEPS:
        return None
    guess = constant_guess(record)
    if guess is not None and record.facts.classes:
        return _Curve(losses, guess, FLAT, "guessing gives")
    if not one_goal(record) or rate_rising(record):
        return None
    scale = _scale(record)
    if guess is not None and scale is not None:
        return _Curve([loss / scale for loss in losses], guess, FLAT, "guessing gives")
    ordered = sorted(losses)
    middle = ordered[len(ordered) // 2]
    spread = ordered[3 * len(ordered) // 4] - ordered[len(ordered) // 4]
    start = median(losses[:10])
    if start <= 0 or spread > NOISY * middle or not _fixed_targets(record):
        return None
    return _Curve(losses, start, FLAT_START, "it began at")


def _scale(record: Record) -> float | None:
    """The minimised loss by the cross entropy in it; None where that is not one constant."""
    minimised = dict(loss_curve(record))
    found = [
        minimised[line.step + 1] / line.values["value"]
        for line in loss_signals(record)
        if line.step + 1 in minimised and line.values.get("value", 0.0) > 0
    ]
    if not found:
        return None
    middle = median(found)
    near = sum(abs(value - middle) <= SCALE_SPREAD * middle for value in found)
    return middle if middle > 0 and near >= 0.8 * len(found) else None


def _fixed_targets(record: Record) -> bool:
    """Whether a named loss compares with data, rather than with what a network says."""
    for graph in graphs(record):
        named = losses(graph)
        if any(source(graph, graph.operations[index], 1) != OUTSIDE for index in named):
            return False
        if named:
            return True
    return False


def _falling(values: list[float]) -> bool:
    if len(values) > PATIENCE * LONG_STEPS:
        return False
    third = len(values) // 3
    before, now = values[third : 2 * third], values[-third:]
    return median(now) < (1 - STILL_FALLING) * median(before)


def _learned(record: Record) -> bool:
    """Whether held-out or watched training examples are told apart."""
    held_out = [e.val_accuracy for e in record.epochs if e.val_accuracy is not None]
    watched = [
        line.values["accuracy"] for line in loss_signals(record) if "accuracy" in line.values
    ][-10:]
    chance = majority_share(record) or label_majority(record)
    if not chance:
        return False
    bound = min(BETTER_THAN_GUESSING * chance, (1 + chance) / 2)
    if held_out and max(held_out) > bound:
        return True
    bound = min(2 * BETTER_THAN_GUESSING * chance, (1 + chance) / 2)
    return len(watched) > 5 and median(watched) > bound


def _long_enough(record: Record) -> bool:
    if not record.steps:
        return False
    epochs = record.steps[-1].epoch + 1 >= MIN_EPOCHS or len(record.epochs) >= MIN_EPOCHS
    if record.facts.classes or (epochs and record.loop.finished):
        return epochs
    seen = sum(line.num_images for line in record.steps)
    return len(record.steps) >= LONG_STEPS and seen >= EXAMPLES_PER_CLASS * num_outputs(record)


def _place(record: Record) -> Where:
    """The line of the loss."""
    for graph in graphs(record):
        for index in losses(graph) or sorted(learned(graph), reverse=True)[:1]:
            return graph.operations[index].where
    return Where()
