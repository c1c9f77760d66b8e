"""A watched pass as boxes in boxes: modules, their operations, and what flows between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from steadygrad.record import Graph, LayerSignals, Operation, Parameter
from steadygrad.report.graph_box import Box, Leaf
from steadygrad.report.graph_layout import IN, OUT
from steadygrad.report.graph_levels import rate


def tree(
    graph: Graph,
    signals: Iterable[LayerSignals] = (),
    parameters: Sequence[Parameter] = (),
    model: str = "",
) -> Box:
    """The graph of one pass as one box that holds all others.

    `model` is the name of the first model (`Loop.models`), whose own operations stand outermost;
    of several signals of a layer the latest count.
    """
    values = {line.layer: line.values for line in signals if line.kind == graph.kind}
    leaves = _leaves(graph, values, _Counter(parameters), model)
    keys = {f"o{index}" for index in graph.outputs}
    rate(leaves, [place for place, leaf in enumerate(leaves) if leaf.box.key in keys])
    edges = [(s, t) for t, leaf in enumerate(leaves) for s in leaf.inputs]
    root = Box("g", model or "model", "module")
    _fill(root, list(range(len(leaves))), leaves, edges, 0)
    return root


class _Counter:
    """Numbers of parameters by operation; each counts where it is used first."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._sizes = {p.name: math.prod(p.shape) for p in parameters}
        self._left = dict(self._sizes)

    def take(self, operation: Operation, alone: bool) -> int:
        """Parameters that this operation is the first to use."""
        weight, module = operation.where.parameter, operation.where.module
        if not self._sizes:
            shape = operation.attributes.get("weight_shape")
            bias = shape[0] if shape and operation.attributes.get("has_bias") else 0
            return math.prod(shape) + bias if shape else 0
        if weight is None:
            return 0
        names = {weight, weight.rpartition("weight")[0] + "bias"}
        if alone and module:
            names |= {name for name in self._left if name.rpartition(".")[0] == module}
        return sum(self._left.pop(name, 0) for name in names)


def _leaves(
    graph: Graph, values: dict[str, dict[str, float]], counter: _Counter, model: str
) -> list[Leaf]:
    """The operations that lead to a result, in order, behind what goes into the pass."""
    kept = _kept(graph)
    position: dict[int, int] = {}
    fed: dict[tuple[int, ...], int] = {}
    leaves: list[Leaf] = []
    inputs_of = {index: _outside(graph.operations[index]) for index in kept}
    first = next((shape for shape in inputs_of.values() if shape is not None), None)
    for index in kept:
        shape = inputs_of[index]
        made = any(source in set(kept) for source in graph.operations[index].inputs)
        if shape is not None and shape not in fed and (shape == first or not made):
            fed[shape] = len(leaves)
            box = Box(f"i{len(leaves)}", "input", "input", shape=list(shape), operations=0)
            leaves.append(Leaf(box, (), []))
    modules = [graph.operations[index].where.module for index in kept]
    for index in kept:
        operation = graph.operations[index]
        alone = modules.count(operation.where.module) == 1
        path = tuple((operation.where.module or "").split(".")) if operation.where.module else ()
        path = path[1:] if path[:1] == (model,) else path
        sources = [position[source] for source in operation.inputs if source in position]
        shape = inputs_of[index]
        if shape in fed and (shape == first or not sources):
            sources.append(fed[shape])
        position[index] = len(leaves)
        box = _operation_box(index, operation, values.get(operation.layer, {}))
        box.parameters = counter.take(operation, alone)
        weighted = operation.where.parameter is not None and not operation.name.endswith("_norm")
        leaves.append(Leaf(box, path, list(dict.fromkeys(sources)), weighted))
    return leaves


def _kept(graph: Graph) -> list[int]:
    """Operations that lead to what backward was called on or a model returned; else all."""
    pending, seen = [*graph.roots, *graph.outputs], set[int]()
    while pending:
        index = pending.pop()
        if index >= 0 and index not in seen:
            seen.add(index)
            pending += graph.operations[index].inputs
    return sorted(seen) or list(range(len(graph.operations)))


def _outside(operation: Operation) -> tuple[int, ...] | None:
    """Shape of the first argument where that was made before the pass."""
    if operation.inputs and operation.inputs[0] == -1 and operation.input_shapes:
        return tuple(operation.input_shapes[0])
    if operation.name == "embedding":
        for made, shape in zip(operation.inputs, operation.input_shapes):
            if made == -1:
                return tuple(shape)
    return None


def _operation_box(index: int, operation: Operation, values: dict[str, float]) -> Box:
    where = operation.where
    line = f"{(where.file or '').rpartition('/')[2]}:{where.line}" if where.file else ""
    return Box(
        key=f"o{index}",
        title=operation.name,
        kind="operation",
        operation=operation.name,
        path=where.module or "",
        shape=operation.shape,
        values=values,
        attributes=operation.attributes,
        line=line,
    )


def _fill(
    box: Box, members: list[int], leaves: list[Leaf], edges: list[tuple[int, int]], depth: int
) -> None:
    """Put the operations `members` into a box: those of one module that follow each other
    together. Runs are stretches of the order of execution, so no cycle can arise."""
    runs: list[list[int]] = []
    for index in members:
        name = leaves[index].path[depth : depth + 1]
        before = leaves[runs[-1][-1]].path[depth : depth + 1] if runs else ()
        if name and name == before:
            runs[-1].append(index)
        else:
            runs.append([index])
    if len(runs) == 1 and len(members) > 1:  # a box that holds one box: they are one
        if depth:
            box.title += f".{leaves[members[0]].path[depth]}"
        _fill(box, members, leaves, edges, depth + 1)
        return
    box.children = [_child(run, leaves, edges, depth) for run in runs]
    place = {index: number for number, run in enumerate(runs) for index in run}
    carried: dict[tuple[int, int], int] = {}
    for source, target in edges:
        pair = (place.get(source, IN), place.get(target, OUT))
        if pair[0] != pair[1] and pair != (IN, OUT):
            carried.setdefault(pair, leaves[source].box.level)
    box.edges, box.edge_levels = list(carried), list(carried.values())
    _sum_up(box, members, leaves)


def _child(run: list[int], leaves: list[Leaf], edges: list[tuple[int, int]], depth: int) -> Box:
    first = leaves[run[0]]
    if len(run) == 1:
        name = ".".join(first.path[depth:])
        first.box.title = name or first.box.title
        return first.box
    # The first operation's number: a module that runs twice gives two boxes.
    path = ".".join(first.path[: depth + 1])
    box = Box(f"m{first.box.key}d{depth}", first.path[depth], "module", path=path)
    inside = set(run)
    kept = [(s, t) for s, t in edges if s in inside or t in inside]
    _fill(box, run, leaves, kept, depth + 1)
    return box


def _sum_up(box: Box, members: list[int], leaves: list[Leaf]) -> None:
    inside = [leaves[index].box for index in members]
    box.parameters = sum(b.parameters for b in inside)
    box.operations = sum(b.operations for b in inside)
    leaving = [pair[0] for pair in box.edges if pair[1] == OUT and pair[0] >= 0]
    last = box.children[max(leaving, default=len(box.children) - 1)]
    box.shape, box.values, box.leaving = last.shape, last.values, last.leaving
    box.signal_level = max((b.signal_level for b in inside), key=abs, default=0)
    box.gradient_level = max((b.gradient_level for b in inside), key=abs, default=0)
