"""Rule no-step."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Finding, Loop, Record, Where
from steadygrad.rules.heads import place

MIN_BACKWARDS = 10
MIN_CLEARED = 3
"""zero_grads without any update: an accumulation makes one before it clears."""
LONG_ACCUMULATION = 256
"""Backwards before the first update that nobody accumulates."""
SCALER_SKIPS = 40
"""Backwards: a gradient scaler that starts at 65536 halves at each skipped step."""
OTHERS_STEPS = 500
"""Updates of the other optimizers by which one that is meant for a later phase would be used."""
SHORT_RUN = 3


def no_step(record: Record) -> Iterator[Finding]:
    """Backward runs, but the optimizer never makes an update.

    Severity: error

    What
        Ten backwards or more, gradients cleared three times or more, and no update; or 256
        backwards without one; or a script that ended without one. Likewise one of several
        optimizers that never steps. Scripts without an optimizer, with updates by hand, and the
        skipped steps of a gradient scaler are left alone.
    Why
        `loss.backward()` only computes gradients. `optimizer.step` without its parentheses is no
        call, and `scheduler.step()` or `scaler.update()` moves no weight.
    Fix
        `optimizer.step()` after `loss.backward()`; with AMP `scaler.step(optimizer)`, then
        `scaler.update()`.
    Source
        PyTorch documentation of torch.optim: taking an optimization step.
    """
    loop = record.loop
    if not loop.optimizers or loop.manual_updates:
        return
    if not any(optimizer.steps for optimizer in loop.optimizers):
        if _sure(loop):
            yield _finding(loop, place(loop.backward_where, loop.optimizers[0].where), None)
        return
    most = max(optimizer.steps for optimizer in loop.optimizers)
    for number, optimizer in enumerate(loop.optimizers):
        held = [p for p in loop.parameters if p.optimizer == number and p.trainable and p.used_by]
        over = loop.finished and not loop.exception and most >= MIN_BACKWARDS
        if not optimizer.steps and held and (over or most >= OTHERS_STEPS):
            yield _finding(loop, place(optimizer.where, loop.backward_where), optimizer.name)


def _sure(loop: Loop) -> bool:
    """Whether this is no long accumulation and no scaler that still looks for its scale."""
    needed = max(MIN_BACKWARDS, SCALER_SKIPS if loop.gradient_scaler else 0)
    if loop.backwards >= needed and loop.zero_grads >= MIN_CLEARED:
        return True
    if loop.backwards >= LONG_ACCUMULATION:
        return True
    return loop.finished and not loop.exception and loop.backwards >= SHORT_RUN


def _finding(loop: Loop, where: Where, name: str | None) -> Finding:
    cleared = f", gradients were cleared {loop.zero_grads} times" if loop.zero_grads else ""
    moved = sum(scheduler.steps for scheduler in loop.schedulers)
    schedule = f" The schedule was stepped {moved} times." if moved else ""
    who = loop.optimizers[0].name if name is None else name
    scaled = loop.gradient_scaler
    return Finding(
        rule="no-step",
        severity="error",
        step=loop.step,
        saw=f"{loop.backwards} backwards{cleared}, and {who} made no update.{schedule}",
        expected="An update for every backward, or for every few.",
        fix="Call `scaler.step(optimizer)` before `scaler.update()`."
        if scaled
        else "Call `optimizer.step()` (with parentheses) after `loss.backward()`.",
        source="PyTorch documentation of torch.optim",
        where=where,
        numbers={"backwards": loop.backwards, "zero_grads": loop.zero_grads},
    )
