"""symmetric-init: equal rows that stay equal; zeros that are meant are healthy."""

import pytest
from records import conv, found, graph, linear, loop, op, parameter, record, weights

from steadygrad.record import Where

NAME = "symmetric-init"


def network(rows, **of_parameter):
    """Three linear layers; `rows` are the values of the first one's weight at each update."""
    return record(
        graph(linear(64, 32), "relu", linear(32, 16), "relu", linear(16, 10), "cross_entropy"),
        [weights("linear.weight", step, **values) for step, values in enumerate(rows)],
        loop(parameters=[parameter("linear.weight", (32, 64), **of_parameter)]),
    )


def row(rms=0.05, difference=0.0, grad=0.01, grad_difference=0.0):
    values = {"rms": rms, "row_difference": difference, "grad_rms": grad}
    return {**values, "grad_row_difference": grad_difference}


ZERO = row(rms=0.0, grad=0.0)


def test_a_constant_with_equal_gradients_is_an_error_at_once():
    (finding,) = found(network([row()]), NAME)
    assert finding.severity == "error"
    assert (finding.where.file, finding.where.line) == ("train.py", 111)
    assert finding.where.module == "linear"
    assert "train.py:11" in finding.saw


def test_the_line_that_filled_the_weight_is_named_where_it_is_known():
    (finding,) = found(network([row()], where=Where("init.py", 3)), NAME)
    assert (finding.where.file, finding.where.line) == ("init.py", 3)
    assert finding.where.parameter == "linear.weight"


def test_symmetry_broken_from_behind_is_a_warning():
    (finding,) = found(network([row(grad_difference=0.5), row(difference=0.1)]), NAME)
    assert finding.severity == "warning"
    (finding,) = found(network([row(), row(difference=1.1e-4)]), NAME)
    assert finding.severity == "warning"
    (finding,) = found(network([row(), row(difference=0.9e-4)]), NAME)
    assert finding.severity == "error"


@pytest.mark.parametrize(("difference", "fires"), [(0.9e-6, True), (1.1e-6, False), (0.3, False)])
def test_the_threshold(difference, fires):
    assert bool(found(network([row(difference=difference)]), NAME)) == fires


@pytest.mark.parametrize(("updates", "fires"), [(1, False), (3, False), (4, True), (9, True)])
def test_zeros_must_stay_zeros(updates, fires):
    assert bool(found(network([ZERO] * updates), NAME)) == fires


def test_zeros_that_move_are_healthy():
    # A residual branch, LoRA's second matrix, ControlNet's two zero layers in a row.
    assert not found(network([row(rms=0.0), row(rms=0.01, difference=0.9)]), NAME)
    moved = row(rms=0.01, difference=0.9, grad_difference=0.9)
    assert not found(network([ZERO, row(rms=0.0), moved, moved, moved]), NAME)


def test_the_last_layer_may_start_equal():
    lines = [weights("linear#2.weight", step, **row()) for step in range(5)]
    healthy = record(graph(linear(64, 32), "relu", linear(32, 10), "cross_entropy"), lines)
    assert not found(healthy, NAME)
    regression = record(graph(linear(64, 10), "cross_entropy"), [weights("linear.weight", **row())])
    assert not found(regression, NAME)


@pytest.mark.parametrize(
    "first",
    [
        conv(8, 8, groups=8),
        linear(64, 1),
        op("embedding", weight_shape=[100, 64]),
    ],
    ids=["depthwise", "one unit", "embedding"],
)
def test_layers_without_units_to_tell_apart(first):
    name = f"{first.name}.weight"
    network = graph(first, "relu", linear(8, 10), "cross_entropy")
    assert not found(record(network, [weights(name, **row())]), NAME)


def test_a_frozen_weight_is_left_alone():
    assert not found(network([row()], trainable=False), NAME)


def test_raw_tensors_and_recurrent_layers():
    raw = graph(
        op("matmul", parameter="W1", shape=[64, 32]), "tanh",
        op("matmul", parameter="W2", shape=[64, 10]), "cross_entropy",
    )  # fmt: skip
    # Rows of x @ W are inputs: their gradients differ although all units are equal.
    (finding,) = found(record(raw, weights("W1", **row(grad_difference=1.0))), NAME)
    assert finding.severity == "error"
    recurrent = graph(op("gru", layer="rnn", shape=[64, 20, 32]), linear(32, 10), "cross_entropy")
    made = record(
        recurrent,
        weights("rnn.weight_hh_l0", **row(grad_difference=0.4)),
        loop(parameters=[parameter("rnn.weight_hh_l0", (96, 32), used_by="rnn")]),
    )
    (finding,) = found(made, NAME)
    assert finding.severity == "error"


def test_several_layers_are_one_finding():
    made = network([row()])
    made.add(weights("linear#2.weight", **row()))
    (finding,) = found(made, NAME)
    assert finding.numbers["layers"] == ["linear", "linear#2"]


def test_what_our_own_runs_measure_before_training():
    made = record(initial={"symmetric_layers": ["net.conv1"], "init": "zeros"})
    (finding,) = found(made, NAME)
    assert finding.where.module == "net.conv1"
