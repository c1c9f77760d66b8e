"""non-finite: what began it, in a watched script. Our own runs are in test_data_rules."""

import math

import pytest
from records import (
    batch,
    found,
    graph,
    linear,
    loop,
    op,
    optimizer,
    record,
    signals,
    steps,
    weights,
)

from steadygrad.record import Batch, LayerSignals, Where

NAME = "non-finite"
BAD = {"min": math.nan, "max": math.nan, "non_finite_fraction": 0.25}
GOOD = {"min": -1.0, "max": 1.0, "grad_rms": 0.1}


def network(*rows):
    return graph(linear(64, 64), *rows, linear(64, 10), op("cross_entropy", reduction="mean"))


def run(*lines, made=None, losses=(2.3, math.nan), step=1):
    """The loss is no number at watched step 1."""
    rows = [signals("cross_entropy", step, value=losses[-1]), signals("linear", 0, **GOOD)]
    return record(made or network("relu"), rows, steps(losses), *lines)


def the(made):
    (finding,) = found(made, NAME)
    assert finding.severity == "error"
    return finding


def test_the_batch_had_it_already():
    finding = the(run(batch(1, non_finite_fraction=0.05, origin=Where("data.py", 4))))
    assert (finding.where.file, finding.where.line) == ("train.py", 5)
    assert "0.05 of the numbers in the inputs (made in data.py:4)" in finding.saw
    assert finding.numbers["certain"]


def test_the_targets_had_it_already():
    made = run()
    made.signals[0].values.update(target_min=-math.inf, target_max=3.0)
    finding = the(made)
    assert "targets of cross_entropy" in finding.saw.lower()
    assert finding.where.line == 14


def test_an_update_before_broke_the_weights():
    lines = [weights("linear.weight", 1, rms=math.nan, non_finite=1.0)]
    sgd = optimizer(step_where=Where("train.py", 60))
    finding = the(run(lines, loop(optimizers=[sgd])))
    assert "weights (linear.weight" in finding.saw
    assert finding.where.line == 60
    assert not finding.numbers["certain"]


@pytest.mark.parametrize(
    ("name", "fix"),
    [("log", "clamp_min"), ("sqrt", "1e-8"), ("div", "y + 1e-8"), ("exp", "logsumexp"),
     ("log2", "clamp_min"), ("rsqrt", "sqrt(x + 1e-8)")],
)  # fmt: skip
def test_the_first_operation_and_its_own_fix(name, fix):
    later = signals("linear#2", 1, **BAD)
    made = run(signals(name, 1, **BAD), later, made=network(op(name, line=33)))
    finding = the(made)
    assert finding.where.line == 33
    assert fix in finding.fix
    assert finding.numbers["certain"]
    assert f"results of {name}" in finding.saw


def test_an_overflow_of_a_layer_is_no_certain_cause():
    finding = the(run(signals("linear#2", 1, **BAD)))
    assert "linear" in finding.saw
    assert not finding.numbers["certain"]


def test_minus_infinity_in_a_mask_is_healthy():
    masked = {"min": -math.inf, "max": 2.0, "non_finite_fraction": 0.3}
    made = record(network(op("masked_fill"), "softmax"), signals("masked_fill", 1, **masked))
    made.add(signals("cross_entropy", 1, value=2.2))
    assert not found(made, NAME)


def test_a_row_that_is_masked_all_over():
    rows = network(op("masked_fill", line=30), op("softmax", line=31))
    finding = the(run(signals("softmax", 1, **BAD), made=rows))
    assert finding.where.line == 30
    assert "-1e4" in finding.fix


def test_an_infinite_slope_at_zero():
    rows = graph(linear(64, 64), op("pow", exponent=2), "sum", op("sqrt", line=44), "mean")
    broken = {"rms": 0.1, "grad_rms": math.nan, "non_finite": 1.0, "update_ratio": math.nan}
    lines = [
        signals("linear", 0, min=-1.0, max=1.0, grad_rms=math.nan, grad_non_finite=0.1),
        signals("pow", 0, min=0.0, max=3.0),
        signals("sqrt", 0, min=0.0, max=2.0),
        weights("linear.weight", 0, **broken),
    ]
    finding = the(record(rows, lines, steps([0.5])))
    assert finding.step == 0
    assert finding.where.line == 44
    assert "sqrt(x + 1e-8)" in finding.fix


def test_infinite_gradients_that_are_skipped_are_healthy():
    skipped = {"rms": 0.1, "grad_rms": math.inf, "non_finite": 1.0, "update_ratio": 0.0}
    made = record(network("relu"), signals("linear", 0, **GOOD), steps([2.3, 2.2]))
    made.add(weights("linear.weight", 0, **skipped))
    assert not found(made, NAME)


def test_a_scaled_loss_may_overflow():
    rows = graph(linear(64, 10), "cross_entropy", op("mul", 1, -1))
    lines = [signals("cross_entropy", 0, value=2.3), signals("mul", 0, value=math.inf)]
    assert not found(record(rows, lines, steps([2.3]), loop(gradient_scaler=True)), NAME)
    assert found(record(rows, lines, steps([2.3]), loop()), NAME)


def unwatched(name, *more):
    """Step 51 was not watched: all that is known is the operation it began in."""
    told = LayerSignals(50, name, {"non_finite_fraction": 1.0})
    made = network(op("log", line=33), op("relu"))
    good = signals("cross_entropy", 0, value=2.3)
    return record(made, good, told, *more, steps([2.0] * 50 + [math.nan]))


def test_a_step_nobody_watched():
    finding = the(unwatched("log"))
    assert finding.where.line == 33
    assert finding.numbers["certain"]
    assert "clamp_min" in finding.fix
    given = Batch(50, inputs={"non_finite_fraction": 1.0})
    assert "what goes into log" in the(unwatched("log", given)).saw
    assert "an update before broke them" in the(unwatched("weights")).saw


def test_a_finite_run_is_healthy():
    made = run(losses=(2.3, 2.2))
    assert not found(made, NAME)
