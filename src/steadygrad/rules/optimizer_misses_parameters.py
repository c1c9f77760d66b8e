"""Rule optimizer-misses-parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from steadygrad.record import Finding, Loop, Parameter, Record, Where
from steadygrad.record.measured import Severity
from steadygrad.rules.graph import first_graph
from steadygrad.rules.heads import place
from steadygrad.rules.loops import owner, stepping
from steadygrad.rules.reading import listed

MIN_UPDATES = 3
"""Watched updates at which a weight nobody updates had a gradient."""
EMPTY = "optimizer got an empty parameter list"
SOURCE = "PyTorch documentation of torch.optim: constructing it"


def optimizer_misses_parameters(record: Record) -> Iterator[Finding]:
    """Weights get gradients, but no optimizer holds them.

    Severity: error or warning

    What
        Trainable tensors that take part in the loss and had a gradient at three watched updates,
        held by no optimizer: it was built before a layer was added or replaced, the layers lie in a
        plain list, or a second model was forgotten. Where the optimizer holds a complete last part
        of what runs, the rest may be meant to stand still: a warning. Left alone: teachers and EMA
        copies (no gradient), networks in evaluation mode that only judge, frozen tensors, loops
        that optimise an input, gradients of inputs.
    Why
        What no optimizer holds stays as it was initialised.
    Fix
        `nn.ModuleList([...])` in place of a list; the optimizer after the last change to the model;
        `[*encoder.parameters(), *decoder.parameters()]`; `requires_grad_(False)` for what shall
        stand still.
    Source
        PyTorch documentation of torch.optim: constructing it.
    """
    loop = record.loop
    if EMPTY in str(loop.exception.get("text", "")):
        yield _empty(loop)
        return
    missing = _missing(loop)
    if not missing or not stepping(loop) or _optimises_inputs(loop):
        return
    loose = [parameter for parameter in missing if not parameter.registered]
    if loose:
        yield _finding(
            loop,
            loose,
            "error",
            place(*(parameter.where for parameter in loose), loop.optimizers[0].where),
            "Keep layers in `nn.ModuleList` or `nn.Sequential` and tensors in `nn.Parameter`, "
            "so that `model.parameters()` finds them.",
        )
    kept = [parameter for parameter in missing if parameter.registered]
    if kept:
        later = _holds_last_part(record, kept) or loop.manual_updates
        names = {owner(parameter, loop) for parameter in kept}
        whole = names.isdisjoint(owner(p, loop) for p in loop.parameters if p.optimizer is not None)
        unknown = sum(optimizer.unknown_tensors for optimizer in loop.optimizers)
        fix = "Build the optimizer after the last change to the model, of `model.parameters()`."
        if whole and not unknown:
            fix = "Give the optimizer both: `[*first.parameters(), *second.parameters()]`."
        if later:
            fix = "Freeze what shall stand still (`requires_grad_(False)`), or give it to the "
            fix += "optimizer as well."
        severity: Severity = "warning" if later else "error"
        yield _finding(loop, kept, severity, place(_optimizer_line(loop, kept)), fix)


def _missing(loop: Loop) -> list[Parameter]:
    """Trainable tensors with gradients that nobody updates."""
    judges = {
        str(model.get("name"))
        for model in loop.models
        if not model.get("training_calls") and model.get("evaluation_calls")
    }
    return [
        parameter
        for parameter in loop.parameters
        if parameter.trainable
        and parameter.optimizer is None
        and parameter.used_by
        and parameter.received >= MIN_UPDATES
        and not (parameter.registered and owner(parameter, loop) in judges)
        # A raw tensor that is moved by hand is somebody's perturbation or own update.
        and not (not parameter.registered and loop.manual_updates and not parameter.where.file)
    ]


def _optimises_inputs(loop: Loop) -> bool:
    """Whether the optimizers hold raw tensors only, and these take part: style transfer, prompts.

    Tensors of a model that was replaced since take no part in anything.
    """
    held = [p for p in loop.parameters if p.optimizer is not None and p.used_by and p.received]
    return bool(held) and not any(parameter.registered for parameter in held)


def _holds_last_part(record: Record, missing: Sequence[Parameter]) -> bool:
    """Whether all that is missing runs before all that is held, as a backbone before its head."""
    graph = first_graph(record)
    if graph is None or any(o.unknown_tensors for o in record.loop.optimizers):
        return False
    first: dict[str, int] = {}
    for index, operation in enumerate(graph.operations):
        first.setdefault(operation.layer, index)
    held = [p for p in record.loop.parameters if p.optimizer is not None and p.trainable]
    places = [first[p.used_by] for p in held if p.used_by in first]
    out = [first[p.used_by] for p in missing if p.used_by in first]
    return bool(places) and bool(out) and max(out) < min(places)


def _optimizer_line(loop: Loop, missing: Sequence[Parameter]) -> Where:
    """The optimizer of the same model, else the first."""
    names = {owner(parameter, loop) for parameter in missing}
    own = [p.optimizer for p in loop.parameters if p.optimizer is not None]
    same = [
        p.optimizer for p in loop.parameters if p.optimizer is not None and owner(p, loop) in names
    ]
    number = next(iter([*same, *own]), 0)
    return loop.optimizers[number].where if number < len(loop.optimizers) else Where()


def _finding(
    loop: Loop, missing: Sequence[Parameter], severity: Severity, where: Where, fix: str
) -> Finding:
    names = [parameter.name for parameter in missing]
    unknown = sum(optimizer.unknown_tensors for optimizer in loop.optimizers)
    also = f" It holds {unknown} tensors that no model uses." if unknown else ""
    return Finding(
        rule="optimizer-misses-parameters",
        severity=severity,
        step=loop.step,
        saw=f"{len(names)} trainable tensors get gradients and are held by no optimizer: "
        f"{listed(names)}.{also}",
        expected="Every trainable tensor in exactly one optimizer.",
        fix=fix,
        source=SOURCE,
        where=Where(where.file, where.line, where.module, names[0]),
        numbers={"parameters": names, "unknown_tensors": unknown},
    )


def _empty(loop: Loop) -> Finding:
    error = loop.exception
    return Finding(
        rule="optimizer-misses-parameters",
        severity="error",
        step=loop.step,
        saw=f"The script ended with: {error['text']}. The model has no registered weights.",
        expected="A model whose `parameters()` names all its weights.",
        fix="Keep layers in `nn.ModuleList` and tensors in `nn.Parameter`, made in `__init__`.",
        source=SOURCE,
        where=Where(error.get("file"), error.get("line")),
    )
