"""Rule input-scale."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Finding, Record
from steadygrad.record.measured import Severity
from steadygrad.rules.graph import first_graph, is_weighted, learned, lines
from steadygrad.rules.inputs import RECURRENT, Inputs, entries, trained_with

LARGE, WIDE = 20.0, 10.0
"""|x| and std: pixels of 0..255 have 60 to 95, raw features hundreds."""
BROAD = 5.0
"""std; digits of 0..16 have 6."""
FAR = 3.0
"""|mean| by std. Uniform from 0 up is 1.7, bright photos of 0..1 about 2; degrees Kelvin 46."""
CENTRED = 0.5
"""|mean| by std of standardised numbers; then a rare value of 30 is no fault."""
PIXELS = 1.01
"""Largest value of inputs in 0..1, rounding included."""
TINY, TINY_STD = 0.05, 0.01
"""Largest |x| and std of inputs that were divided twice: 1/255 is 0.004."""


def input_scale(record: Record) -> Iterator[Finding]:
    """Inputs are not scaled or not centred: raw pixels of 0 to 255, raw features.

    Severity: error or warning

    What
        The numbers of the first batches of training where they meet the first layer. An error at
        |x| over 20 with a std over 5 or a mean 3 times the std, or at a std over 10; a warning at
        a std over 5, a mean over 3 times the std, or numbers all but zero (|x| under 0.05).
        Silent: inputs of 0..1, standardised ones, whatever goes into a norm first or is scaled
        inside the model, and token numbers.
    Why
        Gradients of the first layer grow with its inputs: the rate that fits the rest is far too
        high there. Units die or saturate in the first steps, and the loss starts in the tens.
    Fix
        Pictures: `x = x / 255`, better `(x - mean) / std` per channel. Features:
        `(x - x_train.mean(0)) / x_train.std(0)`, with the training set's numbers for all sets.
    Source
        LeCun, Bottou, Orr, Müller, Efficient BackProp (1998), section 4.3.
    """
    for inputs in trained_with(record):
        judged = _judge(inputs)
        if judged is None or not entries(record, inputs.first):
            continue
        severity, how = judged
        if severity == "error" and _one_layer(record):
            severity = "warning"
        yield _finding(inputs, severity, how)
        return


def _judge(inputs: Inputs) -> tuple[Severity, str] | None:
    low, high = inputs.value("min"), inputs.value("max")
    mean, std = inputs.value("mean"), inputs.value("std")
    if not std > 0:  # constant, or not measured
        return None
    largest, offset = max(abs(low), abs(high)), abs(mean) / std
    if largest < TINY and std < TINY_STD:
        return "warning", "all but zero"
    if (low >= 0 and high <= PIXELS) or (offset <= CENTRED and std <= BROAD):
        return None
    if std > WIDE or (largest > LARGE and (std > BROAD or offset > FAR)):
        return "error", "not centred" if offset > FAR else "not scaled"
    if std > BROAD:
        return "warning", "not scaled"
    return ("warning", "not centred") if offset > FAR else None


def _one_layer(record: Record) -> bool:
    """A linear model: slow on raw features, but it has no unit that could die or saturate."""
    graph = first_graph(record)
    if graph is None:
        return False
    inside = [graph.operations[index] for index in learned(graph)]
    return sum(is_weighted(each) or each.name in RECURRENT for each in inside) <= 1


def _finding(inputs: Inputs, severity: Severity, how: str) -> Finding:
    keys = ("min", "max", "mean", "std")
    numbers = {key: inputs.value(key) for key in keys}
    made, called = lines(inputs.origin), lines(inputs.where)
    places = f"made in {made}, given to the model in {called}" if made != called else made
    pictures = len(inputs.first.shape) == 4
    return Finding(
        rule="input-scale",
        severity=severity,
        step=inputs.first.step,
        saw=f"The model's inputs ({places or 'training batches'}) are {how}: from "
        f"{numbers['min']:.4g} to {numbers['max']:.4g}, mean {numbers['mean']:.3g}, std "
        f"{numbers['std']:.3g}.",
        expected="A mean near 0 and a std near 1, or pixels of 0..1.",
        fix="Divide the pixels by 255, or take off the mean and divide by the std per channel."
        if pictures
        else "x = (x - x_train.mean(0)) / x_train.std(0), for all sets alike.",
        source="LeCun et al. 1998, Efficient BackProp, section 4.3",
        where=inputs.where,
        numbers=numbers,
    )
