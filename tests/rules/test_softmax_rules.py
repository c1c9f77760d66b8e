"""double-softmax, softmax-dim and softmax-single-unit: what comes in front of the loss."""

import pytest
from records import batch, found, graph, linear, op, record, signals

DOUBLE, DIM, SINGLE = "double-softmax", "softmax-dim", "softmax-single-unit"


def soft(name="softmax", dim=1, shape=(64, 10), **fields):
    return op(name, dim=dim, shape=shape, size=shape[dim or 0], **fields)


def loss(name="cross_entropy", classes=10, **fields):
    return op(name, num_classes=classes, reduction="mean", **fields)


def head(*rows, **values):
    return record(graph(linear(64, 10), *rows), batch(shape=(64, 64)), [
        signals(rows[-1].name, step=step, **values) for step in range(3) if values
    ])  # fmt: skip


# double-softmax


@pytest.mark.parametrize(
    ("maker", "name", "fires"),
    [
        (soft(line=30), "cross_entropy", True),
        (soft("log_softmax"), "cross_entropy", False),
        (soft("log_softmax"), "nll_loss", False),
        (op("relu"), "cross_entropy", False),
        (op("sigmoid", line=30), "binary_cross_entropy_with_logits", True),
        (op("sigmoid"), "binary_cross_entropy", False),
        (op("log"), "cross_entropy", False),
    ],
)
def test_double_softmax(maker, name, fires):
    findings = found(head(maker, loss(name)), DOUBLE)
    assert bool(findings) == fires
    if fires:
        assert findings[0].severity == "error"
        assert findings[0].where.line == 30
        assert "train.py:13" in findings[0].saw  # the loss's own line


def test_double_softmax_through_shape_and_dropout():
    assert found(head(soft(), "reshape", "dropout", loss()), DOUBLE)


def test_double_softmax_in_a_sequential_names_the_built_line():
    (finding,) = found(head(soft(module="net.5", built_line=205), loss()), DOUBLE)
    assert finding.where.line == 205


PROBABILITIES = {"input_min": 0.01, "input_row_sum_deviation": 1e-5}


@pytest.mark.parametrize(
    ("values", "fires"),
    [
        (PROBABILITIES, True),
        ({**PROBABILITIES, "input_min": -0.1}, False),
        ({**PROBABILITIES, "input_row_sum_deviation": 1.1e-3}, False),
        ({**PROBABILITIES, "input_row_sum_deviation": 0.9e-3}, True),
        ({}, False),
    ],
)
def test_probabilities_made_by_other_means(values, fires):
    assert bool(found(head("div", loss(), **values), DOUBLE)) == fires


def test_one_odd_batch_of_probabilities_proves_nothing():
    made = head(op("div"), loss())
    made.add(signals("cross_entropy", **PROBABILITIES))
    assert not found(made, DOUBLE)


def test_a_hand_written_cross_entropy_of_a_softmax():
    made = record(graph(linear(64, 10), soft(line=30), soft("log_softmax"), "getitem", "mean"))
    (finding,) = found(made, DOUBLE)
    assert finding.where.line == 30


def test_attention_weights_are_no_double_softmax():
    attention = graph(
        linear(64, 64), op("softmax", dim=-1, shape=[8, 5, 5]), op("matmul", 1, 0, shape=[64, 64]),
        linear(64, 10), loss(),
    )  # fmt: skip
    assert not found(record(attention), DOUBLE)


# softmax-dim


@pytest.mark.parametrize(
    ("softmax", "name", "classes", "fires"),
    [
        (soft("log_softmax", 1), "nll_loss", 10, False),
        (soft("log_softmax", -1), "nll_loss", 10, False),
        (soft("log_softmax", 0), "nll_loss", 10, True),
        (soft("softmax", 0), "cross_entropy", 10, True),
        (soft("log_softmax", None), "nll_loss", 10, False),  # of two dimensions: the second
        (soft("log_softmax", None, (25, 15, 4)), "nll_loss", 4, True),  # of three: the first
        (soft("log_softmax", -1, (25, 15, 4)), "nll_loss", 4, False),
        (soft("log_softmax", 1, (8, 3, 24, 24)), "nll_loss", 3, False),
        (soft("log_softmax", 3, (8, 3, 24, 24)), "nll_loss", 3, True),
    ],
)
def test_softmax_dim(softmax, name, classes, fires):
    findings = found(head(softmax, loss(name, classes)), DIM)
    assert bool(findings) == fires
    if fires:
        assert findings[0].severity == "error"


def test_a_batch_as_large_as_the_classes_shows_in_its_sums():
    square = soft("log_softmax", 0, (10, 10))
    assert not found(head(square, loss("nll_loss"), input_exp_row_sum_deviation=1e-4), DIM)
    assert found(head(square, loss("nll_loss"), input_exp_row_sum_deviation=0.4), DIM)


def test_attention_over_the_batch():
    def pooled(dim, shape, size):
        rows = [linear(64, 10), op("softmax", dim=dim, shape=shape), "mul", "mean"]
        return record(graph(*rows), batch(shape=(size, 64)))

    assert found(pooled(0, [64, 12], 64), DIM)
    assert not found(pooled(1, [64, 12], 64), DIM)
    assert not found(pooled(0, [12, 64], 64), DIM)  # the sequence comes first
    assert not found(pooled(0, [64, 64], 64), DIM)  # a table of similarities
    assert not found(pooled(0, [64], 64), DIM)


def test_exp_by_its_sum_is_a_softmax():
    def written(dim):
        rows = [
            linear(64, 10), op("exp"), op("sum", 1, dim=dim, shape=[10]),
            op("div", 1, 2, shape=[64, 10], line=77), "log", "getitem", "mean",
        ]  # fmt: skip
        return record(graph(*rows), batch(shape=(64, 64)))

    (finding,) = found(written(0), DIM)
    assert finding.where.line == 77
    assert not found(written(1), DIM)


# softmax-single-unit


def test_softmax_single_unit():
    one = soft(shape=(64, 1), line=30)
    made = record(graph(linear(64, 1), one, loss("binary_cross_entropy", 1)))
    (finding,) = found(made, SINGLE)
    assert finding.severity == "error"
    assert finding.where.line == 30
    two = record(graph(linear(64, 2), soft(shape=(64, 2)), loss("nll_loss", 2)))
    assert not found(two, SINGLE)


def test_a_cross_entropy_on_one_logit():
    made = record(graph(linear(64, 1), loss(classes=1, line=31)))
    (finding,) = found(made, SINGLE)
    assert finding.where.line == 31
    sigmoid = record(graph(linear(64, 1), loss("binary_cross_entropy_with_logits", 1)))
    assert not found(sigmoid, SINGLE)


def test_attention_over_a_sequence_of_one_is_healthy():
    rows = [
        linear(64, 64), op("matmul", 0, 0, shape=[64, 4, 1, 1]),
        op("softmax", dim=-1, shape=[64, 4, 1, 1]), op("matmul", 2, 0, shape=[64, 64]),
        linear(64, 10), loss(),
    ]  # fmt: skip
    assert not found(record(graph(*rows)), SINGLE)


def test_attention_pooling_over_the_wrong_dimension():
    rows = [linear(64, 1, shape=[64, 12, 1]), op("softmax", dim=-1, shape=[64, 12, 1]), "sum"]
    assert found(record(graph(*rows)), SINGLE)
    rows[1] = op("softmax", dim=1, shape=[64, 12, 1])
    assert not found(record(graph(*rows)), SINGLE)
