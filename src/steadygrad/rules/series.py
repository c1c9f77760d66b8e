"""What rules read over steps: learning curves, sizes of updates, gradients through depth."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import median

from steadygrad.record import Graph, LayerSignals, Parameter, ParameterSignals, Record, Where
from steadygrad.rules.graph import LOSSES, first_graph, graphs, is_weighted, learned
from steadygrad.rules.reading import guess_loss

NEAR_ZERO = 1e-5
"""RMS of a weight that starts at zero on purpose (heads, last norm scales, residual branches): the
ratio of its updates to itself means nothing. Small but real initialisations are over 1e-4."""
SLOPE_POINTS = 60
"""Theil-Sen looks at every pair: more points cost time and add little."""
TOGETHER = 1.1
"""Updates of all optimizers by rounds: over it they work side by side. Below, one works after the
other (training, then fine-tuning), each on a loss of its own time."""
LABELS_PER_CLASS = 20
"""Fewer labels than this per class underestimate the entropy of their shares."""


def loss_curve(record: Record) -> list[tuple[int, float]]:
    """(updates done, loss) of every step whose loss is a number."""
    return [(line.step, line.loss) for line in record.steps if math.isfinite(line.loss)]


def one_goal(record: Record) -> bool:
    """Whether one optimizer minimises one loss, so that a falling curve means progress.

    GANs and actors with critics have several; accumulation repeats one loss of one line.
    """
    working = [optimizer.steps for optimizer in record.loop.optimizers if optimizer.steps]
    if len(working) > 1 and sum(working) > TOGETHER * record.loop.step:
        return False
    for graph in graphs(record):
        inside = [graph.operations[root] for root in graph.roots if root < len(graph.operations)]
        if len({(operation.name, operation.where.line) for operation in inside}) > 1:
            return False
    return True


def robust_slope(values: Sequence[float]) -> float:
    """The median slope over all pairs (Theil-Sen), per value; 0 for fewer than two.

    >>> robust_slope([3.0, 2.5, 9.0, 1.5, 1.0])
    -0.5
    """
    stride = max(1, math.ceil(len(values) / SLOPE_POINTS))
    points = list(enumerate(values))[::stride]
    slopes = [(y - b) / (x - a) for i, (a, b) in enumerate(points) for x, y in points[i + 1 :]]
    return median(slopes) if slopes else 0.0


def windows(values: Sequence[float], width: int) -> list[float]:
    """The median of every `width` values in a row, one after the other.

    >>> windows([1.0, 9.0, 2.0, 3.0, 5.0], 3)
    [2.0, 3.0, 3.0]
    """
    return [median(values[i : i + width]) for i in range(len(values) - width + 1)]


def by_step(record: Record) -> dict[int, dict[str, ParameterSignals]]:
    """Watched step → parameter → its signals, in the order of steps."""
    found: dict[int, dict[str, ParameterSignals]] = defaultdict(dict)
    for line in record.parameter_signals:
        found[line.step][line.parameter] = line
    return dict(sorted(found.items()))


def weights(record: Record) -> list[Parameter]:
    """Trainable tensors of two or more dimensions that did not start at zero."""
    start: dict[str, float] = {}
    for line in record.parameter_signals:
        start.setdefault(line.parameter, line.values.get("rms", 0.0))
    return [
        parameter
        for parameter in record.loop.parameters
        if parameter.trainable
        and len(parameter.shape) > 1
        and start.get(parameter.name, 0.0) > NEAR_ZERO
    ]


def weights_in_order(record: Record) -> list[Parameter]:
    """The same in the order of use in the first training pass; embeddings are left out.

    An embedding's gradient is zero in every row the batch does not name.
    """
    graph = first_graph(record)
    if graph is None:
        return []
    place = {operation.layer: i for i, operation in reversed(list(enumerate(graph.operations)))}
    used = [
        parameter
        for parameter in weights(record)
        if parameter.used_by in place
        and graph.operations[place[parameter.used_by]].name != "embedding"
    ]
    return sorted(used, key=lambda parameter: place[parameter.used_by])


def update_ratios(record: Record) -> list[tuple[int, float, float]]:
    """(watched step, median, largest) update-to-weight ratio over the weights with a gradient."""
    names = {parameter.name for parameter in weights(record)}
    found: list[tuple[int, float, float]] = []
    for step, lines in by_step(record).items():
        ratios = [
            line.values["update_ratio"]
            for name, line in lines.items()
            if name in names
            and line.values.get("grad_rms", 0.0) > 0
            and math.isfinite(line.values.get("update_ratio", math.nan))
        ]
        if ratios:
            found.append((step, median(ratios), max(ratios)))
    return found


def decay_shares(record: Record) -> list[tuple[int, float]]:
    """(watched step, median over the weights of weight decay's part by the gradient's part)."""
    names = {parameter.name for parameter in weights(record)}
    found: list[tuple[int, float]] = []
    for step, lines in by_step(record).items():
        shares = [
            line.values["decay_ratio"]
            for name, line in lines.items()
            if name in names and "decay_ratio" in line.values
        ]
        if shares:
            found.append((step, median(shares)))
    return found


def gradient_norms(record: Record) -> list[tuple[int, float]]:
    """(step, L2 norm of the whole gradient): of all steps where known, else of watched ones."""
    measured = [(line.step, line.grad_norm) for line in record.steps if line.grad_norm is not None]
    if measured:
        return [(step, norm) for step, norm in measured if math.isfinite(norm)]
    size = {parameter.name: math.prod(parameter.shape) for parameter in record.loop.parameters}
    found: list[tuple[int, float]] = []
    for step, lines in by_step(record).items():
        squares = sum(
            line.values.get("grad_rms", 0.0) ** 2 * size.get(name, 1)
            for name, line in lines.items()
        )
        if 0 < squares < math.inf:
            found.append((step, math.sqrt(squares)))
    return found


def losing(record: Record) -> list[str]:
    """Layers of the named losses that a backward went through."""
    names: dict[str, None] = {}
    for graph in graphs(record):
        inside = learned(graph) if graph.roots else set(range(len(graph.operations)))
        for index in sorted(inside):
            if graph.operations[index].name in LOSSES:
                names[graph.operations[index].layer] = None
    return list(names)


def loss_signals(record: Record) -> list[LayerSignals]:
    """What was measured of the training losses (`value`, `accuracy`, …), in the order of steps."""
    names = set(losing(record))
    return [line for line in record.signals if line.layer in names and line.kind == "train"]


def labels(record: Record) -> list[int]:
    """All training labels seen on watched steps."""
    return [label for batch in record.batches if batch.kind == "train" for label in batch.labels]


def label_majority(record: Record) -> float:
    """Share of the commonest label seen; 0 where none was."""
    seen = labels(record)
    return max(_counts(seen).values()) / len(seen) if seen else 0.0


def num_outputs(record: Record) -> int:
    """Classes the cross entropy chooses from; 0 where there is none, or several differ."""
    found = {
        int(operation.attributes.get("num_classes") or 0)
        for graph in graphs(record)
        for operation in graph.operations
        if operation.name in ("cross_entropy", "nll_loss")
    }
    return found.pop() if len(found) == 1 else 0


def constant_guess(record: Record) -> float | None:
    """Mean cross entropy of the best constant guess, in nats, from the facts or as watched.

    None where the loss is no cross entropy of known width.
    """
    known = guess_loss(record)
    classes = num_outputs(record)
    if known is not None or classes < 2:
        return known
    counts = _counts(labels(record))
    total = sum(counts.values())
    weighted = any(
        operation.attributes.get("weighted")
        for graph in graphs(record)
        for operation in graph.operations
    )
    if weighted or total < LABELS_PER_CLASS * classes:
        return math.log(classes)
    return -sum(count / total * math.log(count / total) for count in counts.values())


def start_loss(record: Record) -> float | None:
    """The loss before anything was learned: the first one."""
    return next((loss for _, loss in loss_curve(record)), None)


def rate(record: Record) -> float:
    """The largest learning rate used so far."""
    return max((line.lr for line in record.steps), default=0.0)


def rate_rising(record: Record) -> bool:
    """Whether a warm-up still goes on: the rate is under half of what is planned, or grows."""
    if not record.steps:
        return False
    now = record.steps[-1].lr
    planned = [
        float(group.get("initial_lr") or 0.0)
        for optimizer in record.loop.optimizers[:1]
        for group in optimizer.groups[:1]
    ]
    before = record.steps[-max(1, len(record.steps) // 5)].lr
    return now > 1.02 * before or (now >= rate(record) and now < 0.5 * max(planned, default=0.0))


def optimizer_place(record: Record) -> Where:
    """The user's line that made the (first) optimizer."""
    return record.loop.optimizers[0].where if record.loop.optimizers else Where()


def type_rate(record: Record, value: float) -> str:
    """What to type for that learning rate: in the user's line, or on our command line."""
    place = optimizer_place(record)
    if place.file is None:
        return f"`--lr {value:.1g}`"
    return f"`lr={value:.1g}` in line {place.line}"


def runs(flags: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """(start, end) of each stretch of true values, the end not included.

    >>> list(runs([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    begin: int | None = None
    for index, flag in enumerate([*flags, False]):
        if flag and begin is None:
            begin = index
        elif not flag and begin is not None:
            yield begin, index
            begin = None


def _counts(values: Sequence[int]) -> dict[int, int]:
    counts: dict[int, int] = defaultdict(int)
    for value in values:
        counts[value] += 1
    return counts


def between_weights(graph: Graph) -> list[int]:
    """Operations with a weight somewhere before and somewhere behind them: the hidden ones."""
    above: list[bool] = []
    for operation in graph.operations:
        above.append(is_weighted(operation) or any(above[i] for i in operation.inputs if i >= 0))
    below = [False] * len(graph.operations)
    for index in reversed(range(len(graph.operations))):
        operation = graph.operations[index]
        if below[index] or is_weighted(operation):
            for made_by in operation.inputs:
                if made_by >= 0:
                    below[made_by] = True
    return [index for index in range(len(graph.operations)) if above[index] and below[index]]
