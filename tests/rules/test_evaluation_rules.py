"""input-mismatch, leakage, augmented-evaluation and test-as-validation on watched batches."""

import numpy as np
import pytest
from records import FILE, batch, found, loop, record

from steadygrad.record import Epoch, Loader, Where

TEST_LOADER = Where(FILE, 4)


def loaders(train=True, evaluation=True, iterations=5, num_examples=640, sampler="RandomSampler"):
    made = []
    if train:
        made.append(Loader(Where(FILE, 3), 20, 32, num_examples, sampler, iterations=iterations))
        made[-1].kind = "train"
    if evaluation:
        made.append(Loader(TEST_LOADER, 5, 32, 160, "SequentialSampler", iterations=iterations))
        made[-1].kind = "evaluation"
    return made


# input-mismatch

IMAGE = {"shape": (64, 3, 32, 32)}


def scaled(kind, steps, mean=0.0, std=1.0, low=-2.0, high=2.0, **fields):
    values = {"mean": mean, "std": std, "min": low, "max": high}
    return [
        batch(step, kind, **{**IMAGE, **values, "labels": list(range(10)) * 6, **fields})
        for step in steps
    ]


@pytest.mark.parametrize(
    ("name", "evaluation"),
    [
        ("not divided by 255", {"mean": 120, "std": 63, "low": 0, "high": 255}),
        ("not normalised", {"mean": 0.47, "std": 0.25, "low": 0, "high": 1}),
        ("normalised twice", {"mean": -1.9, "std": 4, "low": -9.9, "high": 6.1}),
    ],
)
def test_another_scale(name, evaluation):
    lines = scaled("train", range(5)), scaled("evaluation", [10], **evaluation)
    (finding,) = found(record(*lines, loop(loaders=loaders())), "input-mismatch")
    assert finding.severity == "error"
    assert finding.where.line == 4
    assert finding.numbers["train_std"] == 1.0


def test_pixels_in_0_to_1_against_minus_1_to_1():
    train = scaled("train", range(5), mean=-0.05, std=0.5, low=-1, high=1)
    other = scaled("evaluation", [10], mean=0.475, std=0.25, low=0, high=1)
    assert len(found(record(train, other), "input-mismatch")) == 1
    same_spread = scaled("evaluation", [10], mean=0.1, std=0.28, low=0, high=0.9)
    assert found(record(train, same_spread), "input-mismatch") == []


@pytest.mark.parametrize(
    "evaluation",
    [
        {},
        {"mean": 0.3, "std": 0.8},  # a batch of one class
        {"std": 0.66, "low": -2, "high": 2},  # training pictures carry noise
        {"std": 1.4, "low": -2.0, "high": 2.0},  # training pictures are mixed
    ],
)
def test_what_augmentation_and_chance_do_is_healthy(evaluation):
    lines = scaled("train", range(5)), scaled("evaluation", [10, 20], **evaluation)
    assert found(record(*lines), "input-mismatch") == []


@pytest.mark.parametrize(
    ("std", "fires"), [(2.49, False), (2.51, True), (0.401, False), (0.399, True)]
)
def test_the_factor(std, fires):
    """Smallest and largest stay: what else agrees on another scale is left out here."""
    lines = scaled("train", range(5)), scaled("evaluation", [10], std=std, high=2.01)
    assert bool(found(record(*lines), "input-mismatch")) == fires


def test_other_models_are_not_compared():
    teacher = scaled("evaluation", [10], mean=120, std=63, model="teacher")
    assert found(record(scaled("train", range(5)), teacher), "input-mismatch") == []


def test_a_plane_looked_at_from_afar_a_series_and_tokens_are_healthy():
    for shape, dtype, labels in [
        ((64, 2), "float32", [0, 1] * 32),
        ((64, 20, 4), "float32", []),
        ((64, 20), "int64", [0, 1] * 32),
    ]:
        fields = {"shape": shape, "dtype": dtype, "labels": labels}
        lines = scaled("train", range(5), **fields), scaled("evaluation", [9], std=4.0, **fields)
        assert found(record(*lines), "input-mismatch") == []


def test_other_data_once_beside_validation_are_healthy():
    good = scaled("evaluation", [10, 20, 30])
    strange = scaled("evaluation", [31], mean=5.0, std=9.0)
    assert found(record(scaled("train", range(5)), good, strange), "input-mismatch") == []


def test_training_accuracy_beside_does_not_hide_it():
    train = scaled("train", range(5), examples=list(range(1, 65)))
    check = scaled("evaluation", [10, 20, 30], examples=list(range(1, 65)))
    tests = scaled("evaluation", [10], mean=120, std=63, examples=list(range(900, 964)))
    tests[0].fingerprint = "other"
    assert len(found(record(train, check, tests), "input-mismatch")) == 1


def channels(kind, means, seed, count=8, **values):
    rng = np.random.default_rng(seed)
    lines = scaled(kind, range(count), **values)
    for line in lines:
        line.channel_means = [m + 0.01 * rng.normal() for m in means]
        line.fingerprint += str(seed)
    return lines


PIXELS = {"mean": 0.4, "std": 0.25, "low": 0, "high": 1}


def test_channels_in_each_others_place():
    train = channels("train", [0.46, 0.42, 0.30], 0, **PIXELS)
    swapped = channels("evaluation", [0.30, 0.42, 0.46], 1, **PIXELS)
    (finding,) = found(record(train, swapped), "input-mismatch")
    assert "changed places" in finding.saw
    assert "COLOR_BGR2RGB" in finding.fix
    same = channels("evaluation", [0.47, 0.42, 0.29], 1, **PIXELS)
    assert found(record(train, same), "input-mismatch") == []
    redder = channels("evaluation", [0.52, 0.42, 0.26], 1, **PIXELS)
    assert found(record(train, redder), "input-mismatch") == []


def test_channels_normalised_by_each_others_statistics():
    train = channels("train", [0.0, 0.0, 0.0], 0)
    swapped = channels("evaluation", [-0.6, 0.0, 0.65], 1)
    assert len(found(record(train, swapped), "input-mismatch")) == 1
    warm = channels("evaluation", [0.12, 0.0, -0.12], 1)
    assert found(record(train, warm), "input-mismatch") == []


# leakage


def numbers(first, count):
    return list(range(first + 1, first + count + 1))


def training(count=640, size=32):
    return [
        batch(i, shape=(size, 1, 28, 28), examples=numbers(i * size, size))
        for i in range(count // size)
    ]


def evaluation(step, examples, **fields):
    fields = {"training": False, "grad_enabled": False, "fingerprint": str(examples[:3]), **fields}
    return batch(step, "evaluation", shape=(len(examples), 1, 28, 28), examples=examples, **fields)


def run(tests, backwards=100, runs=5, **made):
    return record(
        training(),
        tests,
        loop(loaders=loaders(**made), evaluation_runs=runs, backwards=backwards, finished=True),
    )


def test_evaluation_on_the_training_set_by_a_loader_of_its_own():
    tests = [evaluation(step, numbers(64, 32)) for step in (20, 40)]
    (finding,) = found(run(tests), "leakage")
    assert finding.severity == "error"
    assert finding.where.line == 4
    assert finding.numbers["estimated_fraction"] == 1.0


def test_a_part_of_the_evaluation_set_was_trained_on():
    tests = [evaluation(20 + i, numbers(600 + 32 * i, 32)) for i in (0, 1)]
    mixed = [evaluation(20, numbers(600, 32) + numbers(5000, 40))]
    assert found(run(tests), "leakage")[0].numbers["copies"] == 40
    assert len(found(run(mixed, evaluation=False), "leakage")) == 1


@pytest.mark.parametrize(("copies", "fires"), [(7, False), (8, True)])
def test_so_many_copies_are_needed(copies, fires):
    tests = [evaluation(20, numbers(0, copies) + numbers(5000, 60))]
    assert bool(found(run(tests), "leakage")) == fires


def test_so_large_a_share_is_needed():
    tests = [evaluation(20, numbers(0, 12) + numbers(5000, 240))]
    assert found(run(tests), "leakage") == []  # 12 of 252 is under 5 %
    few_seen = run(tests, num_examples=6400)  # a tenth was compared: about half are copies
    (finding,) = found(few_seen, "leakage")
    assert finding.numbers["estimated_fraction"] == pytest.approx(10 * 12 / 252)


def test_training_accuracy_beside_validation_is_meant():
    check = [evaluation(step, numbers(32 * step, 32)) for step in (5, 10)]
    clean = [evaluation(step, numbers(9000 + step, 32)) for step in (5, 10)]
    assert found(run([*check, *clean]), "leakage") == []


def test_training_accuracy_from_the_training_loader_is_meant():
    check = [evaluation(step, numbers(32 * step, 32)) for step in (5, 10)]
    assert found(run(check, iterations=10), "leakage") == []  # 5 passes trained


def test_a_script_without_held_out_data_is_meant():
    check = [evaluation(step, numbers(64, 32)) for step in (20, 40)]
    assert found(run(check, evaluation=False), "leakage") == []
    assert found(run(check, train=False, evaluation=False), "leakage") == []


def test_a_loader_of_its_own_for_the_training_accuracy_is_meant():
    """Only the first batches of an evaluation are watched: they may be those, and all of them."""
    judged = run([evaluation(step, numbers(64, 32)) for step in (20, 40)])
    judged.loop.loaders.append(Loader(Where(FILE, 6), 5, 32, 640, iterations=5, kind="evaluation"))
    assert found(judged, "leakage") == []
    judged.loop.loaders[-1].iterations = 1  # a test set, once at the end
    assert len(found(judged, "leakage")) == 1


def test_leakage_waits_until_all_loaders_are_known():
    judged = run([evaluation(20, numbers(64, 32))], runs=1)
    judged.loop.finished = False
    assert found(judged, "leakage") == []
    judged.loop.evaluation_runs = 2
    assert len(found(judged, "leakage")) == 1


def test_a_first_look_at_a_batch_is_no_evaluation():
    assert found(run([evaluation(0, numbers(0, 32))]), "leakage") == []


def test_a_part_of_the_training_method_is_no_evaluation():
    acting = [evaluation(step, numbers(32 * step, 32)) for step in range(1, 20)]
    assert found(run(acting, runs=0), "leakage") == []


def test_black_pictures_and_few_different_inputs_count_for_nothing():
    black = [evaluation(20, [0] * 32 + numbers(5000, 32))]
    assert found(run(black), "leakage") == []
    rng = np.random.default_rng(0)
    draws = [[int(x) + 1 for x in rng.integers(0, 256, 32)] for _ in range(23)]
    parity = [batch(i, shape=(32, 8), examples=x) for i, x in enumerate(draws[:20])]
    tests = [
        batch(20 + i, "evaluation", shape=(32, 8), examples=x, training=False)
        for i, x in enumerate(draws[20:])
    ]
    line = loop(loaders=loaders(), evaluation_runs=5, backwards=100, finished=True)
    assert found(record(parity, tests, line), "leakage") == []


def test_oversampled_before_the_split_and_a_handful_of_patterns():
    rng = np.random.default_rng(0)

    def judged(kinds):
        draws = (rng.integers(1, kinds + 1, (23, 32))).tolist()
        train = [batch(i, shape=(32, 1, 28, 28), examples=x) for i, x in enumerate(draws[:20])]
        tests = [evaluation(20 + i, x) for i, x in enumerate(draws[20:])]
        line = loop(loaders=loaders(), evaluation_runs=5, backwards=100, finished=True)
        return found(record(train, tests, line), "leakage")

    assert len(judged(400)) == 1
    assert judged(8) == []


# augmented-evaluation

LABELS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3]


def look(step, first, labels=LABELS, **fields):
    """An evaluation batch whose inputs count from `first`."""
    examples = numbers(first, len(labels))
    return evaluation(step, examples, labels=labels, fingerprint=f"{step} {first}", **fields)


def plain_training(labels=(0, 1, 2, 3)):
    rng = np.random.default_rng(0)
    return [
        batch(i, shape=(16, 1, 28, 28), labels=rng.choice(labels, 16).tolist()) for i in range(10)
    ]


def test_the_same_labels_with_other_inputs():
    lines = plain_training(), [look(10, 0), look(20, 100)], loop(loaders=loaders())
    (finding,) = found(record(*lines), "augmented-evaluation")
    assert finding.severity == "warning"
    assert finding.where.line == 4
    assert "0%" in finding.saw
    assert found(record(*lines[:1], [look(10, 0)]), "augmented-evaluation") == []


@pytest.mark.parametrize(("kept", "fires"), [(8, True), (14, True), (15, False), (16, False)])
def test_a_random_mirror_image_leaves_a_part(kept, fires):
    second = look(20, 0)
    second.examples[kept:] = numbers(500, 16 - kept)
    lines = plain_training(), [look(10, 0), second]
    assert bool(found(record(*lines), "augmented-evaluation")) == fires


def test_another_order_is_no_other_picture():
    rng = np.random.default_rng(0)
    shuffled = [look(10 * i, 100 * i, rng.permutation(LABELS).tolist()) for i in range(1, 5)]
    assert found(record(plain_training(), shuffled), "augmented-evaluation") == []


def test_views_beside_the_plain_pictures_are_meant():
    views = [look(10, 0), look(10, 100), look(20, 0), look(20, 200)]
    assert found(record(plain_training(), views), "augmented-evaluation") == []


def test_sorted_sets_begin_with_the_same_labels():
    val, test = [look(10, 0, [0] * 16), look(20, 0, [0] * 16)], look(30, 700, [0] * 16)
    assert found(record(plain_training(), val, test), "augmented-evaluation") == []
    assert found(record(plain_training(), val[:1], test), "augmented-evaluation") == []
    changing = [look(10 * i, 100 * i, [0] * 16) for i in (1, 2, 3)]
    assert len(found(record(plain_training(), changing), "augmented-evaluation")) == 1


def test_episodes_have_the_same_labels_in_training_too():
    episode = [i // 4 for i in range(16)]
    train = [batch(i, shape=(16, 1, 28, 28), labels=episode) for i in range(10)]
    tests = [look(10 * i, 100 * i, episode) for i in (1, 2, 3)]
    assert found(record(train, tests), "augmented-evaluation") == []


def test_a_loader_in_order_needs_no_labels():
    def looks(*firsts):
        made = [look(10 * i + 10, first) for i, first in enumerate(firsts)]
        for one in made:
            one.labels, one.size = [], 16
        return made

    def judged(tests, **made):
        given = loaders(**made)
        given[-1].batch_size = 16
        line = loop(loaders=given, backwards=100, evaluation_runs=5)
        return found(record(plain_training(), tests, line), "augmented-evaluation")

    assert len(judged(looks(0, 100, 200))) == 1
    assert judged(looks(0, 100)) == []
    assert judged(looks(0, 0, 0)) == []
    assert judged(looks(0, 100, 200), iterations=10) == []  # the training loader is gone through


# test-as-validation


@pytest.mark.parametrize(
    ("counts", "looks", "fires"),
    [
        ({"train": [50, 50], "test": [10, 10]}, 2, True),
        ({"train": [50, 50], "test": [10, 10]}, 1, False),
        ({"train": [50, 50], "test": [10, 10], "val": [5, 5]}, 9, False),
        ({"train": [50, 50], "val": [10, 10]}, 9, False),
        ({}, 9, False),
    ],
)
def test_the_test_set_chooses(counts, looks, fires):
    epochs = [Epoch(i, i, 1.0, 1.0, 0.5) for i in range(looks)]
    findings = found(record(epochs, class_counts=counts), "test-as-validation")
    assert [f.severity for f in findings] == ["note"] * fires
