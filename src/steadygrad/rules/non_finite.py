"""Rule non-finite."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from steadygrad.record import Finding, Record, Step, Where
from steadygrad.rules.breakage import ALIKE, AUTOPSY, FIXES, Breakage, breakage
from steadygrad.rules.graph import first_graph, lines


def non_finite(record: Record) -> Iterator[Finding]:
    """NaN or infinity in the inputs, the targets, an operation, the loss or the gradients.

    Severity: error

    What
        The first step whose loss is no number, or whose gradients are none and went into the
        weights; and what began it: the batch already, its targets, weights an update broke before,
        the first operation in order of execution, or a root, norm or division at 0 on the way back.
        Infinite gradients that a gradient scaler skips are no fault, nor is -inf in an attention
        mask.
    Why
        One NaN update makes every weight NaN. Nothing after it can be used.
    Fix
        Mend the operation named: `torch.log(x.clamp_min(1e-8))`, `torch.sqrt(x + 1e-8)`,
        `x / (y + 1e-8)`. Where weights blew up, a tenth of the rate (`--lr`) or clipped gradients
        (`clip_grad_norm_`, `--clip-norm 1`); `--precision fp32` in our own runs.
    Source
        IEEE 754: NaN is the result of every operation it enters.
    """
    initial = record.facts.initial.get("loss")
    if initial is not None and not math.isfinite(float(initial)):
        yield _finding(record, 0, f"The loss is {initial} before the first step.")
        return
    first = next((line for line in record.steps if not math.isfinite(line.loss)), None)
    broken = breakage(record)
    if broken is not None and (first is None or broken.step < first.step):
        yield _broken(record, broken)
        return
    if first is not None:
        yield _at_unwatched_step(record, first)
        return
    for epoch in record.epochs:
        if epoch.val_loss is not None and not math.isfinite(epoch.val_loss):
            text = f"The validation loss is {epoch.val_loss} after epoch {epoch.epoch + 1}"
            yield _finding(record, epoch.step, text)
            return


def _broken(record: Record, broken: Breakage) -> Finding:
    before = [line.loss for line in record.steps if line.step <= broken.step]
    last = f" The loss of the step before was {before[-1]:.4g}." if before else ""
    plural = "are" if broken.saw.startswith(("The weights", "The targets")) else "is"
    return Finding(
        rule="non-finite",
        severity="error",
        step=broken.step,
        saw=f"{broken.saw} {plural} NaN or infinite after {broken.step} updates: the first place "
        f"where numbers stop being finite.{last}",
        expected="Finite numbers everywhere.",
        fix=broken.fix,
        source="IEEE 754",
        where=broken.where,
        numbers={"certain": broken.certain},
    )


def _at_unwatched_step(record: Record, line: Step) -> Finding:
    """The step was not watched in full: only the operation may be known, by name."""
    finding = _finding(record, line.step, f"The loss is {line.loss} at step {line.step}")
    told = [s for s in record.signals if s.step == line.step - 1 and s.values == AUTOPSY]
    given = any(b.step == line.step - 1 and b.inputs == AUTOPSY for b in record.batches)
    if not told:
        return finding
    name = told[0].layer
    kind = ALIKE.get(name, name)
    where = _only_line(record, name)
    finding.where = where or _likely_line(record, name)
    finding.numbers["operation"] = name
    if name == "weights":
        finding.saw += " The weights were no numbers already: an update before broke them."
        return finding
    source = f"in what goes into {name}" if given else f"in {name}"
    finding.saw += f" It begins {source}{f' ({lines(where)})' if where else ''}."
    if kind in FIXES:
        finding.fix = f"Write {FIXES[kind]}."
        finding.numbers["certain"] = True
    return finding


def _likely_line(record: Record, name: str) -> Where:
    """The line of the first such operation, the optimizer's for weights, or that of backward."""
    graph, optimizers = first_graph(record), record.loop.optimizers
    for operation in graph.operations if graph else []:
        if operation.name == name and operation.where.file:
            return replace(operation.where)
    if name == "weights" and optimizers:
        return replace(optimizers[0].where)
    return replace(record.loop.backward_where)


def _only_line(record: Record, name: str) -> Where | None:
    """The line of an operation of that name, if a watched pass has it in one place only."""
    graph = first_graph(record)
    found = [each for each in (graph.operations if graph else []) if each.name == name]
    places = {(each.where.file, each.where.line) for each in found}
    return replace(found[-1].where) if found and len(places) == 1 else None


def _finding(record: Record, step: int, saw: str) -> Finding:
    before = [line for line in record.steps if line.step < step and math.isfinite(line.loss)]
    after = [line for line in record.steps if line.step >= step]
    lr = after[0].lr if after else (before[-1].lr if before else None)
    numbers: dict[str, object] = {"lr": lr}
    if before:
        numbers["last_finite_loss"] = before[-1].loss
        saw += f"; the step before it had {before[-1].loss:.4g}"
    if lr is not None and step:
        saw += f". The learning rate was {lr:.3g}"
    return Finding(
        rule="non-finite",
        severity="error",
        step=step,
        saw=saw.rstrip(".") + ".",
        expected="A finite loss at every step.",
        fix=_general_fix(record, lr),
        source="the recorded losses",
        where=_likely_line(record, "weights"),
        numbers=numbers,
    )


def _general_fix(record: Record, lr: float | None) -> str:
    if record.loop.optimizers:  # somebody's own script
        rate = f"lr={lr / 10:.2g}" if lr else "a tenth of the rate"
        return (
            f"Try {rate}, or torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0) before each "
            "update; if it is NaN from the start, look for NaN in the inputs."
        )
    return (
        "Train with a tenth of the rate (`--lr`), or `--clip-norm 1`, or `--precision fp32`; "
        "if it is NaN from the start, look for NaN in the inputs."
    )
