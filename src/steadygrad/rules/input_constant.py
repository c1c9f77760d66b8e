"""Rule input-constant."""

from __future__ import annotations

import math
from collections.abc import Iterator

from steadygrad.record import Finding, Record
from steadygrad.rules.graph import lines
from steadygrad.rules.inputs import Inputs, trained_with

EQUAL = 1e-6
"""Range by size, or spread between examples by RMS: float32 rounding."""
MIN_BATCHES = 2
BLANK = 0.9
"""Share of examples in which nothing varies: all black, or never filled."""
MIN_EXAMPLES = 32
MAX_FEATURES = 4096
"""Of an example: a fingerprint takes 128 numbers, which of long sparse rows may all be zero."""
REPEATED = 5
"""Watched updates in a row with the very same batch."""
RESTARTS = 0.5
"""Iterations begun over a loader per update, from which on each update begins a new one."""


def input_constant(record: Record) -> Iterator[Finding]:
    """Inputs carry no information: all equal, all black, or one batch again and again.

    Severity: error

    What
        In every watched batch of training all numbers are equal, or all examples are, or nine in
        ten examples have no variation; or each update begins a new iteration over the loader and
        gets the very same batch. Full-batch training is healthy.
    Why
        The best answer to equal inputs is one constant. One batch is learned by heart.
    Fix
        Look at `x.min(), x.max(), x.std()` after each step of the preparation: integer division, a
        cast before the scaling, and `buffer[0] = …` in a loop are the usual ones. Take batches by
        `for x, y in loader:`, not by `next(iter(loader))`.
    Source
        the batches themselves.
    """
    for inputs in trained_with(record):
        saw = _constant(inputs) or _repeated(record, inputs)
        if saw:
            yield _finding(inputs, saw)
            return


def _constant(inputs: Inputs) -> str:
    batches = [batch for batch in inputs.batches if math.isfinite(batch.inputs["std"])]
    if len(batches) < MIN_BATCHES:
        return ""
    count = len(batches)
    ranges = [batch.inputs["max"] - batch.inputs["min"] for batch in batches]
    sizes = [max(abs(batch.inputs["max"]), abs(batch.inputs["min"]), EQUAL) for batch in batches]
    if all(width <= EQUAL * size for width, size in zip(ranges, sizes)):
        value = batches[0].inputs["max"]
        return f"all numbers of all {count} watched batches are {value:.4g}"
    spreads = [batch.inputs.get("batch_spread", 1.0) for batch in batches if batch.size > 1]
    if len(spreads) == count and max(spreads) <= EQUAL:
        return f"all examples are equal within each of {count} watched batches"
    examples = [code for batch in batches for code in batch.examples]
    blank = examples.count(0)
    features = math.prod(batches[0].shape[1:])
    many = len(examples) >= MIN_EXAMPLES and 1 < features <= MAX_FEATURES
    if many and blank >= BLANK * len(examples):
        return f"{blank} of {len(examples)} examples are one value all over"
    return ""


def _repeated(record: Record, inputs: Inputs) -> str:
    steps = {batch.step: batch.fingerprint for batch in inputs.batches}
    equal = len(steps) >= REPEATED and len(set(steps.values())) == 1 and inputs.first.fingerprint
    if not equal:
        return ""
    for loader in record.loop.loaders:
        restarts = loader.iterations / max(1, record.loop.step)
        if loader.num_batches > 1 and loader.kind != "evaluation" and restarts >= RESTARTS:
            return (
                f"the same batch of {inputs.first.size} examples came at each of {len(steps)} "
                f"watched updates, while the loader ({lines(loader.where)}) has "
                f"{loader.num_batches} batches and was begun anew {loader.iterations} times"
            )
    return ""


def _finding(inputs: Inputs, saw: str) -> Finding:
    repeated = "same batch" in saw
    made, called = lines(inputs.origin), lines(inputs.where)
    places = f"made in {made}, given to the model in {called}" if made != called else made
    return Finding(
        rule="input-constant",
        severity="error",
        step=inputs.first.step,
        saw=f"Inputs ({called if repeated else places}): {saw}.",
        expected="Examples that differ from each other, and other ones at each update.",
        fix="Take batches by `for x, y in loader:`; `next(iter(loader))` begins anew each time."
        if repeated
        else "Print x.min(), x.max() and x.std() after each step of the preparation: a cast to int "
        "before the scaling, an integer division, or a buffer that was never filled.",
        source="the recorded batches",
        where=inputs.where,
        numbers={"batches": len(inputs.batches), "std": inputs.value("std")},
    )
