"""Each rule fires, stays silent on what is healthy, and turns at its threshold."""

import math
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from steadygrad import rules
from steadygrad.errors import InputError, SteadygradError
from steadygrad.record import Epoch, Facts, Finding, Record, Step
from steadygrad.rules import framework
from steadygrad.rules.reading import guess_loss

TEN = [f"class {index}" for index in range(10)]
LN10 = math.log(10)


def found(record: Record, name: str) -> list[Finding]:
    """The findings of one rule alone, whatever explains them."""
    return list(next(r for r in rules.RULES if rules.name_of(r) == name)(record))


def facts(**values) -> Record:
    values.setdefault("classes", TEN)
    return Record(facts=Facts(**values))


def curves(losses, steps_per_epoch=20, **values) -> Record:
    record = facts(**values)
    for index, loss in enumerate(losses):
        record.add(Step(index + 1, index // steps_per_epoch, float(loss), 0.1, 64))
    return record


def epochs(train, val, accuracy=None, **values) -> Record:
    record = facts(**values)
    for index, (t, v) in enumerate(zip(train, val)):
        score = None if accuracy is None else accuracy[index]
        record.add(Epoch(index, 10 * (index + 1), t, v, score))
    return record


def healthy() -> Record:
    """A run that learns: warm-up, label smoothing, a few rare classes, copies left on one side."""
    rng = np.random.default_rng(0)
    losses = 0.6 + (LN10 - 0.6) * np.exp(-np.arange(400) / 80) + 0.1 * rng.normal(size=400)
    record = curves(
        losses,
        class_counts={"train": [594, 137, 400, 500, 300, 400, 400, 400, 400, 400]},
        audit={
            "num_files": 4000,
            "num_broken": 0,
            "near_duplicates": [["a", "b"]],
            "exact_duplicates": [["c", "d"]],
            "across_splits": [],
        },
        initial={"symmetric_layers": [], "loss": 1.01 * LN10, "init": "auto"},
    )
    for index in range(20):
        progress = math.exp(-index / 4)
        record.add(Epoch(index, 20 * (index + 1), 0.6 + 1.7 * progress, 0.5 + 1.8 * progress, 0.9))
    return record


def test_a_healthy_run_gives_no_finding():
    assert rules.run(healthy()) == []


def test_an_empty_record_gives_no_finding():
    assert rules.run(Record()) == []


# The framework.


def test_every_rule_has_a_page_under_the_fixed_headings():
    names = [row["name"] for row in rules.catalogue()]
    assert len(set(names)) == len(rules.RULES)
    for name in names:
        page = rules.page(name)
        places = [page.index(f"\n{heading}\n") for heading in framework.HEADINGS]
        assert places == sorted(places)
        assert "Severity:" not in page
    for row in rules.catalogue():
        assert set(row["severity"].split(" or ")) <= {"error", "warning", "note"}
        assert row["summary"].endswith(".")


def test_each_rule_lives_in_a_file_of_its_name():
    for rule in rules.RULES:
        assert rule.__module__ == f"steadygrad.rules.{rules.name_of(rule).replace('-', '_')}"


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(InputError, match="'leakage'"):
        rules.page("leekage")
    with pytest.raises(InputError, match="'overfitting'"):
        rules.run(Record(), ignore=("overfiting",))


def my_own(record: Record) -> Iterator[Finding]:
    """Mine."""
    yield Finding("my-own", "note", 0, "saw", "expected", "fix")


def test_a_rule_of_ones_own_joins_the_others():
    assert [f.rule for f in rules.run(Record(), rules=(*rules.RULES, my_own))] == ["my-own"]
    assert rules.run(Record(), rules=(*rules.RULES, my_own), ignore=("my-own",)) == []
    assert rules.page("my-own", (my_own,)).startswith("my-own (unknown): Mine.")


def misnamed(record: Record) -> Iterator[Finding]:
    """Wrong."""
    yield Finding("other", "note", 0, "", "", "")


def test_a_finding_under_another_name_is_refused():
    with pytest.raises(SteadygradError, match="'misnamed'"):
        rules.run(Record(), rules=(misnamed,))


def test_a_consequence_joins_its_cause():
    record = curves([LN10] * 200, initial={"symmetric_layers": ["conv1"]})
    (finding,) = rules.run(record)
    assert finding.rule == "symmetric-init"
    assert finding.numbers["explains"] == ["not-learning"]
    assert "not-learning" in finding.saw
    (finding,) = rules.run(record, ignore=("symmetric-init",))
    assert finding.rule == "not-learning"


def test_rules_do_without_torch():
    code = "import sys; import steadygrad.rules; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# broken-images


@pytest.mark.parametrize(("broken", "severity"), [(1, "warning"), (10, "warning"), (11, "error")])
def test_broken_images(broken, severity):
    rows = [{"name": f"cat/{index}.jpg", "reason": "empty"} for index in range(broken)]
    audit = {"num_files": 100, "num_broken": broken, "broken": rows}
    (finding,) = found(facts(audit=audit), "broken-images")
    assert finding.severity == severity
    assert "cat/0.jpg (empty)" in finding.saw
    assert finding.numbers["broken"] == broken
    assert finding.where.file == "cat/0.jpg"


def test_whole_files_are_no_fault():
    assert found(facts(audit={"num_files": 100, "num_broken": 0}), "broken-images") == []


# leakage


@pytest.mark.parametrize(
    ("exact", "near", "severity"),
    [(1, 0, "error"), (0, 1, "warning"), (0, 49, "warning"), (0, 50, "error")],
)
def test_leakage(exact, near, severity):
    audit = {
        "num_across_splits": exact + near,
        "across_splits": [["test/a.png", "train/a.png"]],
        "leaked": {"test": {"exact": exact, "near": near, "pictures": 1000}},
    }
    (finding,) = found(facts(audit=audit), "leakage")
    assert finding.severity == severity
    assert "test/a.png, train/a.png" in finding.saw
    assert f"{exact + near} of 1000 test pictures" in finding.saw


def test_leakage_from_groups_alone():
    (finding,) = found(facts(audit={"across_splits": [["a", "b"]]}), "leakage")
    assert finding.severity == "error"


def test_copies_within_a_split_are_no_leakage():
    audit = {"exact_duplicates": [["a", "b"]], "across_splits": [], "leaked": {}}
    assert found(facts(audit=audit), "leakage") == []


# class-imbalance


@pytest.mark.parametrize(
    ("counts", "fires"),
    [
        ([100, 10], True),  # 91 % of all
        ([79, 21], False),
        ([81, 19], True),
        ([100, 100, 10], False),
        ([101, 100, 10], True),
        ([594, 501, 482, 410, 403, 137], False),
        ([239, 31, 60], False),
        ([0, 0], False),
        ([5], False),
    ],
)
def test_class_imbalance(counts, fires):
    record = facts(classes=TEN[: len(counts)], class_counts={"train": counts})
    findings = found(record, "class-imbalance")
    assert bool(findings) == fires
    if fires:
        assert findings[0].numbers["smallest"] == min(counts)
        assert TEN[counts.index(min(counts))] in findings[0].saw


def test_imbalance_that_is_weighed_already_is_silent():
    record = facts(class_counts={"train": [1000, 1]}, initial={"class_weights": "balanced"})
    assert found(record, "class-imbalance") == []


# symmetric-init


def test_symmetric_init():
    record = facts(initial={"symmetric_layers": ["net.conv1", "net.conv2"], "init": "zeros"})
    (finding,) = found(record, "symmetric-init")
    assert finding.severity == "error"
    assert "net.conv1, net.conv2" in finding.saw
    assert "'zeros'" in finding.saw
    assert finding.where.module == "net.conv1"
    assert found(facts(initial={"symmetric_layers": []}), "symmetric-init") == []


# loss-at-init


@pytest.mark.parametrize(
    ("ratio", "severity"),
    [
        (1.0, None),
        (1.24, None),
        (1.26, "warning"),
        (1.99, "warning"),
        (2.01, "error"),
        (0.81, None),
        (0.79, "warning"),
        (0.51, "warning"),
        (0.49, "error"),
    ],
)
def test_loss_at_init(ratio, severity):
    findings = found(facts(initial={"loss": ratio * LN10}), "loss-at-init")
    assert [f.severity for f in findings] == ([severity] if severity else [])


def test_a_head_that_starts_at_the_class_shares_is_healthy():
    counts = [900, 50, 50]
    record = facts(classes=TEN[:3], class_counts={"train": counts})
    record.facts.initial["loss"] = guess_loss(record)
    assert record.facts.initial["loss"] == pytest.approx(0.394, abs=1e-3)
    assert found(record, "loss-at-init") == []
    record.facts.initial["loss"] = math.log(3)
    assert found(record, "loss-at-init") == []


@pytest.mark.parametrize(
    "initial",
    [{}, {"loss": None}, {"loss": math.nan}, {"loss": 0.1, "start_from": "runs/photos-1"}],
)
def test_loss_at_init_needs_a_new_network_and_a_number(initial):
    assert found(facts(initial=initial), "loss-at-init") == []


def test_loss_at_init_without_classes_is_silent():
    assert found(facts(classes=[], initial={"loss": 50.0}), "loss-at-init") == []


# non-finite


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_non_finite_loss_names_the_first_step(bad):
    (finding,) = found(curves([2.3, 2.2, bad, bad]), "non-finite")
    assert finding.step == 3
    assert finding.severity == "error"
    assert finding.numbers["last_finite_loss"] == 2.2
    assert finding.numbers["lr"] == 0.1


def test_non_finite_before_training_and_in_validation():
    (finding,) = found(facts(initial={"loss": math.nan}), "non-finite")
    assert finding.step == 0
    record = curves([2.3, 2.2])
    record.add(Epoch(0, 2, 2.2, math.inf))
    (finding,) = found(record, "non-finite")
    assert "validation loss is inf" in finding.saw


def test_steps_skipped_by_mixed_precision_are_healthy():
    record = curves([2.3, 2.2])
    record.steps[0].grad_norm = math.inf
    record.add(Epoch(0, 2, 2.2, None))
    assert found(record, "non-finite") == []


# not-learning


@pytest.mark.parametrize(
    ("ratio", "fires"), [(1.0, True), (0.975, True), (0.96, False), (5.0, True)]
)
def test_not_learning(ratio, fires):
    findings = found(curves([ratio * LN10] * 200), "not-learning")
    assert bool(findings) == fires
    if fires:
        assert findings[0].severity == "error"
        assert findings[0].numbers["loss"] == pytest.approx(ratio * LN10)


@pytest.mark.parametrize(("steps", "per_epoch"), [(99, 20), (150, 75), (300, 300)])
def test_not_learning_waits(steps, per_epoch):
    assert found(curves([LN10] * steps, per_epoch), "not-learning") == []


def test_a_loss_that_came_back_is_told():
    losses = [*np.linspace(LN10, 1.0, 100), *([2.4] * 200)]
    (finding,) = found(curves(losses), "not-learning")
    assert "rose again" in finding.saw


def test_a_run_that_tells_pictures_apart_is_learning_whatever_its_loss():
    record = curves([LN10] * 200)  # heavy mixup and label smoothing keep the loss up
    record.add(Epoch(9, 200, LN10, 1.5, 0.3))
    assert found(record, "not-learning") == []
    record.epochs[0].val_accuracy = 0.11
    assert len(found(record, "not-learning")) == 1


def test_guessing_the_large_class_is_not_learning():
    shares = {"classes": TEN[:2], "class_counts": {"train": [900, 100]}}
    record = curves([0.325] * 200, **shares)
    record.add(Epoch(9, 200, 0.325, 0.325, 0.9))
    assert len(found(record, "not-learning")) == 1
    record.epochs[0].val_accuracy = 0.96
    assert found(record, "not-learning") == []


# overfitting

FALLING = [2.0 * 0.8**index for index in range(16)]


def rising(after: int, slope: float) -> list[float]:
    return [1.0 + 0.1 * abs(i - after) if i < after else 1 + slope * (i - after) for i in range(16)]


@pytest.mark.parametrize(("slope", "fires"), [(0.02, False), (0.06, True), (0.0, False)])
def test_overfitting(slope, fires):
    findings = found(epochs(FALLING, rising(6, slope)), "overfitting")
    assert bool(findings) == fires
    if fires:
        assert findings[0].severity == "warning"
        assert 6 <= findings[0].numbers["best_epoch"] <= 8


def test_overfitting_needs_accuracy_to_stand_still():
    still = [0.8] * 16
    better = [0.6 + 0.02 * index for index in range(16)]
    assert found(epochs(FALLING, rising(6, 0.06), better), "overfitting") == []
    assert len(found(epochs(FALLING, rising(6, 0.06), still), "overfitting")) == 1


def test_both_curves_rising_is_no_overfitting():
    assert found(epochs([0.5 + 0.1 * i for i in range(16)], rising(6, 0.06)), "overfitting") == []


def test_one_bad_epoch_is_no_overfitting():
    val = [1.0 * 0.95**i for i in range(16)]
    val[10] = 5.0
    assert found(epochs(FALLING, val), "overfitting") == []
    assert found(epochs(FALLING[:7], rising(2, 0.3)[:7]), "overfitting") == []


# underfitting


@pytest.mark.parametrize(
    ("level", "fires"), [(0.59, False), (0.61, True), (0.9, True), (0.98, False)]
)
def test_underfitting(level, fires):
    stalled = [level * LN10 * (1 + 0.5 * math.exp(-i)) for i in range(20)]
    findings = found(epochs(stalled, stalled), "underfitting")
    assert bool(findings) == fires
    if fires:
        assert findings[0].severity == "note"


def test_underfitting_is_silent_while_losses_fall_or_part():
    falling = [2.2 * 0.97**i for i in range(20)]
    stalled = [0.7 * LN10] * 20
    assert found(epochs(falling[:16], falling[:16]), "underfitting") == []
    assert found(epochs(stalled[:11], stalled[:11]), "underfitting") == []
    assert found(epochs([0.5 * x for x in stalled], stalled), "underfitting") == []
    assert found(epochs([0.8 * x for x in stalled], stalled), "underfitting") == []
