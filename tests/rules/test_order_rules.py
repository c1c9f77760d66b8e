"""not-shuffled, class-imbalance and label-misalignment on watched batches."""

import math

import numpy as np
import pytest
from records import FILE, batch, found, graph, linear, loop, op, record, signals, steps

from steadygrad.record import Epoch, Loader, Where
from steadygrad.rules.batches import divergence, labelled, order_surprise

LN10 = math.log(10)
MADE = Where(FILE, 3)


def stream(labels, size=32, first=0, gap=1, **fields):
    """Training batches of these labels in order, one per step."""
    parts = [labels[i : i + size] for i in range(0, len(labels), size)]
    return [
        batch(first + gap * i, shape=(len(part), 1, 8, 8), labels=[int(x) for x in part], **fields)
        for i, part in enumerate(parts)
    ]


def mixed(count=640, classes=10, seed=0, p=None):
    return np.random.default_rng(seed).choice(classes, size=count, p=p)


def by_class(count=640, classes=10):
    return np.repeat(np.arange(classes), count // classes)


def loader(**fields):
    fields.setdefault("kind", "train")
    return Loader(MADE, **fields)


# not-shuffled


def test_sorted_batches_are_an_error_at_the_loader():
    made = loader(num_batches=20, batch_size=32, num_examples=640, sampler="SequentialSampler")
    (finding,) = found(record(stream(by_class()), loop(loaders=[made])), "not-shuffled")
    assert finding.severity == "error"
    assert finding.where.line == 3
    assert "100%" in finding.saw


def test_without_a_loader_the_line_is_the_call_of_the_model():
    batches = stream(by_class(), origin=Where(FILE, 9))
    (finding,) = found(record(batches), "not-shuffled")
    assert finding.where.line == 5


def test_sparse_steps_of_a_sorted_set_show_it_too():
    later = [*range(0, 640, 128)]
    labels = np.repeat([0, 1, 4, 7, 9], 32)
    assert len(labels) == 32 * len(later)
    assert found(record(stream(labels, gap=50)), "not-shuffled")[0].severity == "error"


def test_small_classes_in_rising_order():
    """Five pictures a class: each batch holds seven classes, and their labels only go up."""
    assert found(record(stream(by_class(500, 100))), "not-shuffled")[0].severity == "error"


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("p", [[0.5, 0.5], [0.95, 0.05], [0.6, 0.3, 0.1]])
@pytest.mark.parametrize("size", [4, 32])
def test_labels_in_random_order_are_healthy(seed, p, size):
    labels = mixed(320, len(p), seed, p)
    assert found(record(stream(labels, size)), "not-shuffled") == []


def test_few_classes_with_several_pictures_each_are_a_sampler():
    rng = np.random.default_rng(0)
    labels = [c for _ in range(20) for c in np.repeat(rng.choice(50, 8, replace=False), 4)]
    assert found(record(stream(labels)), "not-shuffled") == []


def test_one_task_after_the_other_is_meant():
    rng = np.random.default_rng(0)
    labels = np.concatenate([2 * task + rng.integers(0, 2, 128) for task in range(5)])
    assert found(record(stream(labels)), "not-shuffled") == []


def test_pairs_and_episodes_have_scripted_labels():
    pairs = [batch(i, shape=(32, 8), labels=list(range(32))) for i in range(10)]
    episodes = [batch(i, shape=(32, 8), labels=[j // 8 for j in range(32)]) for i in range(10)]
    for batches in (pairs, episodes):
        assert labelled(record(batches)) == []
        assert found(record(batches), "not-shuffled") == []


def test_a_discriminator_meets_real_and_generated_pictures_apart():
    calls = [
        batch(step, shape=(32, 8), labels=[real] * 32, fingerprint=f"{step} {real}")
        for step in range(10)
        for real in (1, 0)
    ]
    assert found(record(calls), "not-shuffled") == []


def test_labels_of_tokens_and_of_regression_say_nothing():
    tokens = [
        batch(i, shape=(8, 64), dtype="int64", labels=[i // 2] * 512, fingerprint=str(i))
        for i in range(10)
    ]
    assert found(record(tokens), "not-shuffled") == []
    plain = [batch(i, shape=(32, 8)) for i in range(10)]
    repeated = loop(batch_period=20, periods_seen=5.0)
    assert found(record(plain, repeated), "not-shuffled") == []


def test_the_first_class_alone_from_a_loader_that_keeps_the_order():
    made = loader(num_batches=900, num_examples=57600, sampler="SequentialSampler", iterations=1)
    head = op("cross_entropy", num_classes=10)
    lines = stream([0] * 640, 64), graph(linear(64, 10), head)
    (finding,) = found(record(*lines, loop(loaders=[made])), "not-shuffled")
    assert "All 640 labels" in finding.saw
    made.sampler = "RandomSampler"  # then labels are constant: another rule's business
    assert found(record(*lines, loop(loaders=[made])), "not-shuffled") == []


@pytest.mark.parametrize(
    ("period", "times", "fires"),
    [(8, 3.0, True), (8, 2.9, False), (7, 9.0, False), (1, 99.0, False), (0, 0.0, False)],
)
def test_the_same_order_every_epoch(period, times, fires):
    lines = stream(mixed()), loop(batch_period=period, periods_seen=times)
    findings = found(record(*lines), "not-shuffled")
    assert [f.severity for f in findings] == ["note"] * fires


def test_a_recurrent_network_keeps_its_order():
    lines = stream(mixed()), loop(batch_period=20, periods_seen=5.0)
    assert found(record(*lines, graph("lstm", "cross_entropy")), "not-shuffled") == []


def test_augmentation_hides_equal_batches_but_not_their_labels():
    labels = mixed(320)
    batches = [*stream(labels), *stream(labels[:32], first=10), *stream(labels[:32], first=20)]
    for place, one in enumerate(batches):
        one.fingerprint = str(place)
    made = loader(num_batches=10, num_examples=320, sampler="SequentialSampler", iterations=3)
    assert len(found(record(batches, loop(loaders=[made])), "not-shuffled")) == 1
    made.iterations = 2
    assert found(record(batches, loop(loaders=[made])), "not-shuffled") == []
    made.iterations = 3
    batches[-1].labels = batches[-1].labels[::-1]
    assert found(record(batches, loop(loaders=[made])), "not-shuffled") == []


def test_surprise_is_a_bound_on_a_probability():
    assert divergence(0.5, 0.5) == 0
    assert divergence(1.0, 0.1) == pytest.approx(LN10)
    two = labelled(record(stream([0] * 32 + [1] * 32)))
    assert order_surprise(two) > 16 * math.log(2)
    assert order_surprise(labelled(record(stream(mixed())))) < 5


# class-imbalance


@pytest.mark.parametrize(
    ("p", "fires"),
    [([0.5, 0.5], False), ([0.88, 0.12], False), ([0.97, 0.03], True), ([0.7, 0.29, 0.01], True)],
)
def test_imbalance_in_watched_labels(p, fires):
    lines = stream(mixed(1000, len(p), 1, p)), graph(linear(64, len(p)), "cross_entropy")
    findings = found(record(*lines), "class-imbalance")
    assert [f.severity for f in findings] == ["warning"] * fires
    if fires:
        assert findings[0].where.line == 5
        assert "to 1" in findings[0].saw


def test_imbalance_waits_for_labels():
    labels = mixed(480, 2, 1, [0.97, 0.03])
    assert found(record(stream(labels)), "class-imbalance") == []


def test_rare_by_chance_is_not_rare():
    """100 classes with 5 labels each on average: some come up once, some ten times."""
    assert found(record(stream(mixed(512, 100))), "class-imbalance") == []


@pytest.mark.parametrize("attributes", [{"weighted": True}, {"reduction": "none"}])
def test_weights_handle_imbalance(attributes):
    lines = stream(mixed(1000, 2, 1, [0.97, 0.03]))
    head = op("cross_entropy", **attributes)
    assert found(record(lines, graph(linear(64, 2), head)), "class-imbalance") == []


def test_a_sampler_handles_imbalance():
    lines = stream(mixed(1000, 2, 1, [0.97, 0.03]))
    made = loader(sampler="WeightedRandomSampler", num_batches=30)
    assert found(record(lines, loop(loaders=[made])), "class-imbalance") == []


def test_a_sorted_stream_has_not_shown_its_classes_yet():
    labels = [0] * 900 + [1] * 60
    assert found(record(stream(labels)), "class-imbalance") == []
    assert found(record(stream(labels)), "not-shuffled") != []


def test_a_majority_counts_where_nothing_else_is_said():
    lines = [*stream(mixed(1000, 2, 1, [0.85, 0.15])), graph(linear(64, 2), "cross_entropy")]
    said = [signals("cross_entropy", step, majority_share=1.0) for step in (60, 70, 80)]
    assert found(record(lines), "class-imbalance") == []
    (finding,) = found(record(lines, said), "class-imbalance")
    assert "one class for 100%" in finding.saw
    said[1].values["majority_share"] = 0.9
    assert found(record(lines, said), "class-imbalance") == []


# label-misalignment


def near(agreement=0.1, distance_ratio=0.5, count=640.0):
    return {
        "agreement": agreement,
        "chance": 0.1,
        "standard_error": math.sqrt(0.09 / count),
        "count": count,
        "distance_ratio": distance_ratio,
    }


def strangers(losses=None, **neighbours):
    losses = [LN10 * 1.01] * 40 if losses is None else losses
    return record(stream(mixed()), steps(losses), loop(neighbours=near(**neighbours)))


def test_neighbours_that_are_strangers():
    (finding,) = found(strangers(), "label-misalignment")
    assert finding.severity == "error"
    assert "10.0%" in finding.saw


@pytest.mark.parametrize(
    "healthy",
    [
        {"agreement": 0.15},
        {"agreement": 0.02},  # parity: the nearest has the other label
        {"distance_ratio": 0.81},
        {"count": 299.0},
        {"losses": [LN10] * 39},
        {"losses": np.linspace(LN10, 1.9, 40)},
    ],
)
def test_neighbours_that_tell_nothing(healthy):
    assert found(strangers(**healthy), "label-misalignment") == []


def test_agreement_at_three_standard_errors():
    error = math.sqrt(0.09 / 640)
    assert found(strangers(agreement=0.1 + 2.9 * error), "label-misalignment")
    assert found(strangers(agreement=0.1 + 3.1 * error), "label-misalignment") == []


def curves(first=LN10, last=0.5, accuracy=0.1, counted=1, val_loss=3.0):
    losses = [*([first] * 40), *np.linspace(first, last, 160)]
    lines = steps(losses, 40)
    for line in lines:
        line.epoch += counted
    epochs = [Epoch(i, 40 * i + 40, 2.3 - 0.4 * i, val_loss, accuracy) for i in range(5)]
    epochs[-1].train_loss = last
    return record(stream(mixed()), lines, epochs)


def test_learned_by_heart_and_nothing_in_general():
    (finding,) = found(curves(), "label-misalignment")
    assert "first epoch" in finding.saw
    assert len(found(curves(counted=0), "label-misalignment")) == 1


def test_a_validation_loss_alone_says_it_too():
    (finding,) = found(curves(accuracy=None), "label-misalignment")
    assert "validation loss was never below 3" in finding.saw
    # Whole groups of alike pictures get one answer: so much scatter is chance.
    assert found(curves(accuracy=0.17), "label-misalignment")


@pytest.mark.parametrize(
    "healthy",
    [
        {"first": 2.0},
        {"last": 1.8},
        {"accuracy": 0.3},
        {"accuracy": None, "val_loss": 2.2},
        {"accuracy": None, "val_loss": None},
    ],
)
def test_curves_of_healthy_runs(healthy):
    assert found(curves(**healthy), "label-misalignment") == []


def test_no_labels_no_verdict():
    plain = [batch(i) for i in range(10)]
    lines = steps([LN10] * 40), loop(neighbours=near())
    assert found(record(plain, *lines), "label-misalignment") == []


def test_our_own_run_is_judged_by_its_curves():
    own = curves()
    own.batches.clear()
    own.facts.classes = [str(i) for i in range(10)]
    own.facts.class_counts = {"train": [100] * 10}
    (finding,) = found(own, "label-misalignment")
    assert "steadygrad audit" in finding.fix
