"""Rule missing-zero-grad."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Finding, Optimizer, Record
from steadygrad.rules.heads import place

MIN_STALE = 3
"""Updates: one may be the first of an epoch that begins with zero_grad, or a resumed run."""
STALE_SHARE = 0.4
"""Of the watched updates. Clearing at every second update leaves half of them stale."""


def missing_zero_grad(record: Record) -> Iterator[Finding]:
    """Gradients of earlier steps are never cleared and pile up.

    Severity: error

    What
        At three watched updates or more, and at two of five at least, the gradient still held that
        of an update before: a backward had added to it. Accumulation, which clears after each
        update, is silent, and so are gradients a generator leaves in a discriminator, as long as
        they are cleared before its own backward.
    Why
        `backward` adds to `.grad`. Each update then follows the sum of all gradients so far, as
        momentum of 1 would: the steps grow until the loss jumps.
    Fix
        `optimizer.zero_grad()` before `loss.backward()`, once for each `optimizer.step()`.
    Source
        PyTorch tutorial "Optimizing Model Parameters"; pytorch/pytorch issue 47175.
    """
    loop = record.loop
    for optimizer in loop.optimizers:
        if not _piles_up(optimizer):
            continue
        cleared = f"`zero_grad` was called {loop.zero_grads} times"
        others = sum(other.steps for other in loop.optimizers)
        rarely = loop.zero_grads and others
        yield Finding(
            rule="missing-zero-grad",
            severity="error",
            step=loop.step,
            saw=f"At {optimizer.stale} of {optimizer.watched} watched updates of {optimizer.name} "
            "the gradient still held that of the update before; "
            + (f"{cleared} for {others} updates." if rarely else "`zero_grad` was never called."),
            expected="Gradients are cleared once per update, before its first backward.",
            fix="Add `optimizer.zero_grad()` before `loss.backward()`, in the loop over batches.",
            source="pytorch/pytorch issue 47175",
            where=place(optimizer.step_where, loop.backward_where, optimizer.where),
            numbers={
                "stale": optimizer.stale,
                "watched": optimizer.watched,
                "zero_grads": loop.zero_grads,
                "backward_line": loop.backward_where.line,
            },
        )


def _piles_up(optimizer: Optimizer) -> bool:
    return optimizer.stale >= MIN_STALE and optimizer.stale >= STALE_SHARE * optimizer.watched
