"""Rule loss-input."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Finding, Graph, Operation, Record, Where
from steadygrad.rules.graph import SHAPE, is_weighted, learned, source, upstream
from steadygrad.rules.heads import (
    LABELS,
    Head,
    extremes,
    hand_written,
    head_names,
    heads,
    line_of,
    place,
    values_of,
)

ROW_SUM_TOLERANCE = 0.1
"""|sum over classes of exp(log-probability) - 1|: log_softmax in bfloat16 is off by up to 0.03."""
MARGIN = 1e-3
"""Rounding around 0 and 1."""
LOGARITHMS = frozenset(
    {
        "log_softmax",
        "log",
        "log1p",
        "log2",
        "log10",
        "logsigmoid",
        "logsumexp",
        "logaddexp",
        "xlogy",
    }
)
INTO_UNIT = frozenset({"sigmoid", "softmax", "hardsigmoid", "clamp"})
"""Operations whose result lies in [0, 1]: what comes out of them and does not is NaN."""
OUT_OF_RANGE = ("elements of input should be between 0 and 1", "input_val >= zero")
"""What torch says of a binary cross entropy given no probabilities, on a CPU and on a GPU."""
PICKING = frozenset({"mean", "sum", "neg", "div", "mul", "gather", "index", "getitem"}) | SHAPE
SOURCE = "PyTorch documentation of torch.nn.NLLLoss, KLDivLoss, BCELoss"


def loss_input(record: Record) -> Iterator[Finding]:
    """The loss function wants something else than it gets.

    Severity: error

    What
        `nll_loss`, `ctc_loss` or `kl_div` on numbers that are no log-probabilities (exp of a row
        does not sum to 1 and no logarithm was taken), `kl_div` with logarithms as its target,
        `binary_cross_entropy` on numbers outside [0, 1] or cut to them, or a hand-written
        `-p[range(n), y].mean()` without a logarithm.
    Why
        Each computes without complaint. The negative of a raw output falls without bound while
        nothing is learned about the classes; the divergence of plain probabilities has the wrong
        minimum.
    Fix
        `F.cross_entropy(logits, y)` in place of `nll_loss`; `F.log_softmax(x, dim=1)` before
        `nll_loss` and `kl_div`; `binary_cross_entropy_with_logits` for raw outputs.
    Source
        PyTorch documentation of torch.nn.NLLLoss, KLDivLoss, BCELoss.
    """
    found = [*_raised(record), *_named(record), *_picked(record), *_logarithm_of_raw(record)]
    places: set[tuple[str | None, int | None]] = set()
    for finding in found:
        key = (finding.where.file, finding.where.line)
        if key not in places:
            places.add(key)
            yield finding


def _named(record: Record) -> Iterator[Finding]:
    judges = {
        "nll_loss": _log_probabilities,
        "ctc_loss": _log_probabilities,
        "kl_div": _divergence,
        "binary_cross_entropy": _probabilities,
    }
    for head in heads(record):
        judge = judges.get(head.operation.name)
        problem = judge(record, head) if judge else None
        if problem:
            yield _finding(line_of(head.operation), head.graph.step, *problem)


Problem = tuple[str, str, str]
"""saw, expected, fix."""


def _log_probabilities(record: Record, head: Head) -> Problem | None:
    """What is wrong with the input of a loss that wants log-probabilities."""
    name, layer = head.operation.name, head.operation.layer
    maker = head.made_by(0)
    if head.origin >= 0 and head_names(head.graph, head.origin) & LOGARITHMS:
        return None
    deviations = values_of(record, layer, "input_exp_row_sum_deviation")
    if deviations and max(deviations) <= ROW_SUM_TOLERANCE:
        return None
    if not deviations and (maker is None or not _is_raw(maker)):
        return None
    spread = extremes(record, layer, "input")
    between = f", between {spread[0]:.3g} and {spread[1]:.3g}" if spread else ""
    sums = f"; exp of a row sums to 1 only within {max(deviations):.3g}" if deviations else ""
    what = "probabilities" if maker is not None and maker.name == "softmax" else "raw outputs"
    made = f" of `{maker.name}`" if maker is not None else ""
    wanted = "F.log_softmax(outputs, dim=1)"
    fix = f"Hand it `{wanted}`"
    if name == "nll_loss":
        fix = (
            "Use `F.cross_entropy(logits, labels)` on the raw outputs, or hand it " + f"`{wanted}`"
        )
    return (
        f"{name} gets {what}{made}{between}{sums}. No logarithm was taken.",
        "Log-probabilities: none over 0, exp of each row sums to 1.",
        fix + (" (and leave out the softmax)." if what == "probabilities" else "."),
    )


def _divergence(record: Record, head: Head) -> Problem | None:
    """What is wrong with either argument of kl_div."""
    layer, target = head.operation.layer, extremes(record, head.operation.layer, "target")
    problem = _log_probabilities(record, head)
    if problem:
        return problem
    logarithms = bool(head.operation.attributes.get("log_target"))
    if target and not logarithms and target[0] < -MARGIN:
        return (
            f"The target of kl_div goes down to {target[0]:.3g}: logarithms (or raw outputs), "
            "without `log_target=True`.",
            "Probabilities as the target, log-probabilities as the input.",
            "Give the target as `F.softmax(outputs, dim=1)`, or set `log_target=True`.",
        )
    if target and logarithms and target[1] > MARGIN and target[0] >= 0:
        return (
            f"kl_div has `log_target=True`, but its target lies between {target[0]:.3g} and "
            f"{target[1]:.3g}: no logarithms ({layer}).",
            "Log-probabilities as the target under `log_target=True`.",
            "Leave out `log_target=True`, or take the target's log_softmax.",
        )
    return None


def _probabilities(record: Record, head: Head) -> Problem | None:
    """What is wrong with the input of a binary cross entropy."""
    spread = extremes(record, head.operation.layer, "input")
    maker = head.made_by(0)
    if maker is not None and maker.name in ("clamp", "hardtanh") and _is_clipped(head):
        return (
            f"binary_cross_entropy gets raw outputs, cut to 0..1 by {maker.name}.",
            "Probabilities between 0 and 1, out of a sigmoid.",
            "Use `F.binary_cross_entropy_with_logits` on the raw outputs, without the "
            f"{maker.name}: what it cuts has no gradient.",
        )
    if not spread or (spread[0] >= -MARGIN and spread[1] <= 1 + MARGIN):
        return None
    return (
        f"binary_cross_entropy gets numbers between {spread[0]:.3g} and {spread[1]:.3g}.",
        "Probabilities between 0 and 1, out of a sigmoid.",
        "Use `F.binary_cross_entropy_with_logits` (`nn.BCEWithLogitsLoss`) on the raw outputs.",
    )


def _is_clipped(head: Head) -> bool:
    """Whether what a clamp cuts comes straight out of a layer."""
    made = source(head.graph, head.graph.operations[head.origin])
    return made >= 0 and is_weighted(head.graph.operations[made])


def _raised(record: Record) -> Iterator[Finding]:
    """A binary cross entropy on raw outputs that ended the script."""
    error = record.loop.exception
    if not any(text in str(error.get("text", "")) for text in OUT_OF_RANGE) or _has_nan(record):
        return
    yield _finding(
        Where(error.get("file"), error.get("line")),
        record.loop.step,
        f"The script ended with: {error['text']}. The binary cross entropy got raw outputs.",
        "Probabilities between 0 and 1, out of a sigmoid.",
        "Use `F.binary_cross_entropy_with_logits` (`nn.BCEWithLogitsLoss`) on the raw outputs, or "
        "end the model with a sigmoid.",
    )


def _has_nan(record: Record) -> bool:
    """Whether what was no probability was NaN: bad input, or out of a sigmoid all the same."""
    if any(batch.inputs.get("non_finite_fraction", 0.0) > 0 for batch in record.batches):
        return True
    for graph in record.graphs[-1:]:
        ends = list(graph.outputs) or [len(graph.operations) - 1]
        ends += [
            source(graph, operation)
            for operation in graph.operations
            if operation.name == "binary_cross_entropy"
        ]
        made = [upstream(graph, end) for end in ends]
        if any(end >= 0 and graph.operations[end].name in INTO_UNIT for end in made):
            return True
    return False


def _picked(record: Record) -> Iterator[Finding]:
    """-p[range(n), y].mean() and its kin on what no logarithm was taken of."""
    trained = [p for p in record.loop.parameters if p.optimizer is not None and p.registered]
    if not trained:
        return
    for graph, root in hand_written(record):
        seen, stops = _walk(graph, root)
        names = {graph.operations[index].name for index in seen}
        makers = [graph.operations[index] for index in stops]
        told = any(maker.name in LABELS for maker in makers)
        makers = [maker for maker in makers if maker.name not in LABELS]
        if "neg" not in names or not makers or not (told or _picks(graph, seen)):
            continue
        if not all(_is_raw(maker) for maker in makers):
            continue
        probable = any(maker.name == "softmax" for maker in makers)
        what = "probability" if probable else "raw output"
        yield _finding(
            line_of(graph.operations[root]),
            graph.step,
            f"The loss is minus the mean {what} of the true class: no logarithm is taken.",
            "Minus the mean log-probability of the true class.",
            "Use `F.cross_entropy(logits, labels)` on the raw outputs, or take `torch.log` of the "
            "softmax first.",
        )


def _walk(graph: Graph, root: int) -> tuple[set[int], set[int]]:
    """Operations that only pick, scale and sum, back from `root`; and those they start from."""
    seen: set[int] = set()
    stops: set[int] = set()
    pending = [root]
    while pending:
        index = pending.pop()
        if index < 0 or index in seen or index in stops:
            continue
        if graph.operations[index].name in PICKING:
            seen.add(index)
            pending += graph.operations[index].inputs
        else:
            stops.add(index)
    return seen, stops


def _picks(graph: Graph, seen: set[int]) -> bool:
    """Whether one number per example is picked by a tensor of labels."""
    return any(
        operation.name == "gather" or len(operation.input_shapes or operation.inputs) > 1
        for operation in (graph.operations[index] for index in seen)
        if operation.name in ("gather", "index", "getitem")
    )


def _is_raw(maker: Operation) -> bool:
    return maker.name in ("softmax", "relu", "sigmoid", "tanh") or is_weighted(maker)


def _logarithm_of_raw(record: Record) -> Iterator[Finding]:
    """torch.log(logits): not a number wherever the output is negative."""
    for graph, _ in hand_written(record):
        for index in sorted(learned(graph)):
            operation = graph.operations[index]
            made = source(graph, operation)
            if operation.name != "log" or made < 0 or not is_weighted(graph.operations[made]):
                continue
            spread = extremes(record, graph.operations[made].layer, "")
            if spread and spread[0] < 0:
                yield _finding(
                    place(operation.where, operation.called),
                    graph.step,
                    f"The logarithm is taken of raw outputs that go down to {spread[0]:.3g}.",
                    "Of probabilities, which a softmax or a sigmoid makes of them.",
                    "Use `F.cross_entropy(logits, labels)`, or `F.log_softmax(outputs, dim=1)` in "
                    "place of `torch.log(outputs)`.",
                )
                return


def _finding(where: Where, step: int, saw: str, expected: str, fix: str) -> Finding:
    return Finding(
        rule="loss-input",
        severity="error",
        step=step,
        saw=saw,
        expected=expected,
        fix=fix,
        source=SOURCE,
        where=where,
    )
