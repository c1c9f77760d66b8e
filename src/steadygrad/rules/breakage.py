"""Where numbers first stop being finite: in inputs, targets, weights, an operation, a gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from steadygrad.record import Graph, Operation, Record, Where
from steadygrad.rules.graph import (
    ancestors,
    call_line,
    graphs,
    line_to_change,
    lines,
    losses,
    source,
)

AUTOPSY = {"non_finite_fraction": 1.0}
"""All that is measured of the operation (and, if it had it already, the input) a loss that is no
number began in, on steps that were not watched."""
MASKS = frozenset({"masked_fill", "where", "add"})
"""Operations that put -inf where attention must not look."""
MASKED_SUM = frozenset({"softmax", "log_softmax", "logsumexp"})
FIXES = {
    "log": "torch.log(x.clamp_min(1e-8)); of a probability use log_softmax or logsigmoid of the "
    "logits instead",
    "sqrt": "torch.sqrt(x + 1e-8): at 0 its slope is infinite",
    "norm": "(x.pow(2).sum(dim) + 1e-8).sqrt(): at 0 the slope of a norm is undefined",
    "div": "x / (y + 1e-8), or y.clamp_min(1e-8)",
    "pow": "(x + 1e-8) ** p: a power under 1 has an infinite slope at 0",
    "exp": "take off the largest value first, or use softmax, logsumexp or softplus",
    "std": "x.std(correction=0) + 1e-8: of one number it is NaN, at 0 its slope is infinite",
    "acos": "torch.acos(x.clamp(-1 + 1e-6, 1 - 1e-6)): at ±1 its slope is infinite",
}
"""Operation that makes NaN or infinity of finite numbers → what to type instead."""
ALIKE = {
    **dict.fromkeys(("log2", "log10", "log1p", "logit", "xlogy"), "log"),
    **dict.fromkeys(("reciprocal", "normalize", "cosine_similarity"), "div"),
    **{"rsqrt": "sqrt", "var": "std", "asin": "acos", "vector_norm": "norm", "cdist": "norm"},
}
STEEP_AT_ZERO = frozenset({"sqrt", "norm", "pow", "std", "log", "div"})


@dataclass(frozen=True)
class Breakage:
    """The first number that is none."""

    step: int
    """Updates done before."""
    saw: str
    fix: str
    where: Where
    certain: bool
    """Its cause is known: no rate of learning would have helped."""


def breakage(record: Record) -> Breakage | None:
    """The first watched step whose loss or gradients are not finite, and what began it."""
    rows = [s for s in record.signals if s.kind == "train" and s.values != AUTOPSY]
    for step in sorted({line.step for line in rows}):
        graph = _graph_at(record, step)
        if graph is None:
            continue
        values = _values_at(record, step)
        if _loss_is_bad(record, graph, values, step):
            return _forward(record, graph, values, step)
        if _update_is_bad(record, step):
            return _backward(graph, values, step)
    return None


def _graph_at(record: Record, step: int) -> Graph | None:
    found = [graph for graph in graphs(record) if graph.step <= step]
    return found[-1] if found else None


def _values_at(record: Record, step: int) -> dict[str, dict[str, float]]:
    return {s.layer: s.values for s in record.signals if s.step == step and s.kind == "train"}


def bad(values: Mapping[str, float]) -> bool:
    """Whether an operation's result is not finite somewhere."""
    ends = (values.get(key, 0.0) for key in ("value", "min", "max", "mean"))
    return values.get("non_finite_fraction", 0.0) > 0 or not all(map(math.isfinite, ends))


def _loss_is_bad(
    record: Record, graph: Graph, values: dict[str, dict[str, float]], step: int
) -> bool:
    ends = [*losses(graph), *graph.roots]
    scaled = record.loop.gradient_scaler
    named = [i for i in ends if not (scaled and graph.operations[i].name == "mul")]
    if any(bad(values.get(graph.operations[index].layer, {})) for index in named):
        return True
    return any(line.step == step + 1 and not math.isfinite(line.loss) for line in record.steps)


def _update_is_bad(record: Record, step: int) -> bool:
    """Gradients that are no numbers went into the weights; a scaler skips such steps on purpose."""
    return any(
        line.values.get("non_finite", 0.0) > 0
        and not math.isfinite(line.values.get("update_ratio", 0.0))
        for line in record.parameter_signals
        if line.step == step and line.values.get("rms", 0.0) > 0
    )


def _forward(
    record: Record, graph: Graph, values: dict[str, dict[str, float]], step: int
) -> Breakage:
    given = _given(record, graph, values, step)
    if given is not None:
        return given
    weights = [
        line.parameter
        for line in record.parameter_signals
        if line.step == step and not math.isfinite(line.values.get("rms", 0.0))
    ]
    if weights:
        return _broken_weights(record, weights[0], step)
    for index in sorted(_before(graph)):
        operation = graph.operations[index]
        found = values.get(operation.layer, {})
        if bad(found) and not _is_mask(operation, found):
            return _broken_operation(graph, operation, found, step)
    where = record.loop.backward_where
    return Breakage(step, "The loss", "Look at what it is made of.", replace(where), False)


def _before(graph: Graph) -> set[int]:
    return {index for root in graph.roots for index in ancestors(graph, root)}


def _given(
    record: Record, graph: Graph, values: dict[str, dict[str, float]], step: int
) -> Breakage | None:
    """NaN that came with the batch: its inputs or its targets."""
    for batch in record.batches:
        share = batch.inputs.get("non_finite_fraction", 0.0)
        if batch.step == step and batch.kind == "train" and share > 0 and batch.shape:
            made = lines(batch.origin) if batch.origin and batch.origin.file else ""
            return Breakage(
                step,
                f"{share:.2g} of the numbers in the inputs{f' (made in {made})' if made else ''}",
                "torch.nan_to_num(x), or leave such examples out; look for missing values and for "
                "a division by a std of 0: (x - mean) / (std + 1e-8).",
                replace(batch.where),
                True,
            )
    for index in losses(graph):
        operation = graph.operations[index]
        found = values.get(operation.layer, {})
        ends = [found.get(key, 0.0) for key in ("target_min", "target_max")]
        if not all(map(math.isfinite, ends)):
            return Breakage(
                step,
                f"The targets of {operation.name}, from {ends[0]:.3g} to {ends[1]:.3g},",
                "Look where the targets are made: a logarithm of 0, a division by 0, a missing "
                "value; torch.log1p(y) takes 0.",
                call_line(operation),
                True,
            )
    return None


def _broken_weights(record: Record, name: str, step: int) -> Breakage:
    where = next((o.step_where for o in record.loop.optimizers if o.step_where.file), Where())
    return Breakage(
        step,
        f"The weights ({name} among them)",
        "An update before this step broke them: lower the rate tenfold, or clip the gradient "
        "(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)).",
        replace(where, parameter=name),
        False,
    )


def _is_mask(operation: Operation, values: Mapping[str, float]) -> bool:
    return operation.name in MASKS and values.get("min") == -math.inf and _finite_top(values)


def _finite_top(values: Mapping[str, float]) -> bool:
    return math.isfinite(values.get("max", math.nan))


def _broken_operation(
    graph: Graph, operation: Operation, values: Mapping[str, float], step: int
) -> Breakage:
    kind = ALIKE.get(operation.name, operation.name)
    made = source(graph, operation)
    if kind in MASKED_SUM and made >= 0 and graph.operations[made].name in MASKS:
        mask = graph.operations[made]
        return Breakage(
            step,
            f"The {operation.name} in {lines(operation.where)} of scores masked with -inf",
            "Rows in which every position is masked have no probabilities: mask with -1e4 instead "
            "of -inf, or leave such rows out.",
            replace(mask.where),
            True,
        )
    share = values.get("non_finite_fraction", 1.0)
    named = f"{share:.2g} of the results of {operation.name} ({lines(operation.where)})"
    if kind in FIXES:
        return Breakage(step, named, f"Write {FIXES[kind]}.", line_to_change(operation), True)
    fix = "Its inputs are finite, but too large: lower the rate, clip the gradient, scale inputs."
    if operation.name == "cross_entropy":
        fix = "A batch whose labels are all ignore_index has no mean: leave such batches out."
    where = call_line(operation) if values.get("value") is not None else operation.where
    return Breakage(step, named, fix, replace(where), False)


def _backward(graph: Graph, values: dict[str, dict[str, float]], step: int) -> Breakage:
    """The loss is a number, its gradient is none: an infinite slope, times 0."""
    inside = sorted(_before(graph))
    broken = [
        index
        for index in inside
        if values.get(graph.operations[index].layer, {}).get("grad_non_finite", 0.0) > 0
    ]
    last = broken[-1] if broken else -1
    for index in inside:
        operation = graph.operations[index]
        kind = ALIKE.get(operation.name, operation.name)
        if index <= last or not _is_steep(operation, kind) or not _touches_zero(values, operation):
            continue
        if last < 0 or last in ancestors(graph, index):
            saw = f"The gradient of {operation.name} ({lines(operation.where)}), which is 0 there,"
            return Breakage(step, saw, f"Write {FIXES[kind]}.", line_to_change(operation), True)
    where = graph.operations[last].where if broken else Where()
    at = f" behind {graph.operations[last].name} ({lines(where)})" if broken else ""
    return Breakage(
        step,
        f"The gradient{at}",
        "Look for a root, norm, power or division at 0 between there and the loss; else clip the "
        "gradient or lower the rate.",
        replace(where),
        False,
    )


def _is_steep(operation: Operation, kind: str) -> bool:
    """Whether its slope is infinite at 0; a square's is 0."""
    exponent = operation.attributes.get("exponent", 2)
    small = isinstance(exponent, int | float) and exponent < 1
    return kind in STEEP_AT_ZERO and (kind != "pow" or small)


def _touches_zero(values: dict[str, dict[str, float]], operation: Operation) -> bool:
    found = values.get(operation.layer, {})
    return found.get("min", 1.0) <= 0 <= found.get("max", -1.0) or bad(found)
