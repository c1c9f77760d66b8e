"""Rule saturated-activation."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from steadygrad.record import Finding, Operation, Record
from steadygrad.rules.graph import consumers, first_graph
from steadygrad.rules.reading import listed
from steadygrad.rules.series import between_weights, loss_curve, runs, start_loss

NAMES = frozenset({"tanh", "sigmoid"})
WARN, ERROR = 0.5, 0.9
"""Share of |tanh| over 0.97 or of sigmoid outside [0.03, 0.97]. Healthy nets had up to 0.2 after
300 steps, with weights of variance 1 it is 0.8 to 0.97 from the start."""
SUSTAINED = 5
"""Watched steps on end."""
LEARNED = 0.5
"""Of the first loss: a net that has come so far may saturate; it has made up its mind."""
GATING = frozenset({"mul", "neg", "sub"})
"""A sigmoid that is multiplied with something is a gate: open or shut is its job."""


def saturated_activation(record: Record) -> Iterator[Finding]:
    """Most sigmoid or tanh units sit at their ends, where the slope is nothing.

    Severity: error or warning

    What
        Over half of a hidden layer's values are over 0.97 in size (tanh) or outside 0.03 to 0.97
        (sigmoid) in five watched steps on end, while the loss is still over half of its start: a
        warning, from 90 % an error. Outputs and gates are left out.
    Why
        At the ends the slope is under 0.06 (tanh), so hardly any gradient passes: the layers before
        learn slowly or not at all.
    Fix
        Smaller weights (`nn.init.xavier_uniform_`), standardised inputs, a lower rate, a norm
        before the activation; or ReLU.
    Source
        LeCun et al., Efficient BackProp (1998), section 4.4; Glorot and Bengio (2010).
    """
    graph = first_graph(record)
    if graph is None:
        return
    outputs = set(graph.outputs)
    hidden = [
        graph.operations[i]
        for i in between_weights(graph)
        if graph.operations[i].name in NAMES
        and i not in outputs
        and not {graph.operations[k].name for k in consumers(graph, i)} & GATING
    ]
    found = {o.layer: (o, share) for o in hidden if (share := _sustained(record, o)) is not None}
    if not found:
        return
    operation, (step, share) = next(iter(found.values()))
    worst = max(value for _, (_, value) in found.values())
    yield Finding(
        rule="saturated-activation",
        severity="error" if worst >= ERROR else "warning",
        step=step,
        saw=f"{100 * share:.0f} % of the values of {operation.layer} ({operation.name}) are at its "
        f"ends in {SUSTAINED} watched steps on end. "
        f"{len(found)} of {len(hidden)} such layers: {listed(list(found))}.",
        expected="Under 20 % in the first hundred steps.",
        fix="Draw the weights with `nn.init.xavier_uniform_` (or leave the layer's default), "
        "standardise the inputs, or use ReLU.",
        source="LeCun et al. 1998, section 4.4",
        where=operation.where,
        numbers={"saturated_fraction": share, "layers": list(found)},
    )


def _sustained(record: Record, operation: Operation) -> tuple[int, float] | None:
    """(watched step, median share) of the first stretch that is long enough."""
    lines = [
        line
        for line in record.signals
        if line.layer == operation.layer
        and line.kind == "train"
        and "saturated_fraction" in line.values
    ]
    shares = [line.values["saturated_fraction"] for line in lines]
    for begin, end in runs([share >= WARN for share in shares]):
        step = lines[min(begin + SUSTAINED, end) - 1].step
        if end - begin >= SUSTAINED and not _learned(record, step):
            return step, median(shares[begin:end])
    return None


def _learned(record: Record, step: int) -> bool:
    start = start_loss(record)
    near = [loss for at, loss in loss_curve(record) if at <= step + 1][-SUSTAINED:]
    return start is not None and bool(near) and median(near) < LEARNED * start
