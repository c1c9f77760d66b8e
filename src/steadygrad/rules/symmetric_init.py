"""Rule symmetric-init."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Finding, Record, Where
from steadygrad.rules.reading import listed


def symmetric_init(record: Record) -> Iterator[Finding]:
    """The units of a layer start identical, so they stay identical.

    Severity: error

    What
        All rows of a layer's weight are equal within rounding before the first step: zeros, a
        constant, or one row repeated. A last layer or a residual branch that starts at zero is
        healthy and left out.
    Why
        Equal units see the same input and get the same gradient. However wide the layer, it learns
        one feature; with zeros behind a ReLU it learns nothing.
    Fix
        `--init auto` (random, scaled to the activation), or `init.kaiming_normal_` on the layer.
    Source
        Goodfellow, Bengio, Courville, Deep Learning (2016), section 8.4.
    """
    layers = [str(name) for name in record.facts.initial.get("symmetric_layers", [])]
    if not layers:
        return
    scheme = record.facts.initial.get("init")
    how = f" (initialisation '{scheme}')" if scheme and scheme != "auto" else ""
    plural = "layers start" if len(layers) > 1 else "layer starts"
    yield Finding(
        rule="symmetric-init",
        severity="error",
        step=0,
        saw=f"{len(layers)} {plural} with all units equal{how}: {listed(layers)}.",
        expected="Rows of a weight that differ from each other.",
        fix="Use `--init auto`, or draw the weights at random (torch.nn.init.kaiming_normal_).",
        source="Goodfellow et al. 2016, section 8.4",
        where=Where(module=layers[0]),
        numbers={"layers": layers},
    )
