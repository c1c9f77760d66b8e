"""Rule exploding-gradient."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from steadygrad.record import Finding, Record, Where
from steadygrad.rules.depth import Depth, through_depth
from steadygrad.rules.series import gradient_norms, loss_curve, one_goal, optimizer_place

WARN, ERROR = 1e2, 1e4
"""First by last layer. 22 healthy nets had 0.03 to 4."""
SIGNAL_SLACK = 0.1
"""The gradient at the outputs of the layers must grow too: a large gradient at the first weights
alone comes of large inputs."""
SPIKE = 10.0
"""Times the running median and times that of the first norms: a net that has learned its pictures
has tiny gradients, and each hard picture is a spike over those."""
SPIKES = 3
RUNNING, BIRTH = 20, 10
"""Norms in the running median, and at the start."""


def exploding_gradient(record: Record) -> Iterator[Finding]:
    """The gradient grows on its way down, or spikes again and again.

    Severity: error or warning

    What
        The RMS of the gradient of the first weight by that of the last, as used, over the watched
        updates 5 to 60: a warning over 100, an error over 10,000. Or the norm of the whole gradient
        was three times over 10 times its own running median and over 10 times what it was at the
        start: a warning. Norms in the tens are healthy.
    Why
        Each layer (each time step of a recurrent net) multiplies by its weights. Where that factor
        is over 1, the first layers are thrown about while the last ones hardly move.
    Fix
        `torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)` between backward and step; weights
        drawn for the activation (`nn.init.kaiming_normal_`, orthogonal for recurrent ones); norms.
    Source
        Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks (2013).
    """
    depth = through_depth(record)
    if depth is not None and depth.ratio > WARN and _signal_grows(depth):
        yield _between_layers(depth)
        return
    if not one_goal(record):
        return
    norms = gradient_norms(record)
    spikes = _spikes(norms)
    if len(spikes) < SPIKES or _gets_better(record):
        return
    largest = max(norm for _, norm in spikes)
    usual = median(norm for _, norm in norms)
    yield Finding(
        rule="exploding-gradient",
        severity="warning",
        step=spikes[SPIKES - 1][0],
        saw=f"The norm of the gradient was {len(spikes)} times over {SPIKE:.0f} times its running "
        f"median, up to {largest:.3g} where {usual:.3g} is usual.",
        expected="Norms within a factor of 10 of those around them.",
        fix="Call `torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)` before the optimizer's "
        "step.",
        source="Pascanu, Mikolov, Bengio 2013",
        where=optimizer_place(record),
        numbers={"spikes": len(spikes), "largest_norm": largest, "usual_norm": usual},
    )


def _between_layers(depth: Depth) -> Finding:
    return Finding(
        rule="exploding-gradient",
        severity="error" if depth.ratio > ERROR else "warning",
        step=depth.step,
        saw=f"The gradient of the first weight, {depth.first.name}, is {depth.ratio:.1e} times that"
        f" of the last, {depth.last.name}, through {depth.layers} layers.",
        expected="A factor between 0.03 and 4 from the first to the last layer.",
        fix="Draw the weights with `nn.init.kaiming_normal_` (or the layer's default), put a norm "
        "behind each layer, or clip with `torch.nn.utils.clip_grad_norm_(…, 1.0)`.",
        source="Pascanu, Mikolov, Bengio 2013",
        where=Where(
            depth.first.where.file,
            depth.first.where.line,
            depth.first.where.module,
            depth.first.name,
        ),
        numbers={"ratio": depth.ratio, "layers": depth.layers},
    )


def _signal_grows(depth: Depth) -> bool:
    return depth.signal_ratio is None or depth.signal_ratio > WARN * SIGNAL_SLACK


def _spikes(norms: list[tuple[int, float]]) -> list[tuple[int, float]]:
    values = [norm for _, norm in norms]
    if len(values) <= BIRTH:
        return []
    birth = median(values[:BIRTH])
    return [
        norms[i]
        for i in range(BIRTH, len(values))
        if values[i] > SPIKE * max(birth, median(values[max(0, i - RUNNING) : i]))
    ]


def _gets_better(record: Record) -> bool:
    """Whether the loss ends lower than it began: then it copes with the spikes."""
    losses = [loss for _, loss in loss_curve(record)]
    width = len(losses) // 4
    return width > 0 and median(losses[-width:]) < median(losses[:width])
