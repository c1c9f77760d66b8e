"""loss-input, output-activation, loss-broadcast, loss-choice, loss-reduction on Records by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import (
    OUTSIDE,
    PARAMETER,
    batch,
    conv,
    found,
    graph,
    linear,
    loop,
    op,
    optimizer,
    parameter,
    record,
    signals,
    steps,
    weights,
)

from steadygrad.rules.heads import heads
from steadygrad.rules.loss_broadcast import broadcast, expands

RAW = {"input_min": -3.0, "input_max": 2.0, "input_exp_row_sum_deviation": 14.0}
PICK = {"input_shapes": [[64, 10], [64], [64]], "shape": [64]}


def net(*end, **values):
    """Two layers and an end; the values are those of its last operation."""
    made = graph(linear(784, 100), "relu", linear(100, 10), *end)
    last = made.operations[-1].layer
    return record(made, *[signals(last, step, **values) for step in range(4) if values])


# loss-input


def test_raw_outputs_into_nll_loss():
    (finding,) = found(net("nll_loss", **RAW), "loss-input")
    assert finding.severity == "error"
    assert "-3" in finding.saw
    assert "14" in finding.saw
    assert "cross_entropy" in finding.fix
    assert (finding.where.file, finding.where.line) == ("train.py", 14)


def test_probabilities_into_nll_loss():
    of = net("softmax", "nll_loss", input_min=0.0, input_max=0.9, input_exp_row_sum_deviation=9.7)
    (finding,) = found(of, "loss-input")
    assert "probabilities of `softmax`" in finding.saw


def test_nll_loss_is_known_by_the_graph_alone():
    assert len(found(net("nll_loss"), "loss-input")) == 1
    assert found(net("log_softmax", "nll_loss"), "loss-input") == []


@pytest.mark.parametrize(("deviation", "fires"), [(0.1, False), (0.11, True)])
def test_rows_of_log_probabilities_may_be_rounded(deviation, fires):
    of = net("nll_loss", input_exp_row_sum_deviation=deviation)
    assert bool(found(of, "loss-input")) == fires


@pytest.mark.parametrize("last", ["log_softmax", "log", "logsigmoid"])
def test_a_logarithm_is_enough(last):
    # log_softmax over another dimension is softmax-dim's
    assert found(net("softmax", last, "dropout", "nll_loss", **RAW), "loss-input") == []
    of = net(last, "reshape", "add", "ctc_loss", **RAW)
    assert found(of, "loss-input") == []


def test_a_log_softmax_by_hand_is_healthy():
    made = graph(
        linear(784, 10), op("logsumexp"), op("sub", 0, 1), "nll_loss"
    )  # x - x.logsumexp(1, keepdim=True)
    of = record(made, signals("nll_loss", input_exp_row_sum_deviation=1e-6))
    assert found(of, "loss-input") == []


def test_raw_outputs_into_ctc():
    assert len(found(net("ctc_loss"), "loss-input")) == 1


def test_probabilities_into_kl_div():
    of = net("softmax", "kl_div", input_min=0.0, input_max=0.4, input_exp_row_sum_deviation=9.0)
    assert "kl_div gets probabilities" in found(of, "loss-input")[0].saw


@pytest.mark.parametrize(
    ("log_target", "low", "high", "fires"),
    [
        (False, 0.0, 1.0, False),
        (False, -5.0, -0.1, True),
        (True, -5.0, -0.1, False),
        (True, 0.0, 0.9, True),
    ],
)
def test_the_target_of_kl_div(log_target, low, high, fires):
    end = op("kl_div", log_target=log_target)
    of = net("log_softmax", end, target_min=low, target_max=high, input_exp_row_sum_deviation=1e-7)
    assert bool(found(of, "loss-input")) == fires


@pytest.mark.parametrize(
    ("low", "high", "fires"),
    [(0.0, 1.0, False), (0.2, 0.8, False), (-0.01, 0.5, True), (0.0, 1.01, True)],
)
def test_binary_cross_entropy_wants_probabilities(low, high, fires):
    of = net("binary_cross_entropy", input_min=low, input_max=high)
    assert bool(found(of, "loss-input")) == fires


ERROR = {
    "type": "RuntimeError",
    "text": "all elements of input should be between 0 and 1",
    "file": "train.py",
    "line": 30,
    "operation": "binary_cross_entropy",
}


def test_binary_cross_entropy_that_ends_the_script():
    (finding,) = found(record(loop(step=0, exception=ERROR)), "loss-input")
    assert finding.where.line == 30
    assert "with_logits" in finding.fix


def test_nan_out_of_a_sigmoid_is_no_loss_input():
    passed = graph(linear(10, 1), "sigmoid", kind="evaluation", outputs=[1])
    assert found(record(passed, loop(exception=ERROR)), "loss-input") == []
    bad = batch(non_finite_fraction=0.1)
    assert found(record(bad, loop(exception=ERROR)), "loss-input") == []
    other = {**ERROR, "text": "out of memory"}
    assert found(record(loop(exception=other)), "loss-input") == []


def picked(*rows, **fields):
    made = graph(linear(784, 10), *rows)
    return record(made, loop(parameters=[parameter("linear.weight", **fields)]))


def test_minus_the_probability_of_the_true_class():
    pick = op("getitem", 1, OUTSIDE, OUTSIDE, **PICK)
    (finding,) = found(picked("softmax", pick, "mean", "neg"), "loss-input")
    assert "probability" in finding.saw
    assert finding.where.line == 15


def test_minus_the_raw_output_of_the_true_class():
    pick = op("gather", 0, OUTSIDE, shape=(64, 1))
    (finding,) = found(picked(pick, "mean", "neg"), "loss-input")
    assert "raw output" in finding.saw
    told = op("one_hot", OUTSIDE)
    rows = ("softmax", told, op("mul", 1, 2), "sum", "neg")
    assert len(found(picked(*rows), "loss-input")) == 1


def test_hand_written_cross_entropy_and_other_goals_are_silent():
    pick = op("getitem", 1, OUTSIDE, OUTSIDE, **PICK)
    assert found(picked("log_softmax", pick, "mean", "neg"), "loss-input") == []
    assert (
        found(picked("softmax", "log", op("gather", 2, OUTSIDE), "mean", "neg"), "loss-input") == []
    )
    # a critic's score is maximised: nothing is picked by labels
    assert found(picked("mean", "neg"), "loss-input") == []
    # one column
    column = op("getitem", 0, input_shapes=[[64, 10]])
    assert found(picked(column, "mean", "neg"), "loss-input") == []
    # no sign: a score by class is looked into
    assert found(picked("softmax", pick, "sum"), "loss-input") == []


def test_attacks_on_inputs_are_silent():
    pick = op("gather", 0, OUTSIDE, shape=(64, 1))
    assert found(picked(pick, "mean", "neg", optimizer=None), "loss-input") == []


@pytest.mark.parametrize(("low", "fires"), [(-0.5, True), (0.0, False)])
def test_the_logarithm_of_raw_outputs(low, fires):
    made = graph(linear(784, 10), "log", op("mul", 1, OUTSIDE), "sum", "neg")
    of = record(made, signals("linear", min=low, max=2.0))
    assert bool(found(of, "loss-input")) == fires


# output-activation


@pytest.mark.parametrize("last", ["relu", "sigmoid", "tanh", "relu6"])
@pytest.mark.parametrize("loss", ["cross_entropy", "log_softmax nll_loss", "dropout cross_entropy"])
def test_logits_through_an_activation(last, loss):
    (finding,) = found(net(last, *loss.split()), "output-activation")
    assert finding.severity == "error"
    assert finding.numbers["activation"] == last
    assert finding.where.line == 14


def test_an_activation_in_a_container_is_named_where_it_is_built():
    same = {"line": 40}
    made = graph(
        linear(8, 8, **same),
        op("relu", layer="net.1", built_line=21, **same),
        linear(8, 4, **same),
        op("relu", layer="net.3", built_line=23, **same),
        "cross_entropy",
    )
    assert found(record(made), "output-activation")[0].where.line == 23
    # F.relu in a forward of several layers to a line has no line of its own but that one
    made.operations[3].layer = "net/relu"
    assert found(record(made), "output-activation")[0].where.line == 40


def test_smooth_activations_on_logits_are_a_warning():
    assert found(net("gelu", "cross_entropy"), "output-activation")[0].severity == "warning"
    assert found(net("leaky_relu", "cross_entropy"), "output-activation") == []


@pytest.mark.parametrize(
    "end",
    [
        ("cross_entropy",),
        ("log_softmax", "nll_loss"),
        ("tanh", "mul", "cross_entropy"),  # soft-capped logits
        ("relu", "avg_pool", "flatten", "cross_entropy"),  # SqueezeNet
        ("sigmoid", "binary_cross_entropy"),
        ("binary_cross_entropy_with_logits",),
        ("sigmoid", "binary_cross_entropy_with_logits"),  # double-softmax
        ("softmax", "cross_entropy"),  # double-softmax
        ("relu", "nll_loss"),  # loss-input
    ],
)
def test_ends_that_fit_or_are_named_elsewhere(end):
    assert found(net(*end), "output-activation") == []


@pytest.mark.parametrize(
    ("end", "fires"),
    [
        (("relu", "binary_cross_entropy_with_logits"), True),
        (("tanh", "binary_cross_entropy_with_logits"), True),
        (("relu", "sigmoid", "binary_cross_entropy"), True),
    ],
)
def test_binary_heads(end, fires):
    assert bool(found(net(*end), "output-activation")) == fires


@pytest.mark.parametrize(
    ("last", "low", "high", "fires"),
    [
        ("relu", -2.0, 2.0, True),
        ("relu", 0.0, 50.0, False),
        ("relu", -0.04, 1.0, False),
        ("relu", -0.06, 1.0, True),
        ("sigmoid", 0.0, 1.0, False),
        ("sigmoid", -0.02, 1.02, False),
        ("sigmoid", 0.0, 1.06, True),
        ("sigmoid", 0.0, 255.0, True),
        ("sigmoid", -2.1, 2.1, True),
        ("tanh", -1.0, 1.0, False),
        ("tanh", 0.0, 5.0, True),
        ("softplus", -1.0, 3.0, True),
        ("leaky_relu", -2.0, 2.0, False),
    ],
)
@pytest.mark.parametrize("loss", ["mse_loss", "l1_loss", "smooth_l1_loss"])
def test_targets_out_of_reach(last, low, high, fires, loss):
    of = net(last, loss, target_min=low, target_max=high)
    findings = found(of, "output-activation")
    assert bool(findings) == fires
    if fires:
        assert f"{low:.3g}" in findings[0].saw


def test_targets_and_prediction_the_other_way_round():
    end = op("mse_loss", OUTSIDE, 3)
    of = net("relu", end, input_min=-2.0, input_max=2.0, target_min=0.0, target_max=1.0)
    assert len(found(of, "output-activation")) == 1
    assert next(heads(of)).prediction == 1


def test_a_clamp_reaches_as_far_as_it_says():
    for high, fires in ((1.0, True), (5.0, False)):
        of = net(op("clamp", min=0, max=high), "mse_loss", target_min=0.0, target_max=5.0)
        assert bool(found(of, "output-activation")) == fires


def test_without_numbers_of_the_targets_nothing_is_said():
    assert found(net("relu", "mse_loss"), "output-activation") == []


def test_features_of_a_twin_are_reached():
    made = graph(
        conv(3, 8, OUTSIDE, PARAMETER), "sigmoid", conv(3, 8, OUTSIDE, PARAMETER), "sigmoid",
        op("mse_loss", 1, 3),
    )  # fmt: skip
    of = record(made, signals("mse_loss", target_min=-1.0, target_max=2.0))
    assert found(of, "output-activation") == []


# loss-broadcast


def regression(first, second, name="mse_loss"):
    return graph(linear(8, 1), op(name, 0, OUTSIDE, input_shapes=[first, second]))


@pytest.mark.parametrize(
    ("first", "second", "fires"),
    [
        ([64, 1], [64], True),
        ([64], [64, 1], True),
        ([64, 1], [1, 64], True),
        ([8, 1, 28, 28], [8, 28, 28], True),
        ([64, 1], [64, 1], False),
        ([64], [64], False),
        ([64, 1], [1], False),  # LSGAN's target
        ([64, 10], [10], False),
        ([1, 1], [1], False),  # a last batch of one
        ([64, 1], [], False),
    ],
)
def test_prediction_and_target_expand_each_other(first, second, fires):
    findings = found(record(regression(first, second)), "loss-broadcast")
    assert bool(findings) == fires
    if fires:
        assert findings[0].severity == "error"
        assert str(tuple(first)) in findings[0].saw
        assert findings[0].where.line == 12


def difference(first, second, *inputs):
    sub = op("sub", *inputs, input_shapes=[first, second], shape=tuple(broadcast(first, second)))
    return record(graph(linear(8, 1), sub, "pow", "mean"))


def test_a_difference_by_hand():
    (finding,) = found(difference([64, 1], [64], 0, OUTSIDE), "loss-broadcast")
    assert finding.numbers["broadcast"] == [64, 64]
    assert finding.where.line == 12
    assert len(found(difference([64], [64, 1], OUTSIDE, 0), "loss-broadcast")) == 1
    assert found(difference([64, 1], [64, 1], 0, OUTSIDE), "loss-broadcast") == []


def test_tables_of_pairs_on_purpose_are_silent():
    # scores[:, None] - scores[None, :]
    assert found(difference([64, 1], [1, 64], 0, OUTSIDE), "loss-broadcast") == []
    # a ranking loss: both sides come from the model
    assert found(difference([64, 1], [64], 0, 0), "loss-broadcast") == []
    # kernel to centres that learn
    assert found(difference([64, 1], [32], 0, PARAMETER), "loss-broadcast") == []
    # prediction of many outputs against one target each
    assert found(difference([64, 10], [10], 0, OUTSIDE), "loss-broadcast") == []


def test_tables_that_no_loss_is_made_of_are_silent():
    sub = op("sub", 0, OUTSIDE, input_shapes=[[64, 1], [64]], shape=(64, 64))
    made = graph(linear(8, 1), sub, "argmax", linear(8, 10, 0, PARAMETER), "cross_entropy")
    assert found(record(made), "loss-broadcast") == []


@given(st.lists(st.integers(1, 5), max_size=4))
def test_equal_shapes_never_expand(shape):
    assert not expands(shape, shape)
    assert broadcast(shape, []) == shape


# loss-choice

ZERO_ONE = {"target_min": 0.0, "target_max": 1.0, "target_integral": 1.0, "target_distinct": 2.0}


def test_squared_error_on_a_softmax():
    of = net("softmax", "mse_loss", **ZERO_ONE)
    (finding,) = found(of, "loss-choice")
    assert finding.severity == "warning"
    assert "cross_entropy" in finding.fix
    assert finding.where.line == 15
    soft = {**ZERO_ONE, "target_integral": 0.0}
    assert found(net("softmax", "mse_loss", **soft), "loss-choice") == []  # distillation


def test_squared_error_on_one_hot_rows_made_here():
    made = graph(linear(784, 10), op("one_hot", OUTSIDE), "float", op("mse_loss", 0, 2))
    assert len(found(record(made), "loss-choice")) == 1
    # codes of a VQ-VAE: one-hot rows pick vectors
    made = graph(
        linear(784, 10), op("one_hot", OUTSIDE), op("matmul", 1, PARAMETER), op("mse_loss", 0, 2)
    )
    assert found(record(made), "loss-choice") == []


@pytest.mark.parametrize(("last", "fires"), [("sigmoid", True), ("linear", False)])
def test_squared_error_of_one_unit_on_two_classes(last, fires):
    end = ["sigmoid"] if last == "sigmoid" else []
    made = graph(linear(8, 1), *end, "mse_loss")
    of = record(made, signals("mse_loss", **ZERO_ONE))
    assert bool(found(of, "loss-choice")) == fires
    ones = {**ZERO_ONE, "target_distinct": 1.0}
    assert found(record(made, signals("mse_loss", **ones)), "loss-choice") == []  # LSGAN
    made.operations[-1].input_shapes = [[4, 1], [4, 1]]
    assert found(record(made, signals("mse_loss", **ZERO_ONE)), "loss-choice") == []  # XOR


def test_binary_pictures_are_no_classes():
    of = net("sigmoid", "mse_loss", **ZERO_ONE)  # 10 outputs: pixels
    assert found(of, "loss-choice") == []


@pytest.mark.parametrize(
    ("low", "high", "distinct", "integral", "fires"),
    [
        (0, 9, 10, 1, True),
        (0, 2, 3, 1, True),
        (0, 1, 2, 1, False),
        (1, 5, 5, 1, False),  # ratings
        (0, 90, 40, 1, False),  # ages
        (0, 9, 10, 0, False),
        (-3, 3, 7, 1, False),
    ],
)
def test_one_output_on_class_numbers(low, high, distinct, integral, fires):
    values = {
        "target_min": float(low),
        "target_max": float(high),
        "target_distinct": float(distinct),
        "target_integral": float(integral),
    }
    made = graph(linear(64, 1), "squeeze", "mse_loss")
    made.operations[1].shape = [64]
    made.operations[2].input_shapes = [[64], [64]]
    of = record(made, *[signals("mse_loss", step, **values) for step in range(3)])
    assert bool(found(of, "loss-choice")) == fires
    early = record(made, *[signals("mse_loss", step, **values) for step in range(2)])
    assert found(early, "loss-choice") == []


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "binary_cross_entropy_with_logits"])
@pytest.mark.parametrize(
    ("low", "high", "distinct", "integral", "fires"),
    [
        (0, 1, 2, 1, False),
        (0, 0.9, 30, 0, False),
        (0, 2, 3, 1, True),
        (-1, 1, 300, 0, True),
        (-1, 1, 2, 1, False),  # label-range
    ],
)
def test_binary_cross_entropy_on_what_is_not_binary(loss, low, high, distinct, integral, fires):
    values = {"target_min": low, "target_max": high}
    values |= {"target_distinct": distinct, "target_integral": integral}
    assert bool(found(net("sigmoid", loss, **values), "loss-choice")) == fires


def test_binary_cross_entropy_on_a_softmax():
    assert len(found(net("softmax", "binary_cross_entropy", **ZERO_ONE), "loss-choice")) == 1
    two = graph(linear(8, 2), "softmax", "binary_cross_entropy")
    assert found(record(two, signals("binary_cross_entropy", **ZERO_ONE)), "loss-choice") == []


@pytest.mark.parametrize(
    ("dtype", "low", "high", "fires"),
    [
        ("float32", -2.0, 3.0, True),
        ("float32", 0.0, 1.0, False),  # mixup, label smoothing
        ("int64", 0.0, 9.0, False),
    ],
)
def test_cross_entropy_on_real_numbers(dtype, low, high, fires):
    of = net(op("cross_entropy", target_dtype=dtype), target_min=low, target_max=high)
    assert bool(found(of, "loss-choice")) == fires


def test_targets_that_end_the_script():
    error = {**ERROR, "text": "all elements of target should be between 0 and 1"}
    assert len(found(record(loop(exception=error)), "loss-choice")) == 1
    assert found(record(loop(exception=ERROR)), "loss-choice") == []


def test_a_squared_difference_by_hand():
    made = graph(linear(8, 10), "softmax", op("one_hot", OUTSIDE), op("sub", 1, 2), "pow", "mean")
    assert len(found(record(made), "loss-choice")) == 1
    made = graph(linear(8, 10), op("one_hot", OUTSIDE), op("mul", 0, 1), "sum")
    assert found(record(made), "loss-choice") == []


@pytest.mark.parametrize("end", [("cross_entropy",), ("mse_loss",), ("sigmoid", "mse_loss")])
def test_ordinary_heads_are_silent(end):
    real = {"target_min": 0.0, "target_max": 1.0, "target_integral": 0.0, "target_distinct": 500.0}
    for name in ("loss-input", "output-activation", "loss-broadcast", "loss-choice"):
        assert found(net(*end, **real), name) == []


# loss-reduction


def summed(end, ratio, name="SGD", losses=(2.3, 2.2, 2.1, 2.0)):
    updates = [weights("a.weight", s, update_ratio=ratio, rms=0.1, grad_rms=1.0) for s in range(5)]
    made = graph(linear(8, 10), *end)
    habits = loop(optimizers=[optimizer(name, steps=100)], parameters=[parameter("a.weight")])
    return record(made, updates, steps(losses), habits)


SUM = op("cross_entropy", reduction="sum")


@pytest.mark.parametrize(("ratio", "fires"), [(0.3, True), (0.051, True), (0.049, False)])
def test_a_sum_with_too_large_steps(ratio, fires):
    findings = found(summed([SUM], ratio), "loss-reduction")
    assert bool(findings) == fires
    if fires:
        assert findings[0].severity == "warning"
        assert "64 examples" in findings[0].saw
        assert findings[0].where.line == 12


def test_a_sum_that_blows_the_loss_up():
    assert len(found(summed([SUM], 0.01, losses=(2.3, 3.5, 9.0)), "loss-reduction")) == 1
    assert len(found(summed([SUM], 0.01, losses=(2.3, 2.4, float("nan"))), "loss-reduction")) == 1


@pytest.mark.parametrize("name", ["Adam", "AdamW", "LBFGS", "RMSprop"])
def test_optimizers_that_divide_by_the_gradient_are_silent(name):
    assert found(summed([SUM], 0.3, name), "loss-reduction") == []


def test_a_sum_that_is_divided_by_hand_is_silent():
    assert found(summed([SUM, "div"], 0.3), "loss-reduction") == []
    mean = op("cross_entropy", reduction="mean")
    assert found(summed([mean], 0.3), "loss-reduction") == []


def test_a_sum_by_hand():
    rows = [op("sub", 0, OUTSIDE), "pow", op("sum", shape=())]
    rows[2].shape, rows[2].input_shapes = [], [[64, 10]]
    made = summed(rows, 0.3)
    made.graphs[0].operations[-1].shape = []
    assert len(found(made, "loss-reduction")) == 1
