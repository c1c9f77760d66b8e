"""Rule norm-placement."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Finding, Operation, Record
from steadygrad.rules.graph import (
    ACTIVATIONS,
    NORMS,
    first_graph,
    is_weighted,
    layer_names,
    learned,
    line_to_change,
    lines,
    seen_through,
    source,
    takers,
)
from steadygrad.rules.reading import listed

MAJORITY = 2
"""Norms before the nonlinearity for each one behind: fewer, and there is no rule to break."""


def norm_placement(record: Record) -> Iterator[Finding]:
    """A norm stands behind the nonlinearity where the rest of the network has it before.

    Severity: note

    What
        In the first training pass most norms come between a weighted layer and its activation, and
        a few come behind the activation.
    Why
        Both orders train. Mixed by accident, the one that differs normalises what ReLU has cut off
        already, and the layer behind it gets negative inputs it gets nowhere else.
    Fix
        Layer, norm, activation, in that order, everywhere.
    Source
        Ioffe and Szegedy 2015, arXiv 1502.03167, section 3.2.
    """
    graph = first_graph(record)
    if graph is None:
        return
    behind = takers(graph)
    before: list[Operation] = []
    after: list[Operation] = []
    for index in sorted(learned(graph)):
        operation = graph.operations[index]
        made = source(graph, operation)
        if operation.name not in NORMS or made < 0:
            continue
        maker = graph.operations[made]
        next_ones = [graph.operations[i] for i in seen_through(behind, graph, index)]
        if is_weighted(maker) and any(each.name in ACTIVATIONS for each in next_ones):
            before.append(operation)
        elif maker.name in ACTIVATIONS:
            inner = source(graph, maker)
            if inner >= 0 and is_weighted(graph.operations[inner]):
                after.append(operation)
    before_names, names = layer_names(before), layer_names(after)
    if not names or len(before_names) < MAJORITY * len(names):
        return
    where = line_to_change(after[0])
    yield Finding(
        rule="norm-placement",
        severity="note",
        step=graph.step,
        saw=f"{len(names)} of {len(names) + len(before_names)} norms stand behind the "
        f"nonlinearity: {listed(names)} ({lines(after[0].where)}); the others stand before it.",
        expected="One order in the whole network: layer, norm, nonlinearity.",
        fix="Swap the norm and the activation there.",
        source="Ioffe and Szegedy 2015, section 3.2",
        where=where,
        numbers={"behind": len(names), "before": len(before_names)},
    )
