"""What rules ask of a loop: who trains what, in which mode, how many updates make an epoch."""

from __future__ import annotations

from steadygrad.record import Batch, Graph, Loop, Operation, Optimizer, Parameter, Record
from steadygrad.rules.graph import learned

MODAL_NORMS = frozenset({"batch_norm", "instance_norm"})
"""Norms that do something else in training mode than in evaluation mode."""
DROPOUTS = frozenset({"dropout", "alpha_dropout", "feature_dropout"})

REPEATS = 3
"""Passes of one batch within a stretch; two views or a check of two passes are no sampling."""


def stepping(loop: Loop) -> list[Optimizer]:
    """Optimizers that have made an update."""
    return [optimizer for optimizer in loop.optimizers if optimizer.steps]


def model_names(loop: Loop) -> list[str]:
    """Names of the models called; the first one's weights carry no prefix."""
    return [str(model.get("name", "")) for model in loop.models]


def owner(parameter: Parameter, loop: Loop) -> str:
    """The name of the model a weight belongs to; "" where there is none or it is not registered."""
    if not parameter.registered:
        return ""
    names = model_names(loop)
    held = [name for name in names[1:] if parameter.name.startswith(f"{name}.")]
    return max(held, key=len) if held else (names[0] if names else "")


def trained(model: str, loop: Loop) -> bool:
    """Whether an optimizer holds weights of that model; where models are unknown, any weight."""
    held = [p for p in loop.parameters if p.optimizer is not None and p.trainable]
    if model not in model_names(loop):
        return bool(held)
    return any(owner(parameter, loop) == model for parameter in held)


def frozen_share(model: str, loop: Loop) -> float:
    """Share of a model's tensors that don't learn."""
    known = model in model_names(loop)
    own = [p for p in loop.parameters if not known or owner(p, loop) == model]
    return sum(not p.trainable for p in own) / len(own) if own else 0.0


def drops(operation: Operation) -> bool:
    """Whether an operation is a dropout that would drop something in training mode."""
    return operation.name in DROPOUTS and float(operation.attributes.get("p", 0.5)) > 0


def modal(graph: Graph, inside: bool = True) -> list[Operation]:
    """Operations the mode matters for: norms with batch statistics, dropout; with `inside` only
    those a backward went through."""
    kept = learned(graph) if inside and graph.roots else set(range(len(graph.operations)))
    return [
        operation
        for index, operation in enumerate(graph.operations)
        if index in kept and (operation.name in MODAL_NORMS or drops(operation))
    ]


def mode_matters(record: Record) -> bool:
    """Whether training mode changes what the models compute.

    Layer norms are the same in both modes, and so is dropout of probability 0.
    """
    if not record.graphs:
        return any(b.modes.get("norms") or b.modes.get("dropouts") for b in record.batches)
    return any(modal(graph, inside=False) for graph in record.graphs)


def updates_per_epoch(record: Record) -> float:
    """Updates in one pass over the training data; 0 where it is unknown."""
    loop = record.loop
    loaders = [loader for loader in loop.loaders if loader.kind == "train"]
    batches = max((loader.num_batches for loader in loaders), default=0)
    batches = batches or (loop.batch_period if loop.periods_seen > 1 else 0)
    if len(loop.optimizers) != 1 or len(loop.models) > 1:
        # Several backwards on one batch (a GAN's halves) are no accumulation.
        return float(batches)
    return batches / max(1.0, loop.optimizers[0].backwards_per_step)


def repeats_inputs(batches: list[Batch]) -> bool:
    """Whether the same inputs go through several times in a row: Monte Carlo dropout."""
    seen: dict[tuple[int, str], int] = {}
    for batch in batches:
        if batch.fingerprint:
            key = (batch.step, batch.fingerprint)
            seen[key] = seen.get(key, 0) + 1
    return max(seen.values(), default=0) >= REPEATS
