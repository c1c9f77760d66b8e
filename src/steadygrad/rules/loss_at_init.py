"""Rule loss-at-init."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from steadygrad.record import Finding, Graph, Record, Where
from steadygrad.rules.graph import (
    SHAPE,
    call_line,
    first_graph,
    losses,
    signals,
    upstream,
)
from steadygrad.rules.reading import guess_loss, uniform_loss

WARN_LOW, WARN_HIGH = 0.8, 1.25
ERROR_LOW, ERROR_HIGH = 0.5, 2.0
"""Times the loss of guessing. Twelve healthy networks started at 1.00 to 1.02."""
WARN_RATIO, WARN_EXCESS = 1.5, 1.0
ERROR_RATIO, ERROR_EXCESS = 3.0, 3.0
"""Of a single batch in somebody's own loop: times the loss of guessing, and nats over it. Kaiming
weights in the head, usual and harmless, give 0.9 nats over it: 1.4 times ln 10, 2.3 times ln 2."""
FEW, FEW_EXCESS = 8, 5.0
"""Examples under which one batch says little, and the nats that say enough all the same."""
ROW_SUM = 0.05
"""Of exp(log probabilities): further from 1, and it is no cross entropy (loss-input)."""
ON_THE_WAY = SHAPE | {"neg", "mean", "mul", "sum", "gather", "index", "where"}
"""Between a log_softmax and a hand-written cross entropy's root."""


def loss_at_init(record: Record) -> Iterator[Finding]:
    """The first loss is far from that of guessing.

    Severity: error or warning

    What
        The cross entropy before the first step, against ln C (C classes; ln 2 for a binary one).
        Measured over the data in our own runs: a warning over 1.25 or under 0.8 times, an error
        over 2 or under 0.5 times; where classes are unequal the lower bound counts from the entropy
        of their shares. In a watched script, of the first batch: a warning over 1.5 times and 1 nat
        more, an error over 3 times and 3 nats more. Only mean losses of the cross entropy family
        are judged; a network that is trained already starts low and is left out.
    Why
        A high loss means large, confident, wrong logits: inputs not scaled, weights too large, or
        the wrong loss. A low one means that the network was told the answer.
    Fix
        Scale the inputs (`--preprocess channel-mean-std`), make the last layer's weights small
        (`nn.init.normal_(head.weight, std=0.01)`, bias 0), and hand plain logits to the loss.
    Source
        Stanford CS231n notes, part 3: look for correct loss at chance performance.
    """
    if record.facts.initial.get("loss") is not None:
        yield from _measured(record)
        return
    found = max(_first_losses(record), key=lambda loss: loss.value / loss.uniform, default=None)
    if found is None:
        return
    ratio, excess = found.value / found.uniform, found.value - found.uniform
    if ratio < WARN_RATIO or excess < (WARN_EXCESS if found.examples >= FEW else FEW_EXCESS):
        return
    yield Finding(
        rule="loss-at-init",
        severity="error" if ratio > ERROR_RATIO and excess > ERROR_EXCESS else "warning",
        step=0,
        saw=f"The first {found.name} is {found.value:.4g}, {ratio:.2g} times the "
        f"{found.uniform:.3g} of equal probabilities (ln {found.classes}).",
        expected=f"About {found.uniform:.3g}: a new network knows nothing and should say so.",
        fix="Make the first logits small: nn.init.normal_(head.weight, std=0.01), bias 0, no large "
        "factor behind the head; scale the inputs; look at the sign of an initial bias.",
        source="CS231n, neural networks part 3",
        where=found.where,
        numbers={"loss": found.value, "uniform_loss": found.uniform, "ratio": ratio},
    )


@dataclass(frozen=True)
class First:
    """One cross entropy before the first update."""

    name: str
    value: float
    classes: int
    examples: int
    where: Where

    @property
    def uniform(self) -> float:
        """Of equal probabilities."""
        return math.log(self.classes)


def _first_losses(record: Record) -> Iterator[First]:
    graph = first_graph(record)
    if graph is None or graph.step > 0:
        return
    named = losses(graph)
    for index in named:
        loss = graph.operations[index]
        values = next((line.values for line in signals(record, loss.layer) if line.step == 0), None)
        if values is None or loss.attributes.get("reduction", "mean") != "mean":
            continue
        value, classes = values.get("value", math.nan), _classes(graph, index, values)
        if classes > 1 and math.isfinite(value):
            rows = loss.input_shapes[0][0] if loss.input_shapes and loss.input_shapes[0] else 0
            yield First(loss.name, value, classes, rows, replace(call_line(loss)))
    if not named:
        yield from _hand_written(record, graph)


def _classes(graph: Graph, index: int, values: dict[str, float]) -> int:
    """Between how many answers a loss chooses; 0: it is none of the family."""
    loss = graph.operations[index]
    if loss.name == "cross_entropy":
        return int(loss.attributes.get("num_classes", 0))
    if loss.name == "nll_loss":
        proper = values.get("input_exp_row_sum_deviation", 1.0) < ROW_SUM
        return int(loss.attributes.get("num_classes", 0)) if proper else 0
    binary = loss.name.startswith("binary_cross_entropy") and not loss.attributes.get("weighted")
    inside = values.get("target_min", 0.0) >= 0 and values.get("target_max", 1.0) <= 1
    return 2 if binary and inside else 0


def _hand_written(record: Record, graph: Graph) -> Iterator[First]:
    """The mean of picked numbers of a log_softmax, negated: the step's own loss is its value."""
    step = next((line for line in record.steps if line.step == 1), None)
    if step is None or len(graph.roots) != 1 or not math.isfinite(step.loss):
        return
    root = graph.roots[0]
    made = upstream(graph, root, ON_THE_WAY)
    if made < 0 or graph.operations[made].name != "log_softmax":
        return
    logits, names = graph.operations[made], {o.name for o in graph.operations[made + 1 : root + 1]}
    classes = int(logits.attributes.get("size", 0))
    if "mean" in names and "neg" in names and classes > 1 and len(logits.shape) == 2:
        where = replace(graph.operations[root].where)
        yield First("cross entropy", step.loss, classes, logits.shape[0], where)


def _measured(record: Record) -> Iterator[Finding]:
    """The loss our own runs measure before training."""
    initial = record.facts.initial
    loss, uniform, guess = initial.get("loss"), uniform_loss(record), guess_loss(record)
    if loss is None or uniform is None or guess is None or not math.isfinite(float(loss)):
        return
    if initial.get("start_from"):
        return
    loss = float(loss)
    high, low = loss / uniform, loss / min(guess, uniform)
    if low >= WARN_LOW and high <= WARN_HIGH:
        return
    ratio = high if high > WARN_HIGH else low
    yield Finding(
        rule="loss-at-init",
        severity="error" if high > ERROR_HIGH or low < ERROR_LOW else "warning",
        step=0,
        saw=f"Before the first step the loss is {loss:.3g}, {ratio:.2g} times the {uniform:.3g} "
        "of equal probabilities.",
        expected=f"About {uniform:.3g} (ln C): a new network knows nothing and should say so.",
        fix="Check the input scale (`--preprocess channel-mean-std`), the initialisation "
        "(`--init auto`), and that the loss gets plain logits."
        if high > WARN_HIGH
        else "Look for labels among the inputs, and for a head that is trained already.",
        source="CS231n, neural networks part 3",
        numbers={"loss": loss, "uniform_loss": uniform, "ratio": ratio},
    )
