"""Rule symmetric-init."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from steadygrad.record import Finding, Graph, Operation, Parameter, Record, Where
from steadygrad.record.measured import Severity
from steadygrad.rules.graph import (
    ancestors,
    first_graph,
    is_weighted,
    layer_names,
    lines,
    weight_line,
    weighted,
)
from steadygrad.rules.reading import listed

EQUAL = 1e-6
"""Largest difference of two rows by the largest value, at the start: float32 rounding."""
STILL_EQUAL = 1e-4
"""The same after updates: sums in another order drift apart slowly."""
PATIENCE = 3
"""Watched updates a weight of zeros must stay at zero. One that is meant to start there (a last
layer, a residual branch, two of them one behind the other) has moved by then."""
RECURRENT = frozenset({"lstm", "gru", "rnn"})


def symmetric_init(record: Record) -> Iterator[Finding]:
    """The units of a layer start identical, so they stay identical.

    Severity: error or warning

    What
        All rows of a hidden layer's weight are equal within rounding at the first update: zeros, a
        constant, or one row repeated. An error where their gradients are equal too, where a layer
        of zeros is still there after three updates, and in recurrent layers; a warning where
        something behind the layer breaks the symmetry. A last layer or a residual branch that
        starts at zero is healthy and left out.
    Why
        Equal units see the same input and get the same gradient. However wide the layer, it learns
        one feature; with zeros behind a ReLU it learns nothing.
    Fix
        `init.kaiming_normal_(layer.weight)`, or leave torch's own initialisation alone; in our own
        runs `--init auto`.
    Source
        Goodfellow, Bengio, Courville, Deep Learning (2016), section 8.4.
    """
    layers = [str(name) for name in record.facts.initial.get("symmetric_layers", [])]
    if layers:
        scheme = record.facts.initial.get("init")
        how = f" (initialisation '{scheme}')" if scheme and scheme != "auto" else ""
        yield _finding(layers, how, Where(module=layers[0]), "error")
        return
    found = list(_equal(record))
    if not found:
        return
    operations = [operation for operation, _, _ in found]
    # The worst one first: that is the one whose line is named.
    first, parameter, _ = next(row for row in found if row[2] or not any(r[2] for r in found))
    certain = any(certain for _, _, certain in found)
    where = parameter.where if parameter.where.file else weight_line(record, first)
    where = replace(where, module=first.where.module, parameter=parameter.name)
    called = lines(first.where)
    how = f" ({parameter.name}, called in {called})" if called else ""
    yield _finding(layer_names(operations), how, where, "error" if certain else "warning")


def _finding(layers: list[str], how: str, where: Where, severity: Severity) -> Finding:
    plural = "layers start" if len(layers) > 1 else "layer starts"
    after = "" if severity == "error" else " Only what lies behind tells the units apart."
    return Finding(
        rule="symmetric-init",
        severity=severity,
        step=0,
        saw=f"{len(layers)} {plural} with all units equal{how}: {listed(layers)}.{after}",
        expected="Rows of a weight that differ from each other.",
        fix="Draw the weights at random: torch.nn.init.kaiming_normal_(layer.weight), or "
        "`--init auto`.",
        source="Goodfellow et al. 2016, section 8.4",
        where=where,
        numbers={"layers": layers},
    )


def _equal(record: Record) -> Iterator[tuple[Operation, Parameter, bool]]:
    """Hidden layers with equal rows, and whether that is sure to stay so."""
    graph = first_graph(record)
    if graph is None:
        return
    hidden = _hidden(graph)
    known = {parameter.name: parameter for parameter in record.loop.parameters}
    seen: set[str] = set()
    for operation in hidden:
        names = [p.name for p in known.values() if p.used_by == operation.layer]
        for name in names or [operation.where.parameter or ""]:
            parameter = known.get(name, Parameter(name))
            certain = _stays(record, operation, parameter)
            if name not in seen and certain is not None:
                seen.add(name)
                yield operation, parameter, certain


def _hidden(graph: Graph) -> list[Operation]:
    """Layers of several units with another layer behind them."""
    found: dict[int, Operation] = {}
    behind = {i: ancestors(graph, i) - {i} for i in weighted(graph)}
    for index, operation in enumerate(graph.operations):
        followed = any(index in before for before in behind.values())
        recurrent = operation.name in RECURRENT
        if recurrent or (is_weighted(operation) and followed and _several_units(operation)):
            found[index] = operation
    return list(found.values())


def _several_units(operation: Operation) -> bool:
    if operation.name == "embedding" or int(operation.attributes.get("groups", 1) or 1) > 1:
        return False  # rows of words; a fixed filter per channel
    if operation.name.startswith("conv"):
        return len(operation.shape) > 1 and operation.shape[1] > 1
    return bool(operation.shape) and operation.shape[-1] > 1


def _stays(record: Record, operation: Operation, parameter: Parameter) -> bool | None:
    """None: its rows differ. Else whether they are sure to stay equal."""
    rows = [line for line in record.parameter_signals if line.parameter == parameter.name]
    first = rows[0].values if rows else {}
    if not parameter.trainable or first.get("row_difference", 1.0) > EQUAL:
        return None
    later = [line.values for line in rows[1:] if "row_difference" in line.values]
    if first.get("rms", 0.0) == 0:
        still = [v for v in later if v.get("rms", 1.0) == 0 and not v.get("grad_rms")]
        return True if not first.get("grad_rms") and len(still) >= PATIENCE else None
    if operation.name == "matmul" or operation.name in RECURRENT:
        return True  # units are columns there, or each gate has its own: gradients can't tell
    if any(values["row_difference"] > STILL_EQUAL for values in later):
        return False
    return first.get("grad_row_difference", 1.0) <= STILL_EQUAL
