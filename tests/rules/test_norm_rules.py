"""norm-small-batch, norm-gap and frozen-norm-updates on hand-written runs."""

import pytest
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
    record,
    signals,
    steps,
)

from steadygrad.record import Epoch, Record


def norm(training=True, frozen=False, momentum=0.1, has_weight=True, **fields):
    return op(
        "batch_norm",
        training=training,
        frozen=frozen,
        momentum=momentum,
        has_weight=has_weight,
        eps=1e-5,
        **fields,
    )


def network(**fields):
    return graph(conv(3, 16), norm(**fields), "relu", linear(16, 10), "cross_entropy")


# norm-small-batch


def batched(examples, values, sizes=None, **fields) -> Record:
    sizes = sizes or [examples] * 5
    return record(
        network(**fields),
        [batch(step, shape=(size, 3, 8, 8)) for step, size in enumerate(sizes)],
        [signals("batch_norm", step, values_per_channel=values) for step in range(5)],
    )


@pytest.mark.parametrize(
    ("examples", "values", "severity"),
    [
        (1, 1, "error"),
        (2, 2, "warning"),
        (2, 5000, "warning"),
        (3, 5000, None),
        (7, 63, "warning"),
        (7, 64, None),
        (8, 32, None),
        (15, 15, "warning"),
        (16, 16, None),
        (64, 64, None),
    ],
)
def test_norm_small_batch(examples, values, severity):
    findings = found(batched(examples, values), "norm-small-batch")
    assert [finding.severity for finding in findings] == ([severity] if severity else [])
    for finding in findings:
        assert (finding.where.file, finding.where.line) == ("train.py", 112)
        assert finding.numbers["batch_size"] == examples


def test_a_short_last_batch_is_healthy():
    made = batched(64, 4096, sizes=[64, 64, 64, 64, 2])
    made.signals[-1].values["values_per_channel"] = 2
    assert not found(made, "norm-small-batch")


def test_norms_in_eval_mode_take_any_batch():
    assert not found(batched(1, 1, training=False), "norm-small-batch")


def test_torch_refuses_one_value():
    made = record(
        loop(
            step=7,
            exception={
                "type": "ValueError",
                "text": "Expected more than 1 value per channel when training, got input size "
                "torch.Size([1, 64])",
                "file": "train.py",
                "line": 33,
            },
        )
    )
    (finding,) = found(made, "norm-small-batch")
    assert (finding.severity, finding.step, finding.where.line) == ("error", 7, 33)
    assert "drop_last=True" in finding.fix
    made.loop.exception["text"] = "out of memory"
    assert not found(made, "norm-small-batch")


# norm-gap


def gap(mean, ratio=1.0, values=1024, momentum=0.1, watched=(50, 60, 70, 80)) -> Record:
    statistics = {
        "running_mean_gap": mean,
        "running_var_ratio": ratio,
        "values_per_channel": values,
    }
    return record(
        network(momentum=momentum),
        [signals("batch_norm", step, **statistics) for step in watched],
        [signals("cross_entropy", step, value=0.2) for step in watched],
        steps([1.0] * 100),
        loop(optimizers=[optimizer(steps=100)]),
    )


@pytest.mark.parametrize(
    ("mean", "ratio", "fires"),
    [(0.51, 1.0, True), (0.49, 1.0, False), (0.1, 4.1, True), (0.1, 3.9, False),
     (0.1, 0.24, True), (0.1, 0.26, False)],
)  # fmt: skip
def test_norm_gap(mean, ratio, fires):
    made = gap(mean, ratio)
    made.batches = [batch(60, "evaluation", training=False)]
    findings = found(made, "norm-gap")
    assert bool(findings) == fires
    for finding in findings:
        assert (finding.severity, finding.where.line) == ("warning", 112)
        assert "momentum 0.1" in finding.saw


@pytest.mark.parametrize("training", [None, True])
def test_a_gap_nothing_was_evaluated_with_is_larger(training):
    for mean, fires in ((0.9, False), (1.1, True)):
        made = gap(mean)
        if training:  # a target network's pass, without gradients but by the batch's statistics
            made.batches = [batch(60, "evaluation", training=True)]
        assert bool(found(made, "norm-gap")) == fires


def test_the_first_updates_may_differ():
    assert not found(gap(5.0, watched=(0, 1, 5, 9, 20, 30, 40, 49)), "norm-gap")
    assert not found(gap(5.0, watched=(9, 60)), "norm-gap")


def test_slow_statistics_get_the_updates_they_need():
    waits = gap(0.8, momentum=0.01, watched=(50, 100, 200, 299))
    assert not found(waits, "norm-gap")
    assert found(gap(0.8, momentum=0.01, watched=(300, 350, 400, 450)), "norm-gap")
    assert found(gap(0.8, momentum=1e-4), "norm-gap")


def test_statistics_that_come_after_the_evaluation():
    made = gap(0.8, momentum=1e-4, watched=(6, 7, 8, 9))
    assert not found(made, "norm-gap")
    made.batches = [batch(9, "evaluation", training=False)]
    assert found(made, "norm-gap")
    made.loop.step = 49
    assert not found(made, "norm-gap")
    made.loop.step = 10_000
    assert not found(made, "norm-gap")


def test_few_values_are_noisy():
    for mean, fires in ((0.7, False), (0.8, True)):
        made = gap(mean, values=16)
        made.batches = [batch(60, "evaluation", training=False)]
        assert bool(found(made, "norm-gap")) == fires


def test_a_worse_evaluation_is_evidence():
    assert not found(gap(0.4), "norm-gap")
    made = gap(0.4)
    made.signals += [signals("cross_entropy", 80, "evaluation", value=0.5)]
    (finding,) = found(made, "norm-gap")
    assert "evaluation loss is over twice" in finding.saw
    made = gap(0.4)
    made.epochs = [Epoch(0, 80, train_loss=0.2, val_loss=0.5)]
    assert found(made, "norm-gap")


@pytest.mark.parametrize(
    ("momentum", "values", "fires"), [(0.9, 2047, True), (0.99, 32, True), (0.9, 2048, False),
                                      (0.8, 32, False)],
)  # fmt: skip
def test_a_momentum_that_keeps_the_last_batch_only(momentum, values, fires):
    findings = found(gap(0.01, values=values, momentum=momentum), "norm-gap")
    assert bool(findings) == fires
    for finding in findings:
        assert f"momentum={momentum:g}" in finding.saw


def test_a_momentum_of_one_batch_shows_at_once():
    assert found(gap(0.01, values=128, momentum=0.999, watched=(6, 7, 8, 9)), "norm-gap")


def test_a_discriminator_sees_two_kinds_of_batches():
    made = gap(0.9)
    made.loop.optimizers.append(optimizer(steps=100))
    assert not found(made, "norm-gap")


def test_a_cumulative_average_has_no_momentum():
    (finding,) = found(gap(0.9, momentum=None), "norm-gap")
    assert "momentum" not in finding.saw


# frozen-norm-updates


def backbone(head_learns=True, **fields) -> Record:
    """conv and batch norm without trainable tensors, then a head."""
    frozen = conv(3, 16, OUTSIDE, OUTSIDE)
    features = norm(inputs=None, module="backbone.bn", parameter="backbone.bn.weight", **fields)
    features.attributes.pop("inputs")
    features.inputs = [0, OUTSIDE]
    head = linear(16, 10, 2, PARAMETER if head_learns else OUTSIDE)
    return record(
        graph(frozen, features, op("relu", 1), head, op("cross_entropy", 3, OUTSIDE)),
        loop(step=2, optimizers=[optimizer(steps=2)]),
    )


def test_frozen_norm_updates():
    (finding,) = found(backbone(frozen=True), "frozen-norm-updates")
    assert (finding.severity, finding.where.line) == ("warning", 12)
    assert finding.fix == "Call `model.backbone.eval()` after every `model.train()`."


@pytest.mark.parametrize(
    "fields",
    [
        {"frozen": False},
        {"frozen": True, "training": False},
        {"frozen": True, "has_weight": False},
        {"frozen": True, "head_learns": False},
    ],
    ids=["learns", "eval", "no-weight", "teacher"],
)
def test_norms_that_are_no_frozen_backbone(fields):
    assert not found(backbone(**fields), "frozen-norm-updates")


def test_a_discriminator_held_still_for_the_generator_is_healthy():
    made = backbone(frozen=True)
    learning = norm(module="backbone.bn", parameter="backbone.bn.weight", layer="again")
    learning.inputs = [0, PARAMETER]
    made.graphs[0].operations.append(learning)
    assert not found(made, "frozen-norm-updates")


def test_a_backbone_may_have_learned_before_it_was_frozen():
    made = backbone(frozen=True)
    made.graphs.insert(0, backbone(frozen=False).graphs[0])
    assert found(made, "frozen-norm-updates")
