"""Walking over the graph of a watched pass: what rules ask of it, in one place."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from steadygrad.record import OUTSIDE, Graph, LayerSignals, Operation, Record, Where


def names(words: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(words.split())


WEIGHTED = frozenset(
    {"linear", "bilinear", "embedding", "matmul"}
    | {f"conv{n}d" for n in (1, 2, 3)}
    | {f"conv_transpose{n}d" for n in (1, 2, 3)}
)
"""Operations that multiply by a weight (a matmul counts where an input is a parameter)."""
NORMS = frozenset(
    {"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm"}
)
ACTIVATIONS = names(
    "relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish softplus softsign hardtanh "
    "hardswish hardsigmoid tanh sigmoid logsigmoid tanhshrink softshrink hardshrink glu "
    "threshold maximum abs exp sin cos sqrt pow square clamp max"
)
"""Nonlinear, elementwise; softmax and log_softmax are named by themselves."""
SHAPE = names(
    "reshape view flatten squeeze unsqueeze permute transpose t contiguous clone to float double "
    "half bfloat16 type type_as expand expand_as narrow chunk split unbind getitem movedim "
    "swapaxes ravel unflatten view_as reshape_as cpu cuda identity pad roll flip repeat"
)
"""Operations that move numbers and leave them as they are."""
LOSSES = names(
    "cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits mse_loss l1_loss "
    "smooth_l1_loss huber_loss kl_div poisson_nll_loss gaussian_nll_loss hinge_embedding_loss "
    "multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss soft_margin_loss "
    "margin_ranking_loss triplet_margin_loss cosine_embedding_loss ctc_loss"
)
"""Loss functions; input 0 is the prediction, input 1 the target."""


def graphs(record: Record, kind: str = "train") -> list[Graph]:
    """Graphs of one kind in the order seen; empty ones are left out."""
    return [graph for graph in record.graphs if graph.kind == kind and graph.operations]


def first_graph(record: Record, kind: str = "train") -> Graph | None:
    """The first graph of that kind, if any."""
    return next(iter(graphs(record, kind)), None)


def is_weighted(operation: Operation) -> bool:
    """Whether it multiplies by a trainable (or frozen) weight."""
    if operation.name == "matmul":
        return operation.where.parameter is not None
    return operation.name in WEIGHTED


def upstream(graph: Graph, index: int, through: Collection[str] = SHAPE) -> int:
    """Follow first inputs back from `index` through operations named in `through`.

    Returns the position of the first operation of another name, or OUTSIDE or PARAMETER.
    """
    while index >= 0 and graph.operations[index].name in through:
        made_by = graph.operations[index].inputs
        index = made_by[0] if made_by else -1
    return index


def source(graph: Graph, operation: Operation, argument: int = 0) -> int:
    """What made an argument, seen through changes of shape: a position, OUTSIDE or PARAMETER."""
    if argument >= len(operation.inputs):
        return -1
    return upstream(graph, operation.inputs[argument])


def consumers(graph: Graph, index: int, through: Collection[str] = SHAPE) -> list[int]:
    """Operations that take the result of `index`, seen through changes of shape."""
    found: list[int] = []
    for position in range(index + 1, len(graph.operations)):
        operation = graph.operations[position]
        if index in operation.inputs:
            if operation.name in through:
                found += consumers(graph, position, through)
            else:
                found.append(position)
    return sorted(set(found))


def takers(graph: Graph) -> list[list[int]]:
    """For each operation those that take its result as it is; one walk for all of them."""
    found: list[list[int]] = [[] for _ in graph.operations]
    for position, operation in enumerate(graph.operations):
        for index in dict.fromkeys(operation.inputs):
            if index >= 0:
                found[index].append(position)
    return found


def seen_through(takers: list[list[int]], graph: Graph, index: int) -> list[int]:
    """Operations that take the result of `index`, seen through changes of shape."""
    found: set[int] = set()
    pending = list(takers[index])
    while pending:
        position = pending.pop()
        if graph.operations[position].name in SHAPE:
            pending += takers[position]
        else:
            found.add(position)
    return sorted(found)


def ancestors(graph: Graph, index: int) -> set[int]:
    """`index` and every operation its result depends on."""
    seen: set[int] = set()
    pending = [index]
    while pending:
        position = pending.pop()
        if position >= 0 and position not in seen:
            seen.add(position)
            pending += graph.operations[position].inputs
    return seen


def learned(graph: Graph) -> set[int]:
    """Operations some backward went through."""
    return {index for root in graph.roots for index in ancestors(graph, root)}


def losses(graph: Graph) -> list[int]:
    """Loss functions of the pass; in a training pass those that a backward went through."""
    found = [i for i, operation in enumerate(graph.operations) if operation.name in LOSSES]
    if found and graph.kind == "train" and graph.roots:
        inside = learned(graph)
        found = [i for i in found if i in inside]
    return found


def weighted(graph: Graph) -> list[int]:
    """Positions of the operations with a weight, in the order of execution."""
    return [i for i, operation in enumerate(graph.operations) if is_weighted(operation)]


def built_at(operation: Operation) -> Where:
    """The user's line that built an operation's layer; where it is not known, that of its call."""
    built = operation.built
    if built is None or not built.file:
        return operation.where
    return replace(operation.where, file=built.file, line=built.line)


def line_to_change(operation: Operation) -> Where:
    """Where an operation is written: an item of an `nn.Sequential` where that is built, any other
    where it is called."""
    name = (operation.where.module or "").rpartition(".")[2]
    return built_at(operation) if name.isdigit() or not operation.where.file else operation.where


def call_line(operation: Operation) -> Where:
    """Where an operation is called, be it in the loop itself: never where its module was built."""
    built, called = operation.built, operation.called
    loop = built is not None and operation.where.line == built.line and called is not None
    return called if loop and called and called.file else operation.where


def weight_line(record: Record, operation: Operation) -> Where:
    """The user's line that gave an operation's weight its first numbers; where that is not known,
    the line that built its layer or calls it."""
    name = operation.where.parameter
    found = next((p.where for p in record.loop.parameters if p.name == name and p.where.file), None)
    found = _refilled(record, name) or found or built_at(operation)
    return replace(found, module=operation.where.module, parameter=name)


FILLING = names("normal uniform fill zero copy trunc_normal bernoulli exponential mul div")


def _refilled(record: Record, parameter: str | None) -> Where | None:
    """The line of `weight.data.normal_()` and kin, which run through the graph."""
    graph = first_graph(record)
    if graph is None or parameter is None:
        return None
    for operation in graph.operations:
        made = operation.inputs[0] if operation.inputs else OUTSIDE
        if operation.name in FILLING and made >= 0:
            weight = graph.operations[made]
            if weight.name == "detach" and weight.where.parameter == parameter:
                return operation.where
    return None


def lines(where: Where | None) -> str:
    """A place as a person names it: `train.py:41`; empty where it is unknown.

    >>> lines(Where(file="train.py", line=41))
    'train.py:41'
    """
    if where is None or not where.file:
        return ""
    return f"{os.path.basename(where.file)}:{where.line}" if where.line else where.file


def layer_names(operations: Sequence[Operation]) -> list[str]:
    """What a person calls these layers: the dotted name of the module, or of the weight."""
    return list(dict.fromkeys(o.where.module or o.where.parameter or o.layer for o in operations))


def signals(record: Record, layer: str, kind: str = "train") -> Iterator[LayerSignals]:
    """The signals of one operation, in the order of steps."""
    return (line for line in record.signals if line.layer == layer and line.kind == kind)


def first_values(record: Record, layer: str, kind: str = "train") -> dict[str, float]:
    """The values of an operation's first signals; empty where there are none."""
    for line in signals(record, layer, kind):
        return line.values
    return {}


def last_values(record: Record, layer: str, kind: str = "train") -> dict[str, float]:
    """The values of an operation's latest signals; empty where there are none."""
    for line in reversed(record.signals):
        if line.layer == layer and line.kind == kind:
            return line.values
    return {}
