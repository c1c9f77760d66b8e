"""What was measured inside the network, laid out by layer and step. Lists out; no drawing here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from steadygrad.record import LayerSignals, Operation, ParameterSignals, Record
from steadygrad.report.measure import evenly
from steadygrad.report.words import number_or_none

NORMS = frozenset({"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"})
ENOUGH = 3
"""Layers with weights from which on a picture through depth shows those alone."""


@dataclass
class Layer:
    """One operation with all that was measured of its output."""

    number: int
    """From 1, in the order of computation."""
    operation: Operation
    signals: dict[int, LayerSignals] = field(default_factory=dict[int, LayerSignals])
    """By step; of several passes between two updates the first."""

    @property
    def name(self) -> str:
        """Its key in the record."""
        return self.operation.layer

    @property
    def has_weight(self) -> bool:
        """Whether it multiplies by a weight (a norm's scale doesn't count)."""
        return self.operation.where.parameter is not None and self.operation.name not in NORMS

    def value(self, step: int, key: str) -> float | None:
        """One number; None where it was not measured. Shares among NaN are NaN themselves."""
        line = self.signals.get(step)
        if line is None:
            return None
        broken = not math.isfinite(line.values["std"])
        return math.nan if broken and key.endswith("_fraction") else line.values.get(key)

    def ends(self, step: int) -> tuple[float, float] | None:
        """Where its histogram begins and ends; None where there is none to draw."""
        line = self.signals.get(step)
        if line is None or not line.histogram:
            return None
        low, high = number_or_none(line.values.get("min")), number_or_none(line.values.get("max"))
        return None if low is None or high is None or low > high else (low, high)

    def last(self, key: str) -> float | None:
        """The latest number measured."""
        values = (self.value(step, key) for step in sorted(self.signals, reverse=True))
        return next((value for value in values if value is not None), None)

    def values(self, key: str) -> list[float]:
        """Every number measured, in the order of steps."""
        found = (self.signals[step].values.get(key) for step in sorted(self.signals))
        return [value for value in found if value is not None]


def layers(record: Record) -> list[Layer]:
    """The layers whose outputs were measured in training, in the order of computation.

    Scalars (the loss) are left out. A run that was only evaluated shows its evaluation.
    """
    kind = "train" if any(s.kind == "train" and "std" in s.values for s in record.signals) else ""
    measured: dict[str, dict[int, LayerSignals]] = {}
    for line in record.signals:
        if "std" in line.values and (not kind or line.kind == kind):
            measured.setdefault(line.layer, {}).setdefault(line.step, line)
    known = _operations(record)
    names = [name for name in known if name in measured]
    names += [name for name in measured if name not in known]
    return [
        Layer(number, known.get(name, Operation("", name)), measured[name])
        for number, name in enumerate(names, 1)
    ]


def _operations(record: Record) -> dict[str, Operation]:
    """Every operation by key in the order of computation; what a later graph adds stands where it
    stands there.
    """
    order: list[str] = []
    known: dict[str, Operation] = {}
    for graph in record.graphs:
        at = 0
        for operation in graph.operations:
            if operation.layer in known:
                at = order.index(operation.layer, 0) + 1
                continue
            order.insert(at, operation.layer)
            known[operation.layer] = operation
            at += 1
    return {name: known[name] for name in order}


@dataclass(frozen=True)
class Grid:
    """Numbers by layer (row) and watched step (column); None where not measured."""

    names: list[str]
    steps: list[int]
    rows: list[list[float | None]]
    left_out: int = 0
    """Layers measured and not among the rows."""

    @property
    def finite(self) -> list[float]:
        """Every number that is one."""
        return [v for row in self.rows for v in row if v is not None and math.isfinite(v)]


def grid(found: Sequence[Layer], key: str, max_rows: int, max_columns: int) -> Grid:
    """One statistic of the layers that have it, at evenly chosen watched steps."""
    chosen = [layer for layer in found if any(key in s.values for s in layer.signals.values())]
    kept = most_telling(chosen, key, max_rows)
    steps = sorted({step for layer in kept for step in layer.signals if _has(layer, step, key)})
    steps = [steps[index] for index in evenly(len(steps), max_columns)]
    rows = [[layer.value(step, key) for step in steps] for layer in kept]
    return Grid([layer.name for layer in kept], steps, rows, len(chosen) - len(kept))


def _is_finite(layer: Layer, step: int, key: str) -> bool:
    value = layer.value(step, key)
    return value is not None and math.isfinite(value)


def _has(layer: Layer, step: int, key: str) -> bool:
    return key in layer.signals[step].values


def most_telling(found: Sequence[Layer], key: str, limit: int) -> list[Layer]:
    """At most `limit` layers in their order: shares keep the highest, sizes an even choice."""
    if len(found) <= limit:
        return list(found)
    if key.endswith("_fraction"):
        ranked = sorted(found, key=lambda layer: -max(layer.values(key), default=0.0))
        return sorted(ranked[:limit], key=lambda layer: layer.number)
    return [found[index] for index in evenly(len(found), limit)]


def through_depth(found: Sequence[Layer], key: str) -> tuple[list[Layer], list[int]]:
    """The layers a picture through depth shows, and up to three steps: first, middle, last."""
    weighted = [layer for layer in found if layer.has_weight and layer.values(key)]
    chosen = weighted if len(weighted) >= ENOUGH else [one for one in found if one.values(key)]
    measured = {step for layer in chosen for step in layer.signals if _has(layer, step, key)}
    # After a break there is nothing to see: NaN has no height.
    steps = [step for step in sorted(measured) if any(_is_finite(one, step, key) for one in chosen)]
    return chosen, [steps[index] for index in evenly(len(steps), 3)] if steps else []


def with_histograms(found: Sequence[Layer], max_rows: int) -> tuple[list[Layer], list[int]]:
    """The layers with histograms (an even choice), and up to four of the steps that have them."""
    chosen = [layer for layer in found if any(layer.ends(step) for step in layer.signals)]
    steps = sorted({step for layer in chosen for step in layer.signals if layer.ends(step)})
    return (
        [chosen[index] for index in evenly(len(chosen), max_rows)],
        [steps[index] for index in evenly(len(steps), 4)],
    )


def update_ratios(record: Record, limit: int) -> list[tuple[str, list[int], list[float]]]:
    """(weight, steps, update ratios) of the weight matrices and kernels, in the record's order.

    Biases and norms are left out where there are weights: they start at zero, so that their ratio
    says little. Of more than `limit` those with the largest and smallest ratios are kept.
    """
    found: dict[str, list[ParameterSignals]] = {}
    for line in record.parameter_signals:
        if line.values.get("update_ratio") is not None:
            found.setdefault(line.parameter, []).append(line)
    shapes = {one.name: one.shape for one in record.loop.parameters}
    weights = [name for name in found if len(shapes.get(name, [])) >= 2]
    ratios = {name: [line.values["update_ratio"] for line in found[name]] for name in found}
    kept = _extremes(weights or list(found), ratios, limit)
    return [(name, [line.step for line in found[name]], ratios[name]) for name in kept]


def _extremes(names: list[str], ratios: dict[str, list[float]], limit: int) -> list[str]:
    if len(names) <= limit:
        return names
    ranked = sorted(names, key=lambda name: sorted(ratios[name])[len(ratios[name]) // 2])
    half = limit // 2
    kept = {*ranked[: half // 2], *ranked[-(half // 2) :]}
    rest = [name for name in names if name not in kept]
    kept |= {rest[index] for index in evenly(len(rest), limit - len(kept))}
    return [name for name in names if name in kept]


def latest_ratio(record: Record) -> dict[str, float]:
    """The last update ratio of every trainable tensor."""
    return {
        line.parameter: line.values["update_ratio"]
        for line in record.parameter_signals
        if line.values.get("update_ratio") is not None
    }
