"""label-range: labels and the head, from the loss's signals or from what the script died of."""

import pytest
from records import batch, found, graph, linear, loop, op, record, signals

from steadygrad.record import Loader

NAME = "label-range"


def network(name="cross_entropy", classes=10, dtype="int64", **fields):
    loss = op(name, num_classes=classes, target_dtype=dtype, ignore_index=-100, line=40, **fields)
    return graph(linear(64, classes), loss)


def targets(low, high, name="cross_entropy", classes=10, dtype="int64", distinct=10):
    made = network(name, classes, dtype)
    values = {"target_min": low, "target_max": high, "target_distinct": distinct}
    return record(made, [signals(name, step, **values) for step in range(3)])


def labelled(counts, classes=10, made=None, **of_loop):
    """Batches of 100 with so many labels of each class, over 200 updates."""
    labels = [label for label, count in counts.items() for _ in range(count)]
    lines = [
        batch(step, shape=(100, 64), labels=labels[step * 100 : (step + 1) * 100])
        for step in range((len(labels) + 99) // 100)
    ]
    return record(made or network(classes=classes), lines, loop(**{"step": 200, **of_loop}))


def severities(made):
    return [finding.severity for finding in found(made, NAME)]


# The script died.


@pytest.mark.parametrize(
    ("text", "name", "fires"),
    [
        ("Target 10 is out of bounds.", "cross_entropy", True),
        ("Target -1 is out of bounds.", "nll_loss", True),
        ("CUDA error: Assertion `t >= 0 && t < n_classes` failed.", "", True),
        ("0D or 1D target tensor expected, multi-target not supported", "cross_entropy", True),
        ("expected scalar type Long but found Float", "nll_loss", True),
        ("expected scalar type Long but found Float", "linear", False),
        ("index out of range in self", "embedding", False),
        ("mat1 and mat2 shapes cannot be multiplied (64x10 and 20x5)", "linear", False),
        ("", "", False),
    ],
)
def test_exceptions(text, name, fires):
    exception = {"type": "IndexError", "text": text, "operation": name, "file": "t.py", "line": 44}
    findings = found(record(loop(exception=exception, step=3)), NAME)
    assert bool(findings) == fires
    if fires:
        assert findings[0].severity == "error"
        assert (findings[0].where.file, findings[0].where.line) == ("t.py", 44)


@pytest.mark.parametrize(
    ("low", "high", "classes", "word"),
    [(1, 10, 10, "labels - 1"), (0, 255, 2, "ignore_index=255"), (0, 12, 10, "as many outputs")],
)
def test_the_fix_depends_on_the_labels(low, high, classes, word):
    exception = {
        "text": f"Target {high} is out of bounds.",
        "operation": "cross_entropy",
        "attributes": {"num_classes": classes},
        "values": {"target_min": low, "target_max": high},
    }
    (finding,) = found(record(loop(exception=exception)), NAME)
    assert word in finding.fix
    assert f"{classes} outputs" in finding.saw


# Targets no output can mean.

BINARY = "binary_cross_entropy_with_logits"


@pytest.mark.parametrize(
    ("made", "fires"),
    [
        (targets(0.0, 1.0, BINARY, 1, "float32"), False),
        (targets(0.05, 0.95, BINARY, 1, "float32"), False),
        (targets(-0.005, 1.009, BINARY, 1, "float32"), False),
        (targets(0.0, 1.02, BINARY, 1, "float32"), True),
        (targets(-1.0, 1.0, BINARY, 1, "float32"), True),
        (targets(2.0, 4.0, BINARY, 1, "float32"), True),
        (targets(0.0, 0.0039, BINARY, 1, "float32", distinct=2), True),
        (targets(0.0, 0.0039, BINARY, 1, "float32", distinct=90), False),
        (targets(0.0, 0.7, "cross_entropy", 10, "float32"), False),  # mixup
        (targets(0.01, 0.91, "cross_entropy", 10, "float32"), False),  # smoothed
        (targets(0.0, 0.0039, "cross_entropy", 10, "float32"), True),
        (targets(0.0, 255.0, "cross_entropy", 10, "float32"), True),
        (targets(0, 9), False),
        (targets(-100, 9), False),  # ignore_index
        (targets(0.0, 50.0, "mse_loss", 1, "float32"), False),
    ],
)
def test_impossible_targets(made, fires):
    assert severities(made) == (["error"] if fires else [])


# Outputs without examples.


def test_balanced_labels_are_healthy():
    assert not severities(labelled(dict.fromkeys(range(10), 50)))


def test_one_label_for_everything():
    (finding,) = found(labelled({0: 300}), NAME)
    assert finding.severity == "error"
    assert finding.where.line == 40
    assert not severities(labelled({0: 199}))


def test_sorted_data_shows_one_class_at_first():
    sizes = [Loader(num_examples=20_000, kind="train")]
    assert not severities(labelled({0: 300}, loaders=sizes, step=199))
    assert severities(labelled({0: 300}, loaders=sizes, step=200))
    assert not severities(labelled({0: 300}, step=150))
    assert severities(labelled({0: 300}, step=150, batch_period=50))
    assert severities(labelled({0: 300}, step=150, finished=True))


def test_labels_counted_from_one():
    (finding,) = found(labelled(dict.fromkeys(range(1, 10), 30)), NAME)
    assert finding.severity == "warning"
    assert "labels - 1" in finding.fix
    assert not severities(labelled(dict.fromkeys(range(1, 10), 19)))


@pytest.mark.parametrize(("seen", "fires"), [(3, True), (4, False), (9, False)])
def test_far_fewer_classes_than_outputs(seen, fires):
    assert bool(severities(labelled(dict.fromkeys(range(seen), 100)))) == fires


def test_early_batches_of_many_classes_show_few():
    # 640 labels of a thousand classes name about 470 of them.
    assert not severities(labelled(dict.fromkeys(range(0, 640, 2), 2), classes=1000))


def test_a_head_of_a_thousand_for_ten_classes():
    (finding,) = found(labelled(dict.fromkeys(range(10), 40), classes=1000), NAME)
    assert "10 outputs" in finding.fix


@pytest.mark.parametrize(
    "made",
    [
        graph(op("embedding", shape=[64, 64]), linear(64, 10), op("cross_entropy", num_classes=10)),
        graph(
            linear(64, 10), op("cross_entropy", num_classes=10), linear(64, 90, 0),
            op("cross_entropy", num_classes=90), op("add", 1, 3),
        ),
        graph(linear(64, 1), op("mse_loss", num_classes=1)),
    ],
    ids=["words", "two tasks", "regression"],
)  # fmt: skip
def test_where_absent_labels_mean_nothing(made):
    assert not severities(labelled(dict.fromkeys(range(1, 4), 100), made=made))
