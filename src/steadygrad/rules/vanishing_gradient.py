"""Rule vanishing-gradient."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Finding, Record, Where
from steadygrad.rules.depth import Depth, through_depth

WARN, ERROR = 1e-3, 1e-4
"""First by last layer. 22 healthy nets of up to 13 layers had 0.03 to 4, five sigmoid layers 5e-5,
eight 1e-7."""
SIGNAL_SLACK = 10.0
"""The gradient at the outputs of the layers must fall too, within this factor: a small gradient at
the first weights alone comes of small inputs."""


def vanishing_gradient(record: Record) -> Iterator[Finding]:
    """The gradient dies on its way down to the first layers.

    Severity: error or warning

    What
        The RMS of the gradient of the first weight by that of the last one, as used, over the
        watched updates 5 to 60 (heads and branches that start at zero have moved by then): a
        warning under 1e-3, an error under 1e-4. Never an absolute size: the loss, its reduction and
        its scaling change that.
    Why
        Each layer multiplies by its weights and by the slope of its activation. A sigmoid's is 0.25
        at most, so ten layers leave a millionth, and the first layers stay as they were drawn.
    Fix
        ReLU (or GELU) in place of sigmoid and tanh, weights drawn for the activation
        (`nn.init.kaiming_normal_`), a batch or layer norm behind each layer, residual connections.
    Source
        Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks
        (2010).
    """
    depth = through_depth(record)
    if depth is None or depth.ratio >= WARN or not depth.steady_fall:
        return
    if depth.signal_ratio is not None and depth.signal_ratio > WARN * SIGNAL_SLACK:
        return
    yield Finding(
        rule="vanishing-gradient",
        severity="error" if depth.ratio < ERROR else "warning",
        step=depth.step,
        saw=f"The gradient of the first weight, {depth.first.name}, is {depth.ratio:.1e} times that"
        f" of the last, {depth.last.name}, through {depth.layers} layers"
        f"{_activations(depth)}.",
        expected="A factor between 0.03 and 4 from the first to the last layer.",
        fix="Put `nn.ReLU()` in place of "
        f"{depth.activation or 'saturating activations'}, draw the weights with "
        "`nn.init.kaiming_normal_`, or put a norm behind each layer.",
        source="Glorot and Bengio 2010",
        where=_place(depth),
        numbers={"ratio": depth.ratio, "layers": depth.layers},
    )


def _place(depth: Depth) -> Where:
    """Where most of it is lost; the first weight's line if that is not known."""
    narrow = depth.narrowest
    where = narrow.where if narrow is not None and narrow.where.file else depth.first.where
    return Where(where.file, where.line, where.module, depth.first.name)


def _activations(depth: Depth) -> str:
    return f" with {depth.activation} between them" if depth.activation else ""
