"""not-learning and collapsed-output on watched runs, and what both read of the steps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import batch, found, graph, linear, loop, op, optimizer, record, signals, steps

from steadygrad.record import OUTSIDE, Record, Step
from steadygrad.rules.series import (
    constant_guess,
    gradient_norms,
    one_goal,
    rate_rising,
    robust_slope,
    runs,
    update_ratios,
    weights_in_order,
    windows,
)

LN10 = math.log(10)
EVEN = [i % 10 for i in range(64)]


def watched(losses, labels=EVEN, num_classes=10, scale=1.0, values=None, **at) -> Record:
    """A classifier whose cross entropy is seen at every tenth step."""
    network = graph(linear(64, 64), "relu", linear(64, 10), "cross_entropy")
    network.operations[-1].attributes |= {"num_classes": num_classes, **at}
    lines = []
    for step in range(0, len(losses), 10):
        seen = {"value": losses[step] / scale, "accuracy": 0.1, **(values or {})}
        lines += [signals("cross_entropy", step, **seen), batch(step, labels=list(labels))]
    return record(network, lines, steps(losses), loop(optimizers=[optimizer(steps=len(losses))]))


# not-learning


@pytest.mark.parametrize(("share", "fires"), [(0.98, True), (0.96, False)])
def test_not_learning_reads_classes_from_the_loss(share, fires):
    findings = found(watched([share * LN10] * 200), "not-learning")
    assert bool(findings) == fires
    for finding in findings:
        assert finding.numbers["guess_loss"] == pytest.approx(LN10, rel=0.01)
        assert (finding.severity, finding.where.line) == ("error", 14)
        assert "--lr" not in finding.fix


def test_it_is_the_last_resort():
    assert not found(watched([LN10] * 199), "not-learning")
    three_epochs = watched([LN10] * 130)
    three_epochs.steps = steps([LN10] * 130, steps_per_epoch=40)
    assert not found(three_epochs, "not-learning")
    three_epochs.loop.finished = True
    assert found(three_epochs, "not-learning")


def test_many_classes_need_many_examples():
    many = watched([math.log(1000)] * 200, num_classes=1000)
    assert not found(many, "not-learning")
    long = watched([math.log(1000)] * 500, num_classes=1000)
    assert found(long, "not-learning")


def test_unequal_classes_are_guessed_better():
    rare = [0] * 58 + [1] * 6
    entropy = -(58 / 64 * math.log(58 / 64) + 6 / 64 * math.log(6 / 64))
    flat = watched([entropy] * 200, labels=rare, num_classes=2, values={"accuracy": 58 / 64})
    (finding,) = found(flat, "not-learning")
    assert finding.numbers["guess_loss"] == pytest.approx(entropy)
    # Class weights change what guessing costs.
    assert constant_guess(watched([1.0] * 200, rare, 2, weighted=True)) == math.log(2)


@pytest.mark.parametrize("scale", [0.25, 64.0], ids=["accumulation", "sum"])
def test_a_scaled_loss_is_compared_by_what_is_in_it(scale):
    assert found(watched([LN10 * scale] * 200, scale=scale), "not-learning")
    assert not found(watched([0.5 * LN10 * scale] * 200, scale=scale), "not-learning")


def test_a_loss_that_falls_slowly_is_waited_for():
    slow = [LN10 * (1 - 0.00015 * i) for i in range(200)]
    assert not found(watched(slow), "not-learning")
    assert found(watched([LN10 - 1e-6 * i for i in range(200)]), "not-learning")


def test_examples_that_are_told_apart_are_learned():
    # Label noise and soft targets keep the loss up.
    assert not found(watched([LN10] * 300, values={"accuracy": 0.5}), "not-learning")
    assert found(watched([LN10] * 300, values={"accuracy": 0.12}), "not-learning")


def test_a_warm_up_is_waited_for():
    made = watched([LN10] * 300)
    made.steps = [Step(i + 1, 0, LN10, 1e-6 * (i + 1), 64) for i in range(300)]
    assert not found(made, "not-learning")


def test_several_losses_prove_nothing():
    made = watched([LN10] * 300)
    made.loop.step = 300
    made.loop.optimizers.append(optimizer(steps=300))
    assert not found(made, "not-learning")


def regression(losses, target=OUTSIDE) -> Record:
    network = graph(
        linear(64, 64), linear(64, 1, OUTSIDE, -2), op("mse_loss", 0, target), roots=[2]
    )
    return record(network, steps(losses), loop(optimizers=[optimizer(steps=len(losses))]))


@pytest.mark.parametrize(("share", "fires"), [(1.0, True), (0.98, False), (1.2, True)])
def test_other_losses_are_compared_with_their_start(share, fires):
    losses = [30.0] * 10 + [30.0 * share] * 290
    assert bool(found(regression(losses), "not-learning")) == fires


def test_targets_that_a_network_makes_move():
    assert not found(regression([1.0] * 300, target=1), "not-learning")


def test_a_noisy_curve_proves_nothing():
    noisy = [1.0 if i % 2 else 3.0 for i in range(300)]
    assert not found(regression(noisy), "not-learning")


def test_a_negative_loss_has_no_guess():
    assert not found(regression([-1.0] * 300), "not-learning")


# collapsed-output


def answers(spread=0.5, majority=0.3, count=20, stride=1, loss=LN10, **more) -> Record:
    made = watched([loss] * 300)
    made.signals = [
        signals(
            "cross_entropy",
            step * stride,
            value=loss,
            input_batch_spread=spread,
            majority_share=majority,
            target_distinct=10,
            **more,
        )
        for step in range(count)
    ]
    return made


@pytest.mark.parametrize(("spread", "fires"), [(0.9e-3, True), (1.1e-3, False), (0.0, True)])
def test_equal_answers(spread, fires):
    findings = found(answers(spread), "collapsed-output")
    assert bool(findings) == fires
    for finding in findings:
        assert (finding.severity, finding.step) == ("error", 9)


def test_a_head_that_starts_at_zero_is_healthy():
    assert not found(answers(0.0, count=9), "collapsed-output")
    assert found(answers(0.0, count=10), "collapsed-output")
    made = answers(0.5)
    for line in made.signals[:7]:
        line.values["input_batch_spread"] = 0.0
    assert not found(made, "collapsed-output")


def test_equal_targets_ask_for_equal_answers():
    made = answers(0.0)
    for line in made.signals:
        line.values["target_distinct"] = 1  # a GAN's "all real"
    assert not found(made, "collapsed-output")
    assert not found(answers(0.0, target_min=2000.0, target_max=2010.0), "collapsed-output")
    assert found(answers(0.0, target_min=0.0, target_max=9.0), "collapsed-output")


def test_numbers_may_differ_little():
    made = answers(5e-4)
    for line in made.signals:
        line.values.pop("majority_share")
    assert not found(made, "collapsed-output")
    for line in made.signals:
        line.values["input_batch_spread"] = 5e-5
    assert found(made, "collapsed-output")


def test_a_blown_up_loss_is_another_fault():
    made = answers(0.0)
    for line in made.signals:
        line.values["value"] = math.inf
    assert not found(made, "collapsed-output")


def test_tiny_batches_may_agree():
    made = answers(0.0)
    made.batches = [batch(step, shape=(2, 3, 8, 8), labels=[0, 1]) for step in range(20)]
    assert not found(made, "collapsed-output")


@pytest.mark.parametrize(
    ("majority", "stride", "loss", "fires"),
    [
        (1.0, 10, LN10, True),
        (0.98, 10, LN10, False),
        (1.0, 5, LN10, False),
        (1.0, 10, 0.9 * LN10, False),
    ],
    ids=["stuck", "not-all", "too-early", "learning"],
)
def test_one_class_for_everything(majority, stride, loss, fires):
    made = answers(majority=majority, count=14, stride=stride, loss=loss)
    assert bool(found(made, "collapsed-output")) == fires


def test_one_class_during_a_warm_up_is_healthy():
    made = answers(majority=1.0, stride=10)
    made.steps = [Step(i + 1, 0, LN10, 1e-6 * (i + 1), 64) for i in range(300)]
    assert not found(made, "collapsed-output")


def test_imbalance_is_another_fault():
    made = answers(0.0)
    for seen in made.batches:
        seen.labels = [0] * 55 + [1] * 9
    assert not found(made, "collapsed-output")


# series


@given(
    st.floats(-10, 10),
    st.floats(-100, 100),
    st.integers(5, 200),
    st.integers(0, 4),
    st.sampled_from([-1e6, 1e6]),
)
def test_a_slope_survives_an_outlier(slope, start, count, place, outlier):
    values = [start + slope * i for i in range(count)]
    assert robust_slope(values) == pytest.approx(slope, abs=1e-6)
    if count > 40:
        values[place] = outlier
        assert robust_slope(values) == pytest.approx(slope, abs=1e-6)


@given(st.lists(st.booleans(), max_size=30))
def test_runs_are_the_stretches_of_true(flags):
    covered = [i for begin, end in runs(flags) for i in range(begin, end)]
    assert covered == [i for i, flag in enumerate(flags) if flag]


@pytest.mark.parametrize(("steps_done", "one"), [((60, 40), True), ((100, 100), False),
                                                 ((100, 20), False)])  # fmt: skip
def test_optimizers_one_after_the_other_have_one_goal_each(steps_done, one):
    made = watched([LN10] * 100)
    made.loop.optimizers = [optimizer(steps=count) for count in steps_done]
    made.loop.step = 100
    assert one_goal(made) == one


def test_windows_shorter_than_their_width_are_none():
    assert windows([1.0, 2.0], 3) == []


def test_an_empty_record_has_no_series():
    empty = Record()
    assert one_goal(empty)
    assert not rate_rising(empty)
    assert weights_in_order(empty) == update_ratios(empty) == gradient_norms(empty) == []
    assert constant_guess(empty) is None
