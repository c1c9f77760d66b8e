"""Operations of a pass while it runs, and what becomes of them in the Record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FrameType

from torch import Tensor, nn

from steadygrad.monitor.attributes import kept_dtype
from steadygrad.record import OUTSIDE, Graph, LayerSignals, Operation, Where

Values = dict[str, float]


class Node:
    """One operation that ran, before the pass is over and layers have their names."""

    __slots__ = (
        "attributes", "called", "channel_dim", "dtype", "frame", "histogram", "input_shapes",
        "inputs", "module", "name", "parameter", "segment", "shape", "values", "where",
    )  # fmt: skip

    def __init__(
        self, name: str, where: Where, frame: FrameType | None, module: nn.Module | None
    ) -> None:
        self.name = name
        self.where = where
        self.frame: FrameType | None = frame
        self.module = module
        self.inputs: list[Node | int] = []
        self.input_shapes: list[list[int]] = []
        self.shape: list[int] = []
        self.dtype = ""
        self.attributes: dict[str, object] = {}
        self.values: Values = {}
        self.histogram: list[float] = []
        self.parameter: Tensor | None = None
        self.segment = 0
        self.called: Where | None = None
        self.channel_dim = 1

    def describe(self, result: Tensor, weight: Tensor | None) -> None:
        """Take down what the result looks like, and the weight that went in."""
        self.shape, self.dtype = list(result.shape), kept_dtype(result)
        self.parameter = weight
        if self.name.startswith("conv"):
            self.channel_dim = 1
        elif self.name in ("linear", "matmul", "layer_norm", "rms_norm", "embedding"):
            self.channel_dim = -1
        else:
            first = next((n for n in self.inputs if isinstance(n, Node)), None)
            self.channel_dim = first.channel_dim if first is not None else 1

    def ancestors(self) -> set[int]:
        """ids of this node and of all it depends on."""
        seen: set[int] = set()
        pending: list[Node] = [self]
        while pending:
            node = pending.pop()
            if id(node) not in seen:
                seen.add(id(node))
                pending += [n for n in node.inputs if isinstance(n, Node)]
        return seen


class Naming:
    """Asks for names of modules and parameters; the monitor's inventory answers."""

    def __init__(
        self,
        module: Callable[[nn.Module], str],
        parameter: Callable[[Tensor], str],
        built: Callable[[nn.Module | None], Where | None],
    ) -> None:
        self.module, self.parameter, self.built = module, parameter, built


def layer_keys(nodes: Sequence[Node], naming: Naming) -> list[str]:
    """The key of each node's signals: see `Operation.layer`."""
    names = [naming.module(node.module) if node.module is not None else "" for node in nodes]
    # Within one call of the model: accumulation and GANs call it several times in a pass.
    places = [(name, node.segment) for name, node in zip(names, nodes, strict=True)]
    alone: dict[tuple[str, int], int] = {}
    for place in places:
        alone[place] = alone.get(place, 0) + 1
    seen: dict[str, int] = {}
    keys: list[str] = []
    for node, name in zip(nodes, names, strict=True):
        key = name if name and alone[name, node.segment] == 1 else f"{name}/{node.name}".lstrip("/")
        seen[key] = seen.get(key, 0) + 1
        keys.append(key if seen[key] == 1 else f"{key}#{seen[key]}")
    return keys


def operations(nodes: Sequence[Node], keys: Sequence[str], naming: Naming) -> list[Operation]:
    """The nodes as plain data."""
    position = {id(node): index for index, node in enumerate(nodes)}
    return [_operation(node, key, position, naming) for node, key in zip(nodes, keys, strict=True)]


def _operation(node: Node, key: str, position: dict[int, int], naming: Naming) -> Operation:
    built = naming.built(node.module)
    where = Where(node.where.file, node.where.line)
    loop = node.called
    # The only line of the user's is the loop's call of the whole model: name the layer's own.
    if (
        built is not None
        and loop is not None
        and (where.file, where.line) == (loop.file, loop.line)
    ):
        where = Where(built.file, built.line)
    if node.module is not None:
        where.module = naming.module(node.module) or None
    if node.parameter is not None:
        where.parameter = naming.parameter(node.parameter) or None
    return Operation(
        name=node.name,
        layer=key,
        where=where,
        built=built,
        called=loop,
        inputs=[
            position.get(id(made), OUTSIDE) if isinstance(made, Node) else made
            for made in node.inputs
        ],
        input_shapes=node.input_shapes,
        shape=node.shape,
        dtype=node.dtype,
        attributes=node.attributes,
    )


def signals(nodes: Sequence[Node], keys: Sequence[str], step: int, kind: str) -> list[LayerSignals]:
    """The numbers of the nodes that have any."""
    return [
        LayerSignals(step, key, node.values, node.histogram, kind)
        for node, key in zip(nodes, keys, strict=True)
        if node.values
    ]


def structure(graph: Graph) -> tuple[object, ...]:
    """What makes two graphs the same for a rule."""
    rows = [
        (o.layer, o.name, tuple(o.inputs), str(o.attributes), len(o.shape))
        for o in graph.operations
    ]
    return (tuple(rows), tuple(graph.roots))
