"""Rule no-gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from steadygrad.record import Finding, Graph, Loop, Operation, Parameter, Record, Where
from steadygrad.record.measured import Severity
from steadygrad.rules.graph import graphs
from steadygrad.rules.heads import place
from steadygrad.rules.loops import owner
from steadygrad.rules.reading import listed

MIN_UPDATES = 5
"""Watched updates of its optimizer without any gradient: no branch is left out so often by chance
where it took part in the forward pass each time."""
MIN_ZERO_UPDATES = 10
"""Watched updates at which a gradient was there, and zero all over. Zero-initialised heads and
residual scales pass gradients on from the second update."""
MIN_UNUSED_UPDATES = 12
"""Watched updates before a layer counts as never used."""
DEAD = 0.9
"""Share of dead units behind which zero gradients are their doing."""
CUTS = frozenset({"detach", "argmax", "argmin", "item", "numpy", "tolist", "data"})
FLAT = frozenset({"round", "sign", "floor", "ceil", "trunc", "heaviside", "bucketize", "gt", "ge"})
"""Operations whose derivative is zero wherever there is one."""
NO_GRAPH = "does not require grad and does not have a grad_fn"
SPARE_NAMES = ("aux", "pool", "fc", "head", "classifier", "proj")
"""What is often left unused on purpose: auxiliary heads, a pretrained network's own head."""
SOURCE = "PyTorch notes, Autograd mechanics"


def no_gradient(record: Record) -> Iterator[Finding]:
    """Trainable weights never get a gradient.

    Severity: error or warning

    What
        Weights an optimizer holds, used in the forward pass, whose gradient was None at five
        watched updates and never anything else, or zero all over at each of ten; a loss that
        backward refuses because nothing of it needs a gradient. A layer no pass ever uses is a
        warning, an unused head a note. Branches that take part now and then, frozen tensors,
        teachers and EMA copies (no optimizer holds them) are silent.
    Why
        `.detach()`, `.data`, `torch.no_grad()`, `.item()`, `argmax` and numpy cut the graph; what
        lies behind the cut stays as initialised while the rest learns around it.
    Fix
        Take the cut out of the path from the weights to the loss. What shall stand still:
        `requires_grad_(False)`, and not in the optimizer.
    Source
        PyTorch notes, Autograd mechanics.
    """
    loop = record.loop
    if NO_GRAPH in str(loop.exception.get("text", "")):
        yield _refused(record)
        return
    held = [p for p in loop.parameters if p.trainable and p.optimizer is not None]
    silent = [p for p in held if not p.received]
    cut = [p for p in silent if p.used_by and p.missing == p.watched >= MIN_UPDATES]
    if cut:
        yield _cut_off(record, cut)
    zero = [p for p in silent if p.used_by and not p.missing and p.watched >= MIN_ZERO_UPDATES]
    zero = [p for p in zero if len(p.shape) > 1]
    if zero and not _is_dead(record):
        yield _zero(record, zero)
    unused = [p for p in silent if not p.used_by and p.watched >= MIN_UNUSED_UPDATES]
    if unused:
        yield _unused(loop, unused, held)


def _refused(record: Record) -> Finding:
    error = record.loop.exception
    where, name = _cut(record, [])
    reason = f" `{name}` ends the graph." if name else ""
    return Finding(
        rule="no-gradient",
        severity="error",
        step=record.loop.step,
        saw=f"The script ended with: {error['text']}.{reason} No weight stands behind the loss.",
        expected="A loss computed from the model's outputs by differentiable operations.",
        fix="Compute the loss of the model's own outputs, outside `torch.no_grad()`, without "
        "`.detach()`, `.item()`, `.data`, `argmax`, `torch.tensor(...)` or numpy in between.",
        source=SOURCE,
        where=place(where, Where(error.get("file"), error.get("line"))),
    )


def _cut_off(record: Record, cut: Sequence[Parameter]) -> Finding:
    """Weights in use behind something that ends the graph."""
    where, name = _cut(record, cut)
    loop, names = record.loop, [parameter.name for parameter in cut]
    reason = f" `{name}` ends the graph behind them." if name else ""
    severity: Severity = "warning" if _is_meant(record, cut) else "error"
    return Finding(
        rule="no-gradient",
        severity=severity,
        step=loop.step,
        saw=f"{len(names)} tensors of the optimizer are used in the forward pass and had no "
        f"gradient at any of {cut[0].watched} watched updates: {listed(names)}.{reason}",
        expected="A gradient at every update.",
        fix="Take `.detach()`, `.data`, `torch.no_grad()`, `.item()`, `argmax` or numpy out of the "
        "way from these weights to the loss; or freeze them (`requires_grad_(False)`) and leave "
        "them out of the optimizer.",
        source=SOURCE,
        where=_named(place(where, _use(record, cut), cut[0].where, loop.backward_where), names),
        numbers={"parameters": names, "watched": cut[0].watched},
    )


def _zero(record: Record, zero: Sequence[Parameter]) -> Finding:
    """Weights whose gradient is there and 0."""
    where, name = _cut(record, zero, FLAT)
    names = [parameter.name for parameter in zero]
    reason = f" The derivative of `{name}` behind them is zero." if name else ""
    return Finding(
        rule="no-gradient",
        severity="error",
        step=record.loop.step,
        saw=f"The gradient of {len(names)} tensors was zero all over at each of {zero[0].watched} "
        f"watched updates: {listed(names)}.{reason}",
        expected="Gradients other than zero from the second update on.",
        fix="Look for an operation without slope between them and the loss (round, sign, a "
        "comparison, a clamp that always holds, a loss of constant value).",
        source=SOURCE,
        where=_named(place(where, _use(record, zero), zero[0].where), names),
        numbers={"parameters": names, "watched": zero[0].watched},
    )


def _unused(loop: Loop, unused: Sequence[Parameter], held: Sequence[Parameter]) -> Finding:
    """Layers no pass ever went through."""
    names = [parameter.name for parameter in unused]
    position = {parameter.name: index for index, parameter in enumerate(held)}
    last_used = max((position[p.name] for p in held if p.used_by), default=-1)
    between = any(position[name] < last_used for name in names)
    spare = all(any(part in name.lower() for part in SPARE_NAMES) for name in names)
    severity: Severity = "warning" if between and not spare else "note"
    return Finding(
        rule="no-gradient",
        severity=severity,
        step=loop.step,
        saw=f"{len(names)} tensors of the optimizer took part in none of {unused[0].watched} "
        f"watched updates: {listed(names)}.",
        expected="Layers that are built are used in `forward`.",
        fix="Call the layer in `forward`, or remove it.",
        source=SOURCE,
        where=_named(unused[0].where, names),
        numbers={"parameters": names, "watched": unused[0].watched},
    )


def _cut(
    record: Record, behind: Sequence[Parameter], names: frozenset[str] = CUTS
) -> tuple[Where | None, str]:
    """The operation that ends (or flattens) the way from these weights on, and its name.

    Without weights: the last one of the latest pass.
    """
    layers = {parameter.used_by for parameter in behind}
    for graph in graphs(record) if behind else reversed(record.graphs):
        reached = _downstream(graph, layers) if behind else range(len(graph.operations))
        found = [graph.operations[i] for i in reached if graph.operations[i].name in names]
        if found:
            chosen = found[0] if behind else found[-1]
            return place(chosen.where, chosen.called), chosen.name
    return None, ""


def _downstream(graph: Graph, layers: set[str]) -> list[int]:
    """Operations that take what those layers made."""
    reached: set[int] = set()
    for index, operation in enumerate(graph.operations):
        if operation.layer in layers or not reached.isdisjoint(operation.inputs):
            reached.add(index)
    return sorted(reached)


def _use(record: Record, parameters: Sequence[Parameter]) -> Where | None:
    """The user's line of the last layer among these."""
    layers = {parameter.used_by for parameter in parameters}
    found: list[Operation] = []
    for graph in graphs(record):
        found = [operation for operation in graph.operations if operation.layer in layers] or found
    return place(found[-1].where, found[-1].called) if found else None


def _is_meant(record: Record, cut: Sequence[Parameter]) -> bool:
    """Whether the weights may be meant to stand still: fixed by hand or in evaluation mode."""
    if record.loop.manual_updates:
        return True  # a code book that follows means, an EMA inside the model
    names = {owner(parameter, record.loop) for parameter in cut}
    own = [b for b in record.batches if b.kind == "train" and (b.model in names or not b.model)]
    modes = [batch.training for batch in own]
    return bool(modes) and not any(modes)


def _is_dead(record: Record) -> bool:
    """Whether units that are off, or a loss of one class, explain zero gradients."""
    return any(line.values.get("dead_fraction", 0.0) >= DEAD for line in record.signals)


def _named(where: Where, names: Sequence[str]) -> Where:
    return Where(where.file, where.line, where.module, names[0])
