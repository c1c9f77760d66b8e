"""dropout-misuse, augmentation-too-strong, overfitting and underfitting on watched runs."""

import math

import pytest
from records import batch, conv, found, graph, linear, loop, op, record

from steadygrad.record import Epoch

# dropout-misuse


def dropout(p=0.5, **fields):
    return op("dropout", p=p, training=fields.pop("training", True), **fields)


def net(*between):
    return graph(linear(784, 100), "relu", *between, linear(100, 10), "cross_entropy")


@pytest.mark.parametrize(("p", "fires"), [(0.5, False), (0.79, False), (0.8, True), (0.97, True)])
def test_the_rate(p, fires):
    findings = found(record(net(dropout(p, built_line=21))), "dropout-misuse")
    assert [f.severity for f in findings] == ["warning"] * fires
    if fires:
        assert findings[0].where.line == 21
        assert f"{p:.0%}" in findings[0].saw


def test_a_functional_dropout_is_where_it_is_called():
    misplaced = dropout(0.9, functional=True, line=33, built_line=21)
    assert found(record(net(misplaced)), "dropout-misuse")[0].where.line == 33


def test_several_in_a_row_add_up():
    assert found(record(net(dropout(0.5), dropout(0.5))), "dropout-misuse") == []
    (finding,) = found(record(net(dropout(0.6), dropout(0.6))), "dropout-misuse")
    assert finding.numbers["rate"] == pytest.approx(0.84)


def test_dropout_of_the_prediction():
    last = graph(linear(784, 10), dropout(0.3), "cross_entropy")
    (finding,) = found(record(last), "dropout-misuse")
    assert "prediction" in finding.saw
    by_hand = graph(linear(784, 10), dropout(0.3), "log_softmax", "getitem", "mean", "neg")
    assert len(found(record(by_hand), "dropout-misuse")) == 1
    squashed = graph(linear(784, 1), dropout(0.3), "sigmoid", "binary_cross_entropy")
    assert len(found(record(squashed), "dropout-misuse")) == 1


def test_dropout_of_a_target_or_of_attention_is_none_of_the_prediction():
    target = graph(
        linear(8, 8), op("identity", -1), dropout(0.3), op("mse_loss", 0, 2, reduction="mean")
    )
    assert found(record(target), "dropout-misuse") == []
    attention = graph(
        op("matmul", -1, -1), "softmax", dropout(0.1), op("matmul", 2, -1), linear(8, 10),
        "cross_entropy",
    )  # fmt: skip
    assert found(record(attention), "dropout-misuse") == []


@pytest.mark.parametrize(("p", "fires"), [(0.2, False), (0.25, True), (0.5, True)])
def test_dropout_in_front_of_a_batch_norm(p, fires):
    norm = op("batch_norm", training=True)
    shifted = graph(conv(3, 8), "relu", dropout(p), norm, linear(8, 10), "cross_entropy")
    assert bool(found(record(shifted), "dropout-misuse")) == fires
    through = graph(conv(3, 8), dropout(p), "relu", norm, linear(8, 10), "cross_entropy")
    assert bool(found(record(through), "dropout-misuse")) == fires


def test_dropout_between_weights_of_a_wide_resnet_is_healthy():
    block = graph(
        op("batch_norm", training=True), "relu", conv(8, 8), dropout(0.3), conv(8, 8),
        op("batch_norm", training=True), linear(8, 10), "cross_entropy",
    )  # fmt: skip
    assert found(record(block), "dropout-misuse") == []
    layer_norm = graph(linear(8, 8), dropout(0.5), "layer_norm", linear(8, 10), "cross_entropy")
    assert found(record(layer_norm), "dropout-misuse") == []


def test_dropout_that_is_off_or_leads_nowhere_is_silent():
    assert found(record(net(dropout(0.9, training=False))), "dropout-misuse") == []
    aside = graph(
        linear(784, 10), op("dropout", 0, p=0.9, training=True), op("cross_entropy", 0, -1)
    )
    assert found(record(aside), "dropout-misuse") == []


def test_one_finding_for_all():
    many = net(dropout(0.9), linear(100, 100), "relu", dropout(0.9))
    (finding,) = found(record(many), "dropout-misuse")
    assert finding.numbers["layers"] == ["dropout", "dropout#2"]


# augmentation-too-strong


def accuracies(train, val, *more):
    lines = [
        Epoch(i, 10 * i, 1.5, 1.0, v, t - 0.001 * i) for i, (t, v) in enumerate(zip(train, val))
    ]
    return record(batch(), lines, *more)


@pytest.mark.parametrize(
    ("train", "val", "fires"),
    [
        (0.3, 0.7, True),
        (0.46, 0.7, False),  # a quarter off, but two thirds of it
        (0.2, 0.44, False),
        (0.6, 0.8, False),
        (0.9, 0.7, False),
    ],
)
def test_the_gap(train, val, fires):
    findings = found(accuracies([train] * 5, [val] * 5), "augmentation-too-strong")
    assert [f.severity for f in findings] == ["warning"] * fires


def test_the_first_epochs_lag_behind():
    lag = accuracies([0.2, 0.45, 0.6, 0.7], [0.55, 0.7, 0.75, 0.78])
    assert found(lag, "augmentation-too-strong") == []
    assert found(accuracies([0.2] * 3, [0.6] * 3), "augmentation-too-strong") == []


def test_accuracies_that_losses_contradict_are_not_believed():
    run = accuracies([0.3] * 5, [0.7] * 5)
    run.epochs[-1].train_loss = 0.45  # 70 % wrong answers cost 0.49 at the least
    assert found(run, "augmentation-too-strong") == []
    run.epochs[-1].train_loss, run.epochs[-1].val_loss = 0.9, 1.0
    assert found(run, "augmentation-too-strong") == []
    stale = accuracies([0.3] * 5, [0.7] * 5)
    for epoch in stale.epochs:
        epoch.train_accuracy = 0.3
    assert found(stale, "augmentation-too-strong") == []


def test_mixed_pictures_and_much_dropout_excuse_a_gap():
    two = graph(
        linear(8, 10), op("cross_entropy", 0, -1), op("cross_entropy", 0, -1), op("add", 1, 2)
    )
    soft = graph(linear(8, 10), op("cross_entropy", target_dtype="float32"))
    for excuse in (two, soft, net(dropout(0.7))):
        run = accuracies([0.3] * 5, [0.7] * 5, excuse)
        assert found(run, "augmentation-too-strong") == []


# overfitting and underfitting, whose curves test_data_rules.py has


def test_overfitting_of_a_watched_script_is_told_in_its_words():
    val = [1.0 - 0.1 * i if i < 5 else 0.5 + 0.1 * (i - 4) for i in range(14)]
    lines = [Epoch(i, 50 * i, 2.0 * 0.8**i, v, 0.7) for i, v in enumerate(val)]
    (finding,) = found(record(batch(), lines), "overfitting")
    assert "--patience" not in finding.fix
    assert "Since step" in finding.saw
    (finding,) = found(record(lines), "overfitting")
    assert "--patience" in finding.fix


def test_underfitting_of_a_watched_script_counts_its_labels():
    labels = [batch(i, labels=[j % 4 for j in range(64)], fingerprint=str(i)) for i in range(3)]
    labels[0].labels = labels[0].labels[::-1]
    labels[1].labels = [0, 1, 2, 3, 3, 2, 1, 0] * 8
    level = 0.8 * math.log(4)
    lines = [Epoch(i, 50 * i, level, level) for i in range(14)]
    (finding,) = found(record(labels, lines, loop()), "underfitting")
    assert "--depth" not in finding.fix
    assert finding.numbers["guess_loss"] == pytest.approx(math.log(4))
    assert found(record(lines), "underfitting") == []
