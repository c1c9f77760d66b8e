"""no-nonlinearity, bias-before-norm, norm-placement: the order in which layers ran."""

import pytest
from records import conv, found, graph, linear, op, record

NONE, BIAS, PLACE = "no-nonlinearity", "bias-before-norm", "norm-placement"


def severities(*rows, outputs=()):
    return [f.severity for f in found(record(graph(*rows, outputs=outputs)), NONE)]


# no-nonlinearity


@pytest.mark.parametrize(
    "between",
    [
        [],
        ["reshape"],
        ["dropout"],
        ["batch_norm"],
        [op("mul", 0, -1)],
        [op("add", 0, -2)],
        ["layer_norm"],  # no substitute for an activation that is nowhere
    ],
)
def test_a_network_without_any_activation_is_an_error(between):
    rows = [linear(64, 64), *between, linear(64, 64), linear(64, 10), "cross_entropy"]
    assert severities(*rows) == ["error"]


def test_one_missing_activation_is_a_warning_at_the_layers_call():
    rows = [
        linear(64, 64), "relu", linear(64, 32, line=30), linear(32, 32, line=31), "relu",
        linear(32, 10), "cross_entropy",
    ]  # fmt: skip
    (finding,) = found(record(graph(*rows)), NONE)
    assert finding.severity == "warning"
    assert finding.where.line == 30
    assert "train.py:31" in finding.saw
    assert finding.numbers["pairs"] == 1


def test_an_item_of_a_sequential_is_named_where_it_is_built():
    rows = [linear(64, 64, module="net.0"), linear(64, 64, module="net.1"), "cross_entropy"]
    (finding,) = found(record(graph(*rows)), NONE)
    assert finding.where.line == 111


@pytest.mark.parametrize(
    "rows",
    [
        [linear(64, 10), "cross_entropy"],
        [linear(64, 64), "relu", linear(64, 10), "cross_entropy"],
        [linear(64, 64), op("gelu"), "dropout", "reshape", linear(64, 10), "cross_entropy"],
        [linear(64, 64), "relu", linear(64, 8), linear(8, 64), "relu", linear(64, 10)],
        [linear(64, 8), linear(8, 64), "mse_loss"],
        [op("embedding", shape=[64, 16]), linear(16, 64), "relu", linear(64, 10)],
        [conv(16, 16, groups=16), conv(16, 32, kernel=1), "relu", linear(32, 10)],
        [conv(16, 96, kernel=1), "batch_norm", "relu6", conv(96, 16, kernel=1), "batch_norm",
         conv(16, 96, kernel=1), "batch_norm", "relu6", linear(96, 10)],
        [conv(3, 16), "relu", "max_pool", conv(16, 32), "max_pool", linear(32, 10)],
        [linear(64, 64), "relu", linear(64, 64), "layer_norm", linear(64, 10)],
    ],
    ids=["one layer", "mlp", "gelu", "low rank", "linear autoencoder", "embedding", "separable",
         "linear bottleneck", "pool between", "norm between"],
)  # fmt: skip
def test_healthy_orders(rows):
    assert severities(*rows) == []


def test_queries_keys_and_values_lead_to_attention():
    rows = [
        op("embedding", shape=[64, 16, 32]), "layer_norm", linear(32, 32, 1), linear(32, 32, 1),
        linear(32, 32, 1), op("attention", 2, 3, 4, shape=[64, 16, 32]), linear(32, 32),
        op("add", 6, 0), "layer_norm", linear(32, 64), "gelu", linear(64, 32), op("add", 11, 7),
        "layer_norm", linear(32, 10), "cross_entropy",
    ]  # fmt: skip
    assert severities(*rows) == []


def test_a_sum_of_two_branches_is_no_linear_chain():
    rows = [linear(64, 64), "relu", linear(64, 64), op("add", 2, 1), linear(64, 10)]
    assert severities(*rows) == []


def test_what_one_model_hands_to_another_is_left_out():
    rows = [
        linear(64, 32), "relu", linear(32, 64), linear(64, 64), "relu", linear(64, 1),
        "binary_cross_entropy_with_logits",
    ]  # fmt: skip
    assert severities(*rows) == ["warning"]
    assert severities(*rows, outputs=[2, 5]) == []


# bias-before-norm


def test_bias_before_norm_is_one_note():
    rows = [conv(3, 8), "batch_norm", "relu", conv(8, 8), "batch_norm", "relu", linear(8, 10)]
    (finding,) = found(record(graph(*rows)), BIAS)
    assert finding.severity == "note"
    assert finding.numbers["layers"] == ["conv2d", "conv2d#2"]
    assert finding.where.line == 111


@pytest.mark.parametrize(
    "rows",
    [
        [conv(3, 8, has_bias=False), "batch_norm", "relu"],
        [conv(3, 8), "layer_norm", "relu"],
        [conv(3, 8), "group_norm", "relu"],
        [conv(3, 8), "relu", "batch_norm"],
        [conv(3, 8), "batch_norm", op("add", 1, 0)],
    ],
    ids=["no bias", "layer norm", "group norm", "relu first", "used elsewhere too"],
)
def test_biases_that_count(rows):
    assert not found(record(graph(*rows)), BIAS)


# norm-placement


def blocks(*orders):
    rows = []
    for order in orders:
        rows.append(conv(8, 8))
        rows += ["batch_norm", "relu"] if order == "before" else ["relu", "batch_norm"]
    return record(graph(*rows, linear(8, 10), "cross_entropy"))


def test_one_norm_behind_where_the_rest_is_before():
    (finding,) = found(blocks("before", "before", "behind"), PLACE)
    assert finding.severity == "note"
    assert finding.numbers == {"behind": 1, "before": 2}
    assert finding.where.line == 11 + 8


@pytest.mark.parametrize(
    "orders",
    [["before"] * 4, ["behind"] * 4, ["before", "behind"], ["before", "behind", "behind"]],
)
def test_one_order_or_none_is_no_fault(orders):
    assert not found(blocks(*orders), PLACE)
