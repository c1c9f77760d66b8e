"""Rule dropout-misuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from steadygrad.record import Finding, Graph, Operation, Record, Where
from steadygrad.rules.graph import ACTIVATIONS, LOSSES, SHAPE, consumers, graphs, learned
from steadygrad.rules.reading import listed

DROPOUTS = frozenset({"dropout", "alpha_dropout", "feature_dropout"})
MOST = 0.8
"""Rates from here on leave a fifth of the signal or less; 0.5 is what Hinton et al. chose for wide
fully connected layers, and nobody recommends more than 0.7."""
LEAST = 0.1
"""Smaller rates do little harm anywhere."""
BEFORE_NORM = 0.25
"""Rate from which on the variance a batch norm learns is a third more than the one it meets."""
SQUASHED = frozenset({"softmax", "log_softmax", "sigmoid", "logsigmoid", "tanh"})
"""What may stand between logits and a loss."""


@dataclass
class Misuse:
    """One dropout and what is wrong with it."""

    operation: Operation
    rate: float
    kind: str
    saw: str


def dropout_misuse(record: Record) -> Iterator[Finding]:
    """Dropout is so strong, or in such a place, that it drowns the signal.

    Severity: warning

    What
        In training: a rate of 0.8 or more (one dropout, or several in a row); dropout on the very
        prediction that goes into the loss; or dropout of 0.25 or more directly in front of a batch
        norm. Rates up to 0.7 between layers, in attention and on embeddings are left out.
    Why
        `p` is the share that is dropped, not kept: 0.9 keeps a tenth. Dropped logits are zeros the
        loss takes for answers. A batch norm behind dropout learns the variance of training, which
        is larger than that of evaluation by 1 / (1 - p), and is wrong when it counts.
    Fix
        `nn.Dropout(0.2)` to `nn.Dropout(0.5)`, behind the activation of fully connected layers
        only; none behind the last layer; norm first, then activation, then dropout.
    Source
        Srivastava et al., Dropout (2014); Li et al., Understanding the Disharmony between Dropout
        and Batch Normalization by Variance Shift (2019).
    """
    found: dict[tuple[str, str], Misuse] = {}
    for graph in graphs(record):
        for misuse in _misuses(graph):
            found.setdefault((misuse.operation.layer, misuse.kind), misuse)
    for kind in ("rate", "prediction", "norm"):
        misuses = [m for m in found.values() if m.kind == kind]
        if misuses:
            others = [m for m in found.values() if m.kind != kind]
            yield _finding(record, misuses, others)
            return


def _misuses(graph: Graph) -> Iterator[Misuse]:
    inside = learned(graph) if graph.roots else set(range(len(graph.operations)))
    for index, operation in enumerate(graph.operations):
        if index not in inside or not _active(operation):
            continue
        rate = 1 - _kept(graph, index)
        if rate >= MOST:
            in_all = "" if rate == _rate(operation) else " with those directly before it"
            saw = f"drops {rate:.0%} of its input{in_all}"
            yield Misuse(operation, rate, "rate", saw)
        if rate >= LEAST and _is_prediction(graph, index, inside):
            saw = f"drops {rate:.0%} of the prediction that goes into the loss"
            yield Misuse(operation, rate, "prediction", saw)
        if rate >= BEFORE_NORM and _meets_norm(graph, index):
            yield Misuse(operation, rate, "norm", f"of rate {rate:.2g} feeds a batch norm directly")


def _active(operation: Operation) -> bool:
    return operation.name in DROPOUTS and operation.attributes.get("training") is not False


def _rate(operation: Operation) -> float:
    return float(operation.attributes.get("p", 0.0))


def _kept(graph: Graph, index: int) -> float:
    """Share kept by this dropout and those before it with no weight between."""
    kept = 1.0
    while index >= 0:
        operation = graph.operations[index]
        if _active(operation):
            kept *= 1 - _rate(operation)
        elif operation.name not in SHAPE and operation.name not in DROPOUTS:
            break
        index = operation.inputs[0] if operation.inputs else -1
    return kept


def _is_prediction(graph: Graph, index: int, inside: set[int]) -> bool:
    for position in consumers(graph, index):
        operation = graph.operations[position]
        if position not in inside:
            continue
        if operation.name in LOSSES:
            return _takes_first(graph, operation, index)
        if operation.name == "log_softmax":
            return True
        if operation.name in SQUASHED:
            after = consumers(graph, position)
            return any(graph.operations[i].name in LOSSES and i in inside for i in after)
    return False


def _takes_first(graph: Graph, loss: Operation, index: int) -> bool:
    """Whether the loss takes it as its prediction, not as its target."""
    position = loss.inputs[0] if loss.inputs else -1
    while position >= 0 and position != index and graph.operations[position].name in SHAPE:
        made_by = graph.operations[position].inputs
        position = made_by[0] if made_by else -1
    return position == index


def _meets_norm(graph: Graph, index: int) -> bool:
    """Through changes of shape and activations only, never through a weight or a sum."""
    for position in consumers(graph, index, through=SHAPE | ACTIVATIONS):
        norm = graph.operations[position]
        if norm.name == "batch_norm" and norm.attributes.get("training") is not False:
            return True
    return False


FIXES = {
    "rate": "p is the share dropped, not kept: use nn.Dropout(0.5) or less.",
    "prediction": "Remove the dropout behind the last layer; put nn.Dropout(0.5) in front of it.",
    "norm": "Put the dropout behind the norm and the activation, in front of the next layer.",
}
EXPECTED = {
    "rate": "Rates of 0.1 to 0.5.",
    "prediction": "Dropout between layers only; the loss gets what the last layer said.",
    "norm": "No dropout between a layer and its batch norm.",
}


def _finding(record: Record, misuses: Sequence[Misuse], others: Sequence[Misuse]) -> Finding:
    first = misuses[0]
    saw = f"Dropout {first.operation.layer} {first.saw}"
    if len(misuses) > 1:
        saw += f", and so do {listed([m.operation.layer for m in misuses[1:]])}"
    for other in others[:1]:
        saw += f"; dropout {other.operation.layer} {other.saw}"
    return Finding(
        rule="dropout-misuse",
        severity="warning",
        step=record.graphs[0].step,
        saw=f"{saw}.",
        expected=EXPECTED[first.kind],
        fix=FIXES[first.kind],
        source="Srivastava et al. 2014; Li et al. 2019",
        where=_place(first),
        numbers={"rate": first.rate, "layers": [m.operation.layer for m in misuses]},
    )


def _place(misuse: Misuse) -> Where:
    """A rate is set where the layer is built; a wrong place is where it is called."""
    operation = misuse.operation
    built = operation.built
    by_module = built is not None and built.file and not operation.attributes.get("functional")
    return built if built is not None and by_module and misuse.kind == "rate" else operation.where
