"""Small Records written by hand, for tests of rules.

record(
    graph(linear(784, 100), "relu", linear(100, 10), "cross_entropy"),
    signals("cross_entropy", value=2.31, accuracy=0.1),
    weights("linear.weight", row_difference=0.0),
    batch(shape=(64, 784), max=255.0),
    steps([2.3, 2.1]),
    loop(optimizers=[optimizer(lr=0.1)], finished=True),
)
"""

from collections.abc import Iterable, Sequence
from typing import Any

from steadygrad import rules
from steadygrad.record import (
    OUTSIDE,
    PARAMETER,
    Batch,
    Facts,
    Finding,
    Graph,
    LayerSignals,
    Line,
    Loop,
    Operation,
    Optimizer,
    Parameter,
    ParameterSignals,
    Record,
    Step,
    Where,
)
from steadygrad.rules.graph import LOSSES, NORMS, WEIGHTED

FILE = "train.py"
FIRST_LINE, BUILT_OFFSET, CALL_LINE = 11, 100, 5
"""Operation i of a graph is called in line 11 + i, a module's was built in line 111 + i; the loop
calls the model in line 5."""
BATCH, CLASSES = 64, 10


def op(name: str, *inputs: int, **fields: Any) -> Operation:
    """An operation; what is left out is filled in by `graph` from its place.

    `inputs` are positions, OUTSIDE or PARAMETER; none: it takes the result of the row before (and
    a weight, a target where its name has one). Fields of Operation are set as such (line= of
    `where`, built_line= of `built`, module=, parameter=); all else goes into `attributes`.
    """
    operation = Operation(name, fields.pop("layer", ""), inputs=list(inputs))
    line, built = fields.pop("line", None), fields.pop("built_line", None)
    operation.where = Where(
        FILE if line else None, line, fields.pop("module", None), fields.pop("parameter", None)
    )
    operation.built = Where(FILE, built) if built else None
    for field in ("called", "input_shapes", "shape", "dtype"):
        if field in fields:
            value = fields.pop(field)
            setattr(operation, field, list(value) if isinstance(value, tuple) else value)
    operation.attributes = fields.pop("attributes", fields)
    return operation


def linear(num_inputs: int, num_outputs: int, *inputs: int, **fields: Any) -> Operation:
    """A linear layer."""
    return op("linear", *inputs, weight_shape=[num_outputs, num_inputs], **_biased(fields))


def conv(num_inputs: int, num_outputs: int, *inputs: int, **fields: Any) -> Operation:
    """A 3x3 convolution; groups= as in torch."""
    kernel, groups = fields.pop("kernel", 3), fields.pop("groups", 1)
    shape = [num_outputs, num_inputs // groups, kernel, kernel]
    more = {"weight_shape": shape, "groups": groups, "kernel": [kernel, kernel], "stride": [1, 1]}
    return op("conv2d", *inputs, **more, **_biased(fields))


def _biased(fields: dict[str, Any]) -> dict[str, Any]:
    return {"has_bias": True, **fields}


def graph(
    *rows: Operation | str,
    step: int = 0,
    kind: str = "train",
    roots: Sequence[int] | None = None,
    outputs: Sequence[int] = (),
) -> Graph:
    """A pass of these operations, chained where they name no inputs of their own.

    Layers are named after the operation ("linear", "linear#2", …), modules and weights after the
    layer. A training pass has its last operation as root unless `roots` says otherwise.
    """
    operations: list[Operation] = []
    for index, row in enumerate(rows):
        operation = op(row) if isinstance(row, str) else row
        _place(operation, index, operations)
        operations.append(operation)
    if roots is None:
        roots = [len(operations) - 1] if kind == "train" and operations else []
    return Graph(step, kind, operations, list(roots), list(outputs))


def _place(operation: Operation, index: int, before: Sequence[Operation]) -> None:
    """Fill in what was left out, from the operations before."""
    name = operation.name
    count = sum(1 for earlier in before if earlier.name == name) + 1
    operation.layer = operation.layer or (name if count == 1 else f"{name}#{count}")
    has_weight = name in (WEIGHTED - {"matmul"}) | NORMS or operation.where.parameter is not None
    if not operation.inputs:
        operation.inputs = [index - 1 if index else OUTSIDE]
        operation.inputs += [PARAMETER] if has_weight else []
        operation.inputs += [OUTSIDE] if name in LOSSES else []
    taken = next((before[i] for i in operation.inputs if i >= 0), None)
    base = (
        list(taken.shape) if taken else _batch_shape(operation.attributes.get("weight_shape", []))
    )
    operation.input_shapes = operation.input_shapes or _input_shapes(operation, before, base)
    operation.shape = operation.shape or _shape(operation, base)
    operation.dtype = operation.dtype or "float32"
    operation.called = operation.called or Where(FILE, CALL_LINE)
    place = operation.where
    place.file, place.line = FILE, place.line or FIRST_LINE + index
    if has_weight:
        place.module = place.module or operation.layer
        place.parameter = place.parameter or f"{place.module}.weight"
        operation.built = operation.built or Where(FILE, FIRST_LINE + BUILT_OFFSET + index)


def _batch_shape(weight: Sequence[int]) -> list[int]:
    """Of what comes from outside, as far as the weight that takes it says so."""
    return [BATCH, *weight[1:2], *([32, 32] if len(weight) == 4 else [])]


def _shape(operation: Operation, base: list[int]) -> list[int]:
    weight = operation.attributes.get("weight_shape")
    if operation.name in LOSSES:
        return []
    if operation.name in ("linear", "matmul") and weight:
        return [*(base[:-1] or [BATCH]), weight[0]]
    if operation.name.startswith("conv") and weight:
        return [base[0], weight[0], *(base[2:] or [32, 32])]
    return base


def _input_shapes(
    operation: Operation, before: Sequence[Operation], base: list[int]
) -> list[list[int]]:
    weight = operation.attributes.get("weight_shape", [])
    outside = base if operation.name not in LOSSES else base[:1]
    kinds = {OUTSIDE: outside, PARAMETER: weight}
    return [list(before[i].shape if i >= 0 else kinds[i]) for i in operation.inputs]


def signals(layer: str, step: int = 0, kind: str = "train", **values: float) -> LayerSignals:
    """Statistics of one operation's output at one step."""
    return LayerSignals(step, layer, values, [], kind)


def weights(parameter: str, step: int = 0, **values: float) -> ParameterSignals:
    """Statistics of one trainable tensor at one update."""
    return ParameterSignals(step, parameter, values)


STANDARDISED = {"min": -2.5, "max": 2.8, "mean": 0.0, "std": 1.0, "batch_spread": 0.9}


def batch(step: int = 0, kind: str = "train", **fields: Any) -> Batch:
    """What the model was called with in line 5; statistics go into `inputs`, standardised ones
    where nothing is said."""
    shape = list(fields.pop("shape", (BATCH, 1, 28, 28)))
    statistics = {**STANDARDISED, "non_finite_fraction": 0.0, "zero_fraction": 0.0}
    keys = (*statistics, "feature_std_ratio")
    statistics |= {key: fields.pop(key) for key in keys if key in fields}
    fields.setdefault("fingerprint", f"{kind} {step}")
    fields.setdefault("where", Where(FILE, CALL_LINE))
    fields.setdefault("dtype", "float32")
    return Batch(step, kind, shape[0], shape, inputs=statistics, **fields)


def steps(values: Iterable[float], steps_per_epoch: int = 100, lr: float = 0.1) -> list[Step]:
    """One Step per loss, from step 1."""
    return [
        Step(i + 1, i // steps_per_epoch, float(loss), lr, BATCH) for i, loss in enumerate(values)
    ]


def optimizer(name: str = "SGD", lr: float = 0.1, **fields: Any) -> Optimizer:
    """An optimizer made in line 8, with one group."""
    fields.setdefault("groups", [{"lr": lr, "initial_lr": lr, "weight_decay": 0.0, "momentum": 0}])
    return Optimizer(name, fields.pop("where", Where(FILE, 8)), **fields)


def parameter(name: str, shape: Sequence[int] = (CLASSES, 64), **fields: Any) -> Parameter:
    """A trainable tensor of the first optimizer that got a gradient at each of ten updates."""
    defaults = {"optimizer": 0, "watched": 10, "received": 10, "used_by": name.rpartition(".")[0]}
    return Parameter(name, list(shape), **{**defaults, **fields})


def loop(**fields: Any) -> Loop:
    """The loop's habits; `step` defaults to 100."""
    return Loop(**{"step": 100, **fields})


def record(*lines: Line | Iterable[Line], **facts: Any) -> Record:
    """A Record of these lines (lists of lines are taken apart); keywords are Facts."""
    made = Record(facts=Facts(**facts))
    for line in lines:
        for one in line if isinstance(line, list | tuple) else [line]:
            made.add(one)  # type: ignore[arg-type]
    return made


def found(of: Record, name: str) -> list[Finding]:
    """The findings of one rule alone, whatever explains them."""
    return list(next(rule for rule in rules.RULES if rules.name_of(rule) == name)(of))


__all__ = ["OUTSIDE", "PARAMETER"]
