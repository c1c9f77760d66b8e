"""loss-at-init in watched scripts: cross entropies far over guessing; all else stays silent.

What our own runs measure before training is in test_data_rules.
"""

import math

import pytest
from records import found, graph, linear, op, record, signals, steps

NAME = "loss-at-init"


def first(value, name="cross_entropy", classes=10, rows=64, step=0, signal=None, **attributes):
    attributes = {"reduction": "mean", "num_classes": classes, **attributes}
    loss = op(name, input_shapes=[[rows, classes], [rows]], line=40, **attributes)
    values = {"value": value, "input_exp_row_sum_deviation": 1e-6, **(signal or {})}
    return record(
        graph(linear(64, classes), loss, step=step),
        signals(name, step=step, **values),
    )


@pytest.mark.parametrize(
    ("value", "classes", "severity"),
    [
        (2.35, 10, None),
        (3.2, 10, None),  # Kaiming weights in the head
        (3.46, 10, "warning"),
        (3.44, 10, None),
        (6.9, 10, "warning"),
        (7.0, 10, "error"),
        (1.65, 2, None),
        (1.75, 2, "warning"),
        (7.06, 1000, None),
        (0.1, 10, None),  # trained already
        (math.nan, 10, None),
    ],
)
def test_thresholds(value, classes, severity):
    findings = found(first(value, classes=classes), NAME)
    assert [f.severity for f in findings] == ([severity] if severity else [])
    if severity:
        assert findings[0].where.line == 40


def test_a_few_examples_say_little():
    assert not found(first(4.0, rows=4), NAME)
    assert found(first(8.0, rows=4), NAME)


@pytest.mark.parametrize(
    "made",
    [
        first(64 * 2.3, reduction="sum"),
        first(50.0, name="mse_loss"),
        first(5.0, name="binary_cross_entropy_with_logits", classes=1, weighted=True),
        first(50.0, step=200),
        first(9.0, name="nll_loss", signal={"input_exp_row_sum_deviation": 3.0}),
        first(9.0, name="binary_cross_entropy_with_logits", signal={"target_max": 4.0}),
    ],
    ids=["sum", "regression", "pos_weight", "late", "no probabilities", "no binary target"],
)
def test_other_losses_are_not_judged(made):
    assert not found(made, NAME)


def test_the_family():
    assert found(first(9.0, name="nll_loss"), NAME)
    binary = first(3.85, name="binary_cross_entropy_with_logits", classes=1)
    (finding,) = found(binary, NAME)
    assert "ln 2" in finding.saw
    assert found(first(5.0, label_smoothing=0.1, weighted=True), NAME)  # still ln C when unsure


def test_a_hand_written_cross_entropy_is_judged_by_the_steps_loss():
    rows = [linear(64, 10), op("log_softmax", dim=1, size=10), "getitem", "mean", op("neg", line=9)]
    (finding,) = found(record(graph(*rows), steps([15.0])), NAME)
    assert finding.where.line == 9
    assert not found(record(graph(*rows), steps([2.4])), NAME)
    penalised = [*rows, op("add", 4, 0)]
    assert not found(record(graph(*penalised), steps([15.0])), NAME)
