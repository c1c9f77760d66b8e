"""Rule bias-before-norm."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Finding, Operation, Record
from steadygrad.rules.graph import (
    built_at,
    first_graph,
    is_weighted,
    layer_names,
    learned,
    lines,
    seen_through,
    takers,
)
from steadygrad.rules.reading import listed

SUBTRACTING = frozenset({"batch_norm", "instance_norm"})
"""Norms that take away each channel's mean, and with it whatever bias came before. Layer and group
norms take the mean over several channels, where biases make a difference."""


def bias_before_norm(record: Record) -> Iterator[Finding]:
    """A convolution or linear layer has a bias that the norm behind it takes away again.

    Severity: note

    What
        In the first training pass the result of a layer with a bias goes into a batch or instance
        norm and nowhere else.
    Why
        The norm subtracts each channel's mean and adds a bias of its own. The first bias gets no
        gradient, costs memory and a little time, and is decayed for nothing. Harmless otherwise.
    Fix
        `nn.Conv2d(64, 64, 3, bias=False)` in front of `nn.BatchNorm2d(64)`.
    Source
        Ioffe and Szegedy 2015, arXiv 1502.03167, section 3.2.
    """
    graph = first_graph(record)
    if graph is None:
        return
    behind = takers(graph)
    found: list[Operation] = []
    for index in sorted(learned(graph)):
        operation = graph.operations[index]
        if is_weighted(operation) and operation.attributes.get("has_bias"):
            after = [graph.operations[i] for i in seen_through(behind, graph, index)]
            if after and all(each.name in SUBTRACTING for each in after):
                found.append(operation)
    names = layer_names(found)
    if not names:
        return
    called = lines(found[0].where)
    plural = "layers with a bias stand" if len(names) > 1 else "layer with a bias stands"
    yield Finding(
        rule="bias-before-norm",
        severity="note",
        step=graph.step,
        saw=f"{len(names)} {plural} directly before a norm that subtracts the "
        f"mean: {listed(names)}{f' (called in {called})' if called else ''}.",
        expected="No bias there: the norm has one.",
        fix="Build these layers with bias=False.",
        source="Ioffe and Szegedy 2015, section 3.2",
        where=built_at(found[0]),
        numbers={"layers": names},
    )
