"""Rule graph-retained."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Finding, Record
from steadygrad.rules.heads import place

MIN_RETAINED = 6
"""Losses of earlier updates. A loop's variables hold the last value of a few."""
STEPS_WORTH = 2
"""Or those of so many updates, where an update has several backwards."""


def graph_retained(record: Record) -> Iterator[Finding]:
    """Losses are kept together with their graph, so memory grows.

    Severity: warning

    What
        Six loss tensors of earlier updates or more are still alive with the graph behind them, as
        after `total += loss` or `losses.append(loss)`.
    Why
        The graph holds the activations of its pass, or at least its operations: memory grows with
        every batch until it ends, and a backward through the total would go through all of them.
    Fix
        `total += loss.item()`, or `losses.append(loss.detach())`.
    Source
        PyTorch FAQ, "My model reports cuda runtime error(2): out of memory".
    """
    loop = record.loop
    per_step = loop.backwards / max(1, loop.step)
    if loop.retained_losses < max(MIN_RETAINED, STEPS_WORTH * per_step):
        return
    yield Finding(
        rule="graph-retained",
        severity="warning",
        step=loop.step,
        saw=f"{loop.retained_losses} losses of earlier steps are kept with their graphs, after "
        f"{loop.backwards} backwards.",
        expected="None: a loss that is only summed up or printed is a plain number.",
        fix="Use `loss.item()` (or `loss.detach()`) in totals and lists.",
        source="PyTorch FAQ",
        where=place(loop.retained_where, loop.backward_where),
        numbers={"retained": loop.retained_losses},
    )
