"""input-scale and input-constant: what the first layer gets."""

import pytest
from records import batch, conv, found, graph, linear, loop, op, record

from steadygrad.record import Loader, Where

SCALE, CONSTANT = "input-scale", "input-constant"


def network(first=None, *between):
    return graph(first or conv(1, 8), *between, "relu", linear(8, 10), "cross_entropy")


def pictures(made=None, shape=(64, 1, 32, 32), steps=3, **values):
    lines = [batch(step, shape=shape, **values) for step in range(steps)]
    return record(made or network(), lines)


def raw(low, high, mean, std):
    return {"min": low, "max": high, "mean": mean, "std": std}


@pytest.mark.parametrize(
    ("values", "severity"),
    [
        (raw(0.0, 255.0, 72.0, 90.0), "error"),
        (raw(-2.5, 2.8, 0.0, 1.0), None),
        (raw(-0.6, 30.0, 0.0, 1.0), None),  # standardised, with a rare value
        (raw(0.0, 1.0, 0.13, 0.31), None),
        (raw(0.0, 1.0, 0.92, 0.15), None),  # bright pixels
        (raw(0.0, 1.0, 0.015, 0.12), None),  # one-hot
        (raw(-1.0, 1.0, 0.0, 0.5), None),
        (raw(0.0, 16.0, 4.9, 6.0), "warning"),
        (raw(0.0, 10.0, 5.0, 2.9), None),
        (raw(275.0, 300.0, 288.0, 6.2), "error"),
        (raw(10.0, 15.0, 12.0, 1.0), "warning"),
        (raw(-0.05, 0.05, 0.0, 0.03), None),  # small, but not nothing
        (raw(0.0, 0.0039, 0.001, 0.0012), "warning"),  # divided by 255 twice
        (raw(-40.0, 40.0, 0.0, 10.1), "error"),
        (raw(-19.0, 19.0, 0.0, 9.9), "warning"),
    ],
)
def test_input_scale(values, severity):
    findings = found(pictures(**values), SCALE)
    assert [f.severity for f in findings] == ([severity] if severity else [])


RAW = raw(0.0, 255.0, 72.0, 90.0)


@pytest.mark.parametrize(
    "made",
    [
        network(op("batch_norm"), conv(1, 8)),
        network(conv(1, 8), "batch_norm"),
        network(op("div", -1), conv(1, 8)),
        network(op("embedding", shape=[64, 8])),
    ],
    ids=["norm first", "norm behind", "scaled inside", "embedding"],
)
def test_raw_inputs_that_are_scaled_in_the_model(made):
    assert not found(pictures(made, **RAW), SCALE)


def test_a_norm_in_evaluation_mode_sets_no_scale():
    frozen = network(conv(1, 8), op("batch_norm", training=False))
    assert found(pictures(frozen, **RAW), SCALE)


def test_flattened_pictures_are_the_same_batch():
    made = network(op("flatten", shape=[64, 1024]), linear(1024, 8))
    assert found(pictures(made, **RAW), SCALE)


def test_token_numbers_are_no_input_of_that_kind():
    assert not found(pictures(dtype="int64", **RAW), SCALE)


def test_a_linear_model_on_raw_features_is_a_warning():
    made = graph(linear(1024, 1), "mse_loss")
    (finding,) = found(pictures(made, shape=(64, 1024), **RAW), SCALE)
    assert finding.severity == "warning"


def test_recurrent_layers_take_inputs_too():
    made = graph(op("lstm", input_shapes=[[64, 24, 3]]), linear(8, 1), "mse_loss")
    assert found(pictures(made, shape=(64, 24, 3), **RAW), SCALE)


def test_both_lines_are_named_and_the_call_is_the_place():
    (finding,) = found(pictures(origin=Where("data.py", 9), **RAW), SCALE)
    assert (finding.where.file, finding.where.line) == ("train.py", 5)
    assert "data.py:9" in finding.saw
    assert "train.py:5" in finding.saw
    (finding,) = found(pictures(**RAW), SCALE)
    assert (finding.where.file, finding.where.line) == ("train.py", 5)


def test_one_odd_batch_is_no_finding():
    made = pictures()
    made.batches[0].inputs.update(RAW)
    assert not found(made, SCALE)


def test_evaluation_batches_and_empty_ones_do_not_count():
    assert not found(record(network(), batch(kind="evaluation", **RAW)), SCALE)
    light = batch()
    light.inputs = {}
    assert not found(record(network(), light), SCALE)


# input-constant

EMPTY = {**raw(0.0, 0.0, 0.0, 0.0), "batch_spread": 0.0}


def test_equal_numbers():
    (finding,) = found(pictures(**EMPTY, origin=Where("data.py", 3)), CONSTANT)
    assert finding.severity == "error"
    assert finding.where.line == 5
    assert "data.py:3" in finding.saw
    assert not found(pictures(**EMPTY, steps=1), CONSTANT)
    one_varies = pictures(**EMPTY)
    one_varies.batches[1].inputs.update(max=1.0, std=0.1, batch_spread=0.5)
    assert not found(one_varies, CONSTANT)


@pytest.mark.parametrize(("spread", "fires"), [(0.9e-6, True), (1.1e-6, False), (0.02, False)])
def test_equal_examples(spread, fires):
    assert bool(found(pictures(batch_spread=spread), CONSTANT)) == fires


def test_one_example_per_batch_can_not_be_compared():
    assert not found(pictures(shape=(1, 1, 28, 28), batch_spread=0.0), CONSTANT)


@pytest.mark.parametrize(("blank", "fires"), [(57, False), (58, True), (63, True)])
def test_blank_examples(blank, fires):
    codes = [0] * blank + list(range(1, 65 - blank))
    assert bool(found(pictures(examples=codes), CONSTANT)) == fires


def test_long_sparse_rows_are_not_called_blank():
    assert not found(pictures(shape=(64, 50_000), examples=[0] * 64), CONSTANT)


def repeated(loaders, steps=6, fingerprint="same"):
    lines = [batch(step, fingerprint=fingerprint or str(step)) for step in range(steps)]
    return record(network(), lines, loop(step=100, loaders=loaders))


ANEW = Loader(Where("train.py", 20), num_batches=45, iterations=100, kind="train")


def test_one_batch_again_and_again():
    (finding,) = found(repeated([ANEW]), CONSTANT)
    assert finding.where.line == 5
    assert "train.py:20" in finding.saw
    assert not found(repeated([ANEW], steps=4), CONSTANT)
    assert not found(repeated([ANEW], fingerprint=""), CONSTANT)


@pytest.mark.parametrize(
    "loaders",
    [
        [],
        [Loader(num_batches=1, iterations=100, kind="train")],
        [Loader(num_batches=45, iterations=1, kind="train")],
        [Loader(num_batches=45, iterations=100, kind="evaluation")],
    ],
    ids=["full batch", "one batch per epoch", "overfitted on purpose", "evaluation"],
)
def test_the_same_batch_on_purpose(loaders):
    assert not found(repeated(loaders), CONSTANT)
