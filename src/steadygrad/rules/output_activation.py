"""Rule output-activation."""

from __future__ import annotations

import math
from collections.abc import Iterator

from steadygrad.record import Finding, Operation, Record
from steadygrad.record.measured import Severity
from steadygrad.rules.heads import REGRESSION, SOFTMAXES, Head, heads, layer_line, ranges

CLIPPING = {
    "relu": "no output can go under 0",
    "relu6": "outputs lie between 0 and 6",
    "sigmoid": "outputs lie between 0 and 1",
    "tanh": "outputs lie between -1 and 1",
    "hardtanh": "outputs lie between -1 and 1",
    "hardsigmoid": "outputs lie between 0 and 1",
    "softsign": "outputs lie between -1 and 1",
    "abs": "no output can go under 0",
}
"""In front of a softmax: what each does to the logits."""
BENDING = frozenset({"gelu", "silu", "mish", "softplus", "elu", "celu", "selu", "hardswish"})
"""Flatten one side of the logits: worse than nothing there, but it learns."""
REACH: dict[str, tuple[float, float]] = {
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "softplus": (0.0, math.inf),
    "abs": (0.0, math.inf),
    "exp": (0.0, math.inf),
    "square": (0.0, math.inf),
    "elu": (-1.0, math.inf),
    "gelu": (-0.17, math.inf),
    "silu": (-0.28, math.inf),
    "mish": (-0.31, math.inf),
    "logsigmoid": (-math.inf, 0.0),
    "log_softmax": (-math.inf, 0.0),
}
"""The numbers an operation can give."""
SLACK = 0.05
"""Share of the targets' range that may lie out of reach: resized pictures overshoot by 2 %."""
LOGIT_LOSSES = frozenset({"cross_entropy", "nll_loss", "binary_cross_entropy_with_logits"})
SINGLE = frozenset({"binary_cross_entropy", "binary_cross_entropy_with_logits"})


def output_activation(record: Record) -> Iterator[Finding]:
    """The last layer's activation can't reach the targets, or clips the logits.

    Severity: error or warning

    What
        The tensor a loss gets comes straight out of an activation that does not fit it: ReLU,
        sigmoid or tanh in front of a cross entropy (or of the softmax or sigmoid before one), or
        targets outside the range of the activation in front of a squared or absolute error.
        A scaled one (`5 * torch.tanh(x)`) is left alone, and so is a sigmoid for targets of 0..1.
    Why
        Behind a ReLU no class can be spoken against, and units that are off get no gradient; a
        sigmoid bounds all logits to 0..1, so that no class gets more than e times the rest; targets
        of -2 are never met by an output over 0.
    Fix
        Leave the activation off the last layer: `nn.Linear(100, 10)` and then the loss. Or bring
        the targets into its range.
    Source
        Goodfellow, Bengio, Courville, Deep Learning (2016), section 6.2.2: output units.
    """
    places: set[tuple[str | None, int | None]] = set()
    for head in heads(record):
        finding = _clipped(head) or _unreachable(record, head)
        if finding and (finding.where.file, finding.where.line) not in places:
            places.add((finding.where.file, finding.where.line))
            yield finding


def _clipped(head: Head) -> Finding | None:
    """Logits that went through an activation."""
    loss, maker = head.operation.name, head.made_by(head.prediction)
    if loss not in LOGIT_LOSSES | SINGLE or maker is None:
        return None
    if maker.name in SOFTMAXES and loss in LOGIT_LOSSES - SINGLE:
        maker = _before(head, maker)
    elif maker.name == "sigmoid" and loss == "binary_cross_entropy":
        maker = _before(head, maker)
        if maker is not None and maker.name == "sigmoid":
            return None
    elif maker.name == "sigmoid" and loss in SINGLE:
        return None  # double-softmax names it
    elif loss == "binary_cross_entropy" or (loss == "nll_loss"):
        return None  # loss-input names what comes without a sigmoid or a logarithm
    if maker is None or maker.name not in {*CLIPPING, *BENDING}:
        return None
    severity: Severity = "error" if maker.name in CLIPPING else "warning"
    how = CLIPPING.get(maker.name, "one side of the outputs is flattened")
    return _finding(
        head,
        maker,
        severity,
        f"The logits of {loss} come out of {maker.name}: {how}.",
        "Plain outputs of the last linear or convolution layer.",
        f"Remove the {maker.name} behind the last layer.",
    )


def _before(head: Head, maker: Operation) -> Operation | None:
    """What made the input of a softmax or sigmoid."""
    index = next(i for i, row in enumerate(head.graph.operations) if row is maker)
    inner = Head(head.graph, index, maker, 0)
    return inner.made_by(0)


def _unreachable(record: Record, head: Head) -> Finding | None:
    """Targets the activation in front of a regression loss can't give."""
    maker = head.made_by(head.prediction)
    if head.operation.name not in REGRESSION or maker is None:
        return None
    reach = _reach(maker)
    target = ranges(record, head)["target"]
    if reach is None or target is None or not all(map(math.isfinite, target)):
        return None
    size = reach[1] - reach[0]
    slack = SLACK * (size if math.isfinite(size) else target[1] - target[0])
    if target[0] >= reach[0] - slack and target[1] <= reach[1] + slack:
        return None
    if head.target >= 0 and head.graph.operations[head.target].name == maker.name:
        return None  # as far as its own twin reaches: features of a second network
    low, high = (f"{end:g}" if math.isfinite(end) else "any size" for end in reach)
    return _finding(
        head,
        maker,
        "error",
        f"The targets of {head.operation.name} lie between {target[0]:.3g} and {target[1]:.3g}, "
        f"the outputs of {maker.name} between {low} and {high}.",
        "Outputs that can be as small and as large as the targets.",
        f"Remove the {maker.name} behind the last layer, or scale the targets into its range.",
    )


def _reach(maker: Operation) -> tuple[float, float] | None:
    if maker.name in ("clamp", "hardtanh"):
        low = maker.attributes.get("min", maker.attributes.get("min_val"))
        high = maker.attributes.get("max", maker.attributes.get("max_val"))
        if low is None and high is None:
            return REACH.get(maker.name)
        return (
            -math.inf if low is None else float(low),
            math.inf if high is None else float(high),
        )
    return REACH.get(maker.name)


def _finding(
    head: Head, maker: Operation, severity: Severity, saw: str, expected: str, fix: str
) -> Finding:
    return Finding(
        rule="output-activation",
        severity=severity,
        step=head.graph.step,
        saw=saw,
        expected=expected,
        fix=fix,
        source="Goodfellow et al. 2016, section 6.2.2",
        where=layer_line(head.graph, maker),
        numbers={"activation": maker.name, "loss": head.operation.name},
    )
