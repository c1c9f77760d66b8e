"""Rule collapsed-output."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from steadygrad.record import Finding, LayerSignals, Record, Where
from steadygrad.rules.graph import graphs
from steadygrad.rules.series import (
    constant_guess,
    label_majority,
    loss_signals,
    one_goal,
    rate,
    runs,
    start_loss,
)

SPREAD = 1e-3
"""RMS of the differences between examples by the RMS of the outputs. Healthy nets have 0.05 to 1 at
every step, collapsed ones 0 to 1e-4."""
SPREAD_OF_VALUES = 1e-4
"""For predicted numbers: years or prices differ little by their own size."""
MAJORITY = 0.99
FIRST_STEP = 5
"""A head that starts at zero answers the same for everything at first."""
SUSTAINED, SUSTAINED_MAJORITY = 5, 7
"""Watched steps on end."""
MAJORITY_STEPS = 100
"""Updates they span: most nets name one class for everything in their first ten, during a warm-up
for longer."""
STUCK = 0.95
"""Of the loss of guessing (or the first): below, the outputs do tell examples apart."""
IMBALANCED = 0.8
"""Where one class has so many examples, naming it always is class-imbalance's."""
TARGET_RANGE = 0.01
"""Of targets, by their size: numbers that hardly differ need answers that hardly differ."""
MIN_BATCH = 4


def collapsed_output(record: Record) -> Iterator[Finding]:
    """The network gives the same answer for everything.

    Severity: error

    What
        What goes into the loss differs between the examples of a batch by less than a thousandth
        of its size in five watched steps on end after the first five updates, though the labels
        differ. Or one class is named for all examples in seven watched steps that span 100 updates,
        while the loss stays at guessing.
    Why
        Nothing of the picture reaches the output: dead or saturated units on the way, weights
        decayed to zero, inputs without variation. What is learned is the last bias.
    Fix
        Look at the first layer whose outputs are equal for all examples; use a tenth of the
        learning rate, no weight decay, `nn.init.kaiming_normal_`, standardised inputs.
    Source
        Karpathy, A Recipe for Training Neural Networks (2019): input-independent baseline.
    """
    lines = [
        line
        for line in loss_signals(record)
        if line.step >= FIRST_STEP and math.isfinite(line.values.get("value", 0.0))
    ]
    if not lines or not one_goal(record) or label_majority(record) > IMBALANCED:
        return
    for layer in dict.fromkeys(line.layer for line in lines):
        story = _collapsed(record, [line for line in lines if line.layer == layer])
        if story is None:
            continue
        step, saw, numbers = story
        yield Finding(
            rule="collapsed-output",
            severity="error",
            step=step,
            saw=saw,
            expected="Outputs that differ between examples by 5 to 100 % of their size.",
            fix="Find the first layer with equal outputs for all examples (dead, saturated or "
            "decayed units); use a tenth of the learning rate, and standardise the inputs.",
            source="Karpathy 2019",
            where=_place(record, layer),
            numbers=numbers,
        )
        return


def _collapsed(
    record: Record, lines: list[LayerSignals]
) -> tuple[int, str, dict[str, float]] | None:
    classes = any("majority_share" in line.values for line in lines)
    bound = SPREAD if classes else SPREAD_OF_VALUES
    equal = [_targets_differ(record, line) and _spread(line) < bound for line in lines]
    for begin, end in runs(equal):
        if end - begin >= SUSTAINED:
            spread = median(_spread(line) for line in lines[begin:end])
            saw = (
                f"What the loss gets differs between the examples of a batch by {spread:.1e} of "
                f"its size in {end - begin} watched steps on end, though the targets differ."
            )
            return lines[begin + SUSTAINED - 1].step, saw, {"batch_spread": spread}
    one = [
        _targets_differ(record, line) and line.values.get("majority_share", 0.0) >= MAJORITY
        for line in lines
    ]
    for begin, end in runs(one):
        span = lines[end - 1].step - lines[begin].step
        long = end - begin >= SUSTAINED_MAJORITY and span >= MAJORITY_STEPS
        if long and _stuck(record, lines[begin:end]) and not _warming(record, lines[begin].step):
            saw = (
                f"One class is named for all examples of {end - begin} watched batches over {span} "
                f"updates; the commonest label has {100 * label_majority(record):.0f} %."
            )
            return lines[end - 1].step, saw, {"majority_share": 1.0, "updates": float(span)}
    return None


def _spread(line: LayerSignals) -> float:
    return line.values.get("input_batch_spread", 1.0)


def _targets_differ(record: Record, line: LayerSignals) -> bool:
    values = line.values
    sizes = [b.size for b in record.batches if b.step == line.step and b.kind == "train"]
    if sizes and max(sizes) < MIN_BATCH:
        return False
    if "target_min" in values and "target_max" in values:
        size = max(abs(values["target_min"]), abs(values["target_max"]))
        return values["target_max"] - values["target_min"] > TARGET_RANGE * size
    return values.get("target_distinct", 2.0) > 1


def _stuck(record: Record, lines: list[LayerSignals]) -> bool:
    reference = constant_guess(record) or start_loss(record)
    values = [line.values["value"] for line in lines if "value" in line.values]
    return reference is None or not values or median(values) > STUCK * reference


def _warming(record: Record, step: int) -> bool:
    """Whether the rate was still under half of the run's largest at that step."""
    lr = next((line.lr for line in record.steps if line.step > step), 0.0)
    return lr < 0.5 * rate(record)


def _place(record: Record, layer: str) -> Where:
    """The call of the model where it is known: the loss's line is not to blame."""
    for graph in graphs(record):
        for operation in graph.operations:
            if operation.layer == layer:
                return operation.where
    return Where()
