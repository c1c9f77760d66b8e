"""scheduler-frequency: how often a schedule is stepped against what its horizon counts."""

import pytest
from records import found, loop, optimizer, record, steps

from steadygrad.record import Loader, Scheduler, Where

BATCHES = 100


def run(name, lr=(0.1, 0.1), scheduler_steps=1, updates=1, rates=None, **fields):
    """A run of one schedule; `fields` of Loop and Scheduler, the rest its arguments."""
    habits = {key: fields.pop(key) for key in list(fields) if key in vars(loop())}
    epochs = fields.pop("epochs", 1 + (updates - 1) // BATCHES)
    before = fields.pop("before_optimizer", False)
    size = fields.pop("size", BATCHES)
    schedule = Scheduler(
        name, Where("train.py", 9), Where("train.py", 30), 0, fields, scheduler_steps, updates,
        epochs, before, *lr,
    )  # fmt: skip
    loaders = [Loader(num_batches=size, iterations=epochs, kind="train")] if size else []
    first = optimizer(lr=0.1, steps=updates, backwards_per_step=habits.pop("backwards", 1.0))
    made = loop(schedulers=[schedule], loaders=loaders, optimizers=[first], **habits)
    lines = steps([1.0] * len(rates or []))
    for line, rate in zip(lines, rates or [], strict=True):
        line.lr = rate
    return found(record(made, lines), "scheduler-frequency")


GONE = (0.1, 1e-4)


@pytest.mark.parametrize(
    ("name", "per_batch", "lr", "arguments", "fires"),
    [
        ("StepLR", 30, GONE, {"step_size": 10, "gamma": 0.1}, True),
        ("StepLR", 29, GONE, {"step_size": 10, "gamma": 0.1}, False),  # two decays
        ("StepLR", 30, (0.1, 0.05), {"step_size": 10, "gamma": 0.8}, False),
        ("StepLR", 90, GONE, {"step_size": 30, "gamma": 0.1}, False),  # may be one long epoch
        ("StepLR", 190, GONE, {"step_size": 60, "gamma": 0.1}, True),  # it is not
        ("StepLR", 500, GONE, {"step_size": 160, "gamma": 0.1}, False),  # planned in batches
        ("MultiStepLR", 31, (0.1, 0.01), {"milestones": [10, 30], "gamma": 0.1}, True),
        ("MultiStepLR", 30, (0.1, 0.01), {"milestones": [10, 30], "gamma": 0.1}, False),
        ("MultiStepLR", 91, (0.1, 0.01), {"milestones": [50, 90], "gamma": 0.1}, False),
        ("MultiStepLR", 101, (0.1, 0.01), {"milestones": [50, 90], "gamma": 0.1}, True),
        ("MultiStepLR", 900, (0.1, 0.01), {"milestones": [400, 800], "gamma": 0.1}, False),
        ("CosineAnnealingLR", 23, (0.1, 0.01), {"T_max": 20, "eta_min": 0}, True),
        ("CosineAnnealingLR", 22, (0.1, 0.01), {"T_max": 20, "eta_min": 0}, False),
        ("CosineAnnealingLR", 1000, (0.1, 0.0), {"T_max": 1000, "eta_min": 0}, False),
        ("PolynomialLR", 50, (0.1, 0.0), {"total_iters": 10, "power": 1.0}, True),
        ("ExponentialLR", 150, GONE, {"gamma": 0.95}, True),
        ("ExponentialLR", 80, GONE, {"gamma": 0.9}, False),  # the first epoch may be all there is
        ("ExponentialLR", 900, GONE, {"gamma": 0.99}, False),
        ("ReduceLROnPlateau", 80, GONE, {"patience": 10, "factor": 0.1}, True),
        ("ReduceLROnPlateau", 80, (0.1, 0.01), {"patience": 10, "factor": 0.1}, False),
        ("LambdaLR", 150, GONE, {}, False),
        ("OneCycleLR", 100, (0.004, 0.1), {"total_steps": 1000}, False),
        ("CosineAnnealingWarmRestarts", 300, (0.1, 0.01), {"T_0": 10}, False),
        ("CyclicLR", 5000, (0.1, 0.01), {"total_size": 4000}, False),
    ],
)
def test_stepped_at_every_batch(name, per_batch, lr, arguments, fires):
    findings = run(name, lr, per_batch, per_batch, **arguments)
    assert bool(findings) == fires
    if fires:
        assert findings[0].severity == "warning"
        assert findings[0].where.line == 30
        assert f"stepped {per_batch} times" in findings[0].saw


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("StepLR", {"step_size": 2, "gamma": 0.1}),
        ("MultiStepLR", {"milestones": [2, 4], "gamma": 0.1}),
        ("CosineAnnealingLR", {"T_max": 10, "eta_min": 0}),
        ("ExponentialLR", {"gamma": 0.5}),
        ("ReduceLROnPlateau", {"patience": 3, "factor": 0.1}),
        ("OneCycleLR", {"total_steps": 20}),
        ("LambdaLR", {}),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_stepped_once_an_epoch(name, arguments, finished):
    assert run(name, GONE, 20, 2000, finished=finished, **arguments) == []


@pytest.mark.parametrize(
    ("name", "epochs", "finished", "arguments", "fires"),
    [
        ("OneCycleLR", 2, False, {"total_steps": 1000}, True),
        ("OneCycleLR", 2, False, {"total_steps": 500}, False),  # as many epochs?
        ("OneCycleLR", 5, True, {"total_steps": 500}, True),
        ("OneCycleLR", 20, True, {"total_steps": 20}, False),
        ("OneCycleLR", 2, False, {"total_steps": 1010}, False),  # no whole epochs
        ("CosineAnnealingLR", 3, False, {"T_max": 5000}, True),
        ("CosineAnnealingLR", 8, True, {"T_max": 50}, False),  # stopped early
        ("CyclicLR", 2, False, {"total_size": 4000.0}, True),
        ("LambdaLR", 2, True, {}, False),
    ],
)
def test_stepped_per_epoch_with_a_horizon_in_batches(name, epochs, finished, arguments, fires):
    findings = run(name, (0.1, 0.1), epochs, epochs * BATCHES, finished=finished, **arguments)
    assert bool(findings) == fires
    if fires:
        assert "inside the loop over batches" in findings[0].fix


@pytest.mark.parametrize(
    ("now", "epochs", "fires"),
    [(0.004, 3, True), (0.003, 2, False), (0.02, 3, False), (0.009, 8, True), (0.1, 5, False)],
)
def test_a_warm_up_counted_in_batches(now, epochs, fires):
    findings = run("LambdaLR", (0.001, now), epochs, epochs * BATCHES, base_lrs=[0.1])
    assert bool(findings) == fires
    if fires:
        assert "0.1 planned" in findings[0].saw


def test_accumulation_makes_epochs_shorter():
    # 100 batches, four to an update: 25 updates an epoch
    args = {"T_max": 250, "eta_min": 0}
    assert run("CosineAnnealingLR", (0.1, 0.0), 250, 250, epochs=10, backwards=4.0, **args) == []
    args = {"T_max": 10, "eta_min": 0}
    assert len(run("CosineAnnealingLR", (0.1, 0.0), 25, 25, backwards=4.0, **args)) == 1


@pytest.mark.parametrize(
    ("before", "scaler", "updates", "fires"),
    [
        (True, False, 5, True),
        (True, True, 5, False),
        (True, False, 0, False),
        (False, False, 5, False),
    ],
)
def test_stepped_before_the_optimizer(before, scaler, updates, fires):
    findings = run(
        "StepLR", scheduler_steps=1, updates=updates, before_optimizer=before,
        gradient_scaler=scaler, step_size=30,
    )  # fmt: skip
    assert bool(findings) == fires


def test_one_cycle_that_ends_the_script():
    error = {"text": "Tried to step 12 times. The specified number of total steps is 10"}
    (finding,) = run("OneCycleLR", scheduler_steps=12, updates=11, exception=error, total_steps=10)
    assert "made for 10 steps" in finding.saw


@pytest.mark.parametrize(
    ("rates", "fires"),
    [
        ([0.1] * 40 + [1e-6] * 61, True),
        ([0.1] * 60 + [1e-6] * 60, False),
        ([0.1] * 40 + [2e-5] * 61, False),
        ([1e-6] * 80 + [0.1] * 40, False),  # a warm-up
        ([0.1] * 20 + [1e-6] * 70, False),
    ],
)
def test_a_rate_of_nothing_for_most_of_the_run(rates, fires):
    count = len(rates)
    assert bool(run("LambdaLR", GONE, count, count, rates=rates, size=0)) == fires


@pytest.mark.parametrize(
    ("made", "updates", "fires"), [(40, 40, True), (39, 39, False), (40, 400, False)]
)
def test_a_cosine_that_swings_where_epochs_are_unknown(made, updates, fires):
    findings = run("CosineAnnealingLR", (0.1, 0.1), made, updates, size=0, epochs=0, T_max=10)
    assert bool(findings) == fires


def test_without_epochs_full_batches_are_silent():
    args = {"step_size": 10, "gamma": 0.1}
    assert run("StepLR", GONE, 60, 60, size=0, epochs=0, **args) == []
    assert run("StepLR", GONE, 60, 60, size=1, epochs=60, **args) == []
