"""Rule dead-relu."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from steadygrad.record import Finding, Operation, Record
from steadygrad.rules.graph import first_graph
from steadygrad.rules.reading import listed
from steadygrad.rules.series import between_weights, runs

NAMES = frozenset({"relu", "relu6", "threshold"})
WINDOW = 2000
"""Examples. Fewer leave rare features silent that are not dead."""
BATCHES, SMALL_WINDOW = 20, 256
"""Or so many watched batches of at least so many examples in all: a small data set has no more. A
layer of which nearly nothing lives needs no more than the latter."""
WARN, ERROR = 0.4, 0.9
"""Of a layer. 12 healthy nets had up to 0.31 after 600 examples, and under 0.08 mostly."""
MIN_UNITS = 16
"""A bottleneck of eight units may have four that nobody needs."""
SILENT, SILENT_STEPS, SILENT_EXAMPLES = 0.9999, 5, 128
"""A layer that is all zero in so many watched steps on end is dead without a window: nothing passes
it either way."""


@dataclass
class _Layer:
    operation: Operation
    fraction: float
    window: int
    step: int


def dead_relu(record: Record) -> Iterator[Finding]:
    """Units are zero for every picture, for many steps.

    Severity: error or warning

    What
        The share of a layer's units that were zero for each of the last 2,000 examples (or of 20
        batches, where the data is small): a warning from 40 % of a layer of at least 16 units. An
        error from 90 %, for which 256 examples are enough. A layer that is zero altogether in five
        watched steps on end is dead at once. Zeros alone are not death: healthy layers have up to
        90 % of them.
    Why
        A ReLU passes no gradient where it is zero. A unit that is zero for everything never changes
        again, mostly since one large update threw its bias far below.
    Fix
        A tenth of the learning rate, biases at 0, `nn.init.kaiming_normal_` weights, standardised
        inputs; `nn.LeakyReLU(0.1)` where units must be able to come back.
    Source
        Stanford CS231n notes, part 1; Lu et al., Dying ReLU and Initialization (2019).
    """
    graph = first_graph(record)
    if graph is None:
        return
    inside = between_weights(graph)
    operations = {
        graph.operations[i].layer: graph.operations[i]
        for i in inside
        if graph.operations[i].name in NAMES
    }
    dead = [found for layer in operations.values() if (found := _dead(record, layer)) is not None]
    if not dead:
        return
    worst = max(dead, key=lambda layer: layer.fraction)
    first = next(layer for layer in dead if (layer.fraction >= ERROR) == (worst.fraction >= ERROR))
    place = first.operation.where
    names = [layer.operation.layer for layer in dead]
    yield Finding(
        rule="dead-relu",
        severity="error" if worst.fraction >= ERROR else "warning",
        step=first.step,
        saw=f"{100 * first.fraction:.0f} % of the units of {first.operation.layer} were zero for "
        f"each of the last {first.window} examples. {_count(len(dead), len(operations))}: "
        f"{listed(names)}.",
        expected="Under 10 % dead units in a layer.",
        fix="Use a tenth of the learning rate, draw the weights with `nn.init.kaiming_normal_` and "
        "set biases to 0; or put `nn.LeakyReLU(0.1)` in its place.",
        source="CS231n, neural networks part 1",
        where=place,
        numbers={"dead_fraction": first.fraction, "window": first.window, "layers": names},
    )


def _dead(record: Record, operation: Operation) -> _Layer | None:
    lines = [
        line
        for line in record.signals
        if line.layer == operation.layer and line.kind == "train" and line.values
    ]
    if not lines:
        return None
    examples = max(1, operation.shape[0] if operation.shape else 1)
    silent = [line.values.get("zero_fraction", 0.0) >= SILENT for line in lines]
    for begin, end in runs(silent):
        if end - begin >= SILENT_STEPS and (end - begin) * examples >= SILENT_EXAMPLES:
            return _Layer(operation, 1.0, (end - begin) * examples, lines[end - 1].step)
    line = lines[-1]
    fraction = line.values.get("dead_fraction", 0.0)
    window = line.values.get("dead_window", 0.0)
    few = max(SMALL_WINDOW, BATCHES * examples) if fraction < ERROR else SMALL_WINDOW
    if fraction < WARN or window < min(WINDOW, few):
        return None
    if fraction < ERROR and _units(operation) < MIN_UNITS:
        return None
    return _Layer(operation, fraction, int(line.values["dead_window"]), line.step)


def _units(operation: Operation) -> int:
    shape = operation.shape
    if len(shape) < 2:
        return MIN_UNITS
    return shape[1] if len(shape) != 3 else shape[-1]


def _count(dead: int, layers: int) -> str:
    return f"{dead} of {layers} ReLU {'layers is' if dead == 1 else 'layers are'} affected"
