"""Rule softmax-single-unit."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Finding, Operation, Record
from steadygrad.rules.graph import is_weighted, line_to_change, source
from steadygrad.rules.heads import heads
from steadygrad.rules.softmaxes import Softmax, softmaxes

CLASS_LOSSES = frozenset({"cross_entropy", "nll_loss"})


def softmax_single_unit(record: Record) -> Iterator[Finding]:
    """A softmax over one unit: whatever comes in, the answer is 1.

    Severity: error

    What
        A softmax or log_softmax over a dimension of length 1 behind a layer with one output or in
        front of a loss, or a cross entropy on one logit per example.
    Why
        exp(x) / exp(x) is 1 for every x. The loss is a constant and all gradients are exactly 0.
    Fix
        For two classes keep one output and use `BCEWithLogitsLoss` on it without any activation
        (labels as float, shape (N, 1)); or give the last layer two outputs. For regression leave
        the softmax out.
    Source
        Goodfellow, Bengio, Courville, Deep Learning (2016), section 6.2.2.2: sigmoid units.
    """
    for softmax in softmaxes(record):
        if softmax.size == 1 and _one_unit(softmax):
            shape = tuple(softmax.shape)
            saw = f"{softmax.operation.name} over dim {softmax.dim} of shape {shape}: one unit"
            yield _finding(softmax.graph.step, softmax.operation, f"{saw}, so it is always 1.")
            return
    for head in heads(record):
        classes = head.operation.attributes.get("num_classes")
        if head.operation.name in CLASS_LOSSES and classes == 1:
            shape = tuple(head.shapes[0])
            saw = f"{head.operation.name} on logits of shape {shape}: one class, always certain."
            yield _finding(head.graph.step, head.operation, saw)
            return


def _one_unit(softmax: Softmax) -> bool:
    """Not just a sequence of one element in attention."""
    made = source(softmax.graph, softmax.operation)
    behind_layer = made >= 0 and is_weighted(softmax.graph.operations[made])
    lone = behind_layer and softmax.graph.operations[made].shape[-1:] == [1]
    one_column = len(softmax.shape) == 2 and softmax.dim == 1 and behind_layer
    return lone or one_column or bool(softmax.losses)


def _finding(step: int, operation: Operation, saw: str) -> Finding:
    return Finding(
        rule="softmax-single-unit",
        severity="error",
        step=step,
        saw=saw,
        expected="One output with a sigmoid, or a softmax over two or more.",
        fix="Two classes: nn.BCEWithLogitsLoss() on the plain output, labels as float. Regression: "
        "remove the softmax.",
        source="Goodfellow et al. 2016, section 6.2.2.2",
        where=line_to_change(operation),
        numbers={"shape": list(operation.shape)},
    )
