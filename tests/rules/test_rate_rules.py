"""lr-too-high, lr-too-low and weight-decay-too-high on hand-written runs."""

import math

import pytest
from records import found, graph, linear, loop, optimizer, parameter, record, steps, weights

from steadygrad.record import Record, Step

LN10 = math.log(10)
LAYERS = ("linear", "linear#2", "linear#3")


def run(
    losses, ratios, lr=0.1, rms=None, decay=None, optimizers=None, steps_lines=None, **optimizer_is
) -> Record:
    """An MLP of three layers; ratios[i] is the update-to-weight ratio at watched step i."""
    made = optimizers or [optimizer(lr=lr, steps=len(losses), **optimizer_is)]
    lines = []
    for step, ratio in enumerate(ratios):
        for name in LAYERS:
            values = {"rms": rms[step] if rms else 0.1, "grad_rms": 1e-3, "update_ratio": ratio}
            if decay is not None:
                values["decay_ratio"] = decay
            lines.append(weights(f"{name}.weight", step, **values))
        # What must be left out: a head that began at zero, a bias, a frozen weight.
        zero = {"rms": 0.0 if step == 0 else 0.01, "grad_rms": 1.0, "update_ratio": 50.0}
        lines.append(weights("zero.weight", step, **zero))
        lines.append(weights("linear.bias", step, rms=0.01, grad_rms=1.0, update_ratio=9.0))
        lines.append(weights("frozen.weight", step, rms=0.1, update_ratio=0.0))
    parameters = [parameter(f"{name}.weight", (64, 64)) for name in LAYERS]
    parameters += [parameter("zero.weight", (10, 64)), parameter("linear.bias", (64,))]
    parameters += [parameter("frozen.weight", (64, 64), trainable=False)]
    network = graph(linear(64, 64), "relu", linear(64, 64), "relu", linear(64, 10), "cross_entropy")
    network.operations[-1].attributes["num_classes"] = 10
    return record(
        network,
        lines,
        steps_lines or steps(losses, lr=lr),
        loop(optimizers=made, parameters=parameters),
    )


def falling(count=100):
    return [0.3 + 2 * math.exp(-i / 30) for i in range(count)]


def flat(count=100):
    return [LN10 + 0.02 * math.sin(7 * i) for i in range(count)]


# lr-too-high


@pytest.mark.parametrize(("peak", "fires"), [(3.1, True), (2.9, False)])
def test_a_jump_at_birth(peak, fires):
    losses = [LN10, 2.2, peak * LN10, *flat(8)]
    findings = found(run(losses, [0.8] * 10, lr=3.0), "lr-too-high")
    assert bool(findings) == fires
    if fires:
        (finding,) = findings
        assert (finding.severity, finding.step) == ("error", 3)
        assert (finding.where.file, finding.where.line) == ("train.py", 8)
        assert finding.numbers["suggested_lr"] == pytest.approx(3.0 * 0.01 / 0.8)
        assert finding.fix == "Use `lr=0.04` in line 8."


@pytest.mark.parametrize(("ratio", "fires"), [(0.11, True), (0.09, False)])
def test_a_jump_without_large_updates_is_noise(ratio, fires):
    assert bool(found(run([LN10, 9.0, *flat(8)], [ratio] * 10), "lr-too-high")) == fires


@pytest.mark.parametrize(("level", "fires"), [(1.6, True), (1.4, False)])
def test_a_loss_that_stays_over_its_start(level, fires):
    losses = [LN10, *[level * LN10] * 20]
    assert bool(found(run(losses, [0.3] * 10), "lr-too-high")) == fires


def test_a_net_that_recovers_from_its_birth_gets_a_warning():
    (finding,) = found(run([LN10, 40.0, *falling()], [0.5] * 10), "lr-too-high")
    assert finding.severity == "warning"


@pytest.mark.parametrize(
    ("ratio", "count", "severity"),
    [
        (0.11, 40, "warning"),
        (0.11, 120, "error"),
        (0.06, 40, None),
        (0.06, 120, "warning"),
        (0.04, 120, None),
    ],
)
def test_large_updates_and_a_flat_loss(ratio, count, severity):
    findings = found(run(flat(count), [ratio] * 10), "lr-too-high")
    assert [finding.severity for finding in findings] == ([severity] if severity else [])


def test_a_loss_that_fell_and_went_back_for_good():
    losses = [*[LN10 - 0.01 * i for i in range(60)], *flat(60)]
    (finding,) = found(run(losses, [0.03] * 12), "lr-too-high")
    assert finding.severity == "error"
    assert "is back at" in finding.saw
    assert finding.numbers["suggested_lr"] == pytest.approx(0.01)
    assert not found(run(losses, [0.01] * 12), "lr-too-high")


def test_one_blow_larger_than_the_weights():
    losses = [LN10, 1.6 * LN10, *flat(8)]
    assert found(run(losses, [0.3, 1.1, 1e-3, 1e-5, 1e-6, 1e-6]), "lr-too-high")
    assert not found(run(losses, [0.3, 0.9, 1e-3, 1e-5, 1e-6, 1e-6]), "lr-too-high")
    flat_after = run(flat(30), [0.41, 1e-3, 1e-5, 1e-6, 1e-6, 1e-6])
    assert found(flat_after, "lr-too-high")


def test_large_updates_with_a_falling_loss_are_healthy():
    # SGD 0.1 with momentum on batch norm, Adam 1e-2.
    assert not found(run(falling(), [0.13, 0.1, 0.1, 0.12, 0.1, 0.09, 0.08]), "lr-too-high")


def test_large_updates_of_weight_decay_are_not_the_rate():
    assert not found(run(flat(), [0.2] * 10, decay=1.4), "lr-too-high")


def test_two_optimizers_prove_nothing():
    two = [optimizer(steps=100), optimizer("Adam", steps=100)]
    for losses in ([LN10, 50.0, *flat()], flat()):
        assert not found(run(losses, [0.8] * 10, optimizers=two), "lr-too-high")


def test_two_losses_prove_nothing_and_accumulation_is_one_loss():
    gan = run([LN10, 50.0, *flat()], [0.8] * 10)
    gan.graphs[0].roots = [3, 5]
    assert not found(gan, "lr-too-high")
    accumulating = run([LN10, 50.0, *flat()], [0.8] * 10)
    accumulating.graphs[0].operations.append(accumulating.graphs[0].operations[-1])
    accumulating.graphs[0].roots = [5, 6]
    assert found(accumulating, "lr-too-high")


def test_our_own_runs_get_our_own_option():
    made = run([LN10, 50.0, *flat()], [0.8] * 10)
    made.loop.optimizers = []
    (finding,) = found(made, "lr-too-high")
    assert finding.fix == "Use `--lr 0.001`."


# lr-too-low


@pytest.mark.parametrize(
    ("ratio", "count", "fires"),
    [(1.9e-5, 40, True), (1.9e-5, 39, False), (2.1e-5, 199, False), (9e-5, 200, True),
     (1.1e-4, 300, False)],
)  # fmt: skip
def test_lr_too_low(ratio, count, fires):
    findings = found(run(flat(count), [ratio] * 12, lr=1e-6), "lr-too-low")
    assert bool(findings) == fires
    if fires:
        (finding,) = findings
        assert (finding.severity, finding.where.line) == ("warning", 8)
        assert finding.numbers["suggested_lr"] == pytest.approx(1e-6 * 1e-3 / ratio)


def test_small_updates_that_do_learn_are_healthy():
    assert not found(run(falling(), [9e-6] * 12), "lr-too-low")


def test_a_task_already_known_is_healthy():
    assert not found(run([0.3] * 100, [9e-6] * 12, lr=1e-6), "lr-too-low")


def test_the_largest_updates_of_the_run_count():
    # The end of a cosine schedule.
    assert not found(run(flat(300), [*[1e-2] * 8, *[1e-7] * 20]), "lr-too-low")


def test_a_warm_up_is_waited_for():
    rising = [Step(i + 1, 0, loss, 1e-6 * (i + 1), 64) for i, loss in enumerate(flat(60))]
    assert not found(run(flat(60), [9e-6] * 12, steps_lines=rising), "lr-too-low")
    planned = optimizer(
        steps=60, groups=[{"lr": 1e-6, "initial_lr": 1e-3, "weight_decay": 0.0, "momentum": 0}]
    )
    held = run(flat(60), [9e-6] * 12, lr=1e-6, optimizers=[planned])
    assert not found(held, "lr-too-low")


def test_one_layer_that_moves_tells_of_a_vanishing_gradient():
    made = run(flat(), [9e-6] * 12, lr=1e-6)
    for line in made.parameter_signals:
        if line.parameter == "linear#3.weight":
            line.values["update_ratio"] = 4e-2
    assert not found(made, "lr-too-low")


def test_without_gradients_the_rate_is_not_to_blame():
    made = run(flat(), [0.0] * 12)
    for line in made.parameter_signals:
        line.values["grad_rms"] = 0.0
    assert not found(made, "lr-too-low")


def test_a_rate_of_nothing():
    (finding,) = found(run(flat(), [0.0] * 12, lr=1e-30), "lr-too-low")
    assert finding.numbers["suggested_lr"] == 1e-3


# weight-decay-too-high

SHRINKING = [0.1 * 0.95**i for i in range(20)]


@pytest.mark.parametrize(("share", "fires"), [(0.31, True), (0.29, False)])
def test_weight_decay(share, fires):
    decayed = {"groups": [{"lr": 0.1, "weight_decay": 0.5}], "decoupled_decay": False}
    made = run(flat(), [0.05] * 20, rms=SHRINKING, decay=share, **decayed)
    findings = found(made, "weight-decay-too-high")
    assert bool(findings) == fires
    if fires:
        (finding,) = findings
        assert (finding.severity, finding.where.line) == ("warning", 8)
        assert "weight_decay=0.5" in finding.saw
        assert "`weight_decay=0.0005`" in finding.fix


@pytest.mark.parametrize(("left", "fires"), [(0.59, True), (0.61, False)])
def test_weights_that_keep_their_size_are_not_decayed(left, fires):
    sizes = [*[0.1] * 19, 0.1 * left]
    made = run(flat(), [0.05] * 20, rms=sizes, decay=5.0)
    made.loop.step = 19
    assert bool(found(made, "weight-decay-too-high")) == fires


def test_what_is_left_is_worked_out_where_no_step_was_watched_since():
    made = run(flat(), [0.05] * 10, rms=SHRINKING[:10], decay=5.0)
    made.loop.step = 9
    assert not found(made, "weight-decay-too-high")
    made.loop.step = 60
    assert found(made, "weight-decay-too-high")


def test_decay_of_a_net_that_learns_is_healthy():
    made = run(falling(), [0.05] * 20, rms=SHRINKING, decay=1.0)
    assert not found(made, "weight-decay-too-high")


def test_decay_before_the_first_gradients_is_healthy():
    # Residual branches that start at zero: nothing but decay for a few updates.
    made = run(flat(), [1e-6] * 20, rms=SHRINKING, decay=0.01)
    for line in made.parameter_signals:
        if line.step < 5 and "decay_ratio" in line.values:
            line.values["decay_ratio"] = 1e20
    assert not found(made, "weight-decay-too-high")


def test_adamw_gets_its_own_advice():
    decayed = {"groups": [{"lr": 0.01, "weight_decay": 20.0}], "decoupled_decay": True}
    made = run(flat(), [0.2] * 20, rms=SHRINKING, decay=0.5, **decayed)
    (finding,) = found(made, "weight-decay-too-high")
    assert "`weight_decay=0.01`" in finding.fix
