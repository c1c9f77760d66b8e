"""init-scale: gains that compound; deep nets with norms and usual initialisations are healthy."""

import pytest
from records import batch, found, graph, linear, loop, op, parameter, record, signals

from steadygrad.record import Where

NAME = "init-scale"


def plain(gains, activation="relu", norm=None, spreads=None, size=1.0, step=0):
    """A plain net whose layers multiply the RMS by these gains; ReLU keeps 0.7 of it."""
    keep = 0.7 if activation == "relu" else 1.0
    rows, lines, rms = [], [], size
    for index, gain in enumerate(gains):
        last = index == len(gains) - 1
        count = "" if index == 0 else f"#{index + 1}"
        rows.append(linear(64, 10 if last else 64))
        rms *= gain
        spread = 0.7 if spreads is None else spreads[index]
        lines.append(signals(f"linear{count}", rms=rms, batch_spread=spread, grad_rms=1.0))
        if last:
            break
        if norm:
            rows.append(norm)
            rms = 1.0
        rows.append(activation)
        rms *= keep
        lines.append(signals(f"{activation}{count}", rms=rms))
    std = size
    return record(
        graph(*rows, "cross_entropy", step=step), batch(shape=(64, 64), mean=0.0, std=std), lines
    )


@pytest.mark.parametrize(
    "gains",
    [
        [0.58] * 12,  # torch's own
        [1.41] * 20,  # He
        [1.0] * 20,
        [0.58, 0.58, 0.0],  # a head of zeros
        [1.41, 1.41, 8.0],  # a wide head alone: loss-at-init
        [0.16, 0.16],  # N(0, 0.01) in a small net learns
    ],
)
def test_usual_initialisations_are_healthy(gains):
    assert not found(plain(gains), NAME)


@pytest.mark.parametrize(
    ("gains", "severity"),
    [([16.0] * 6, "error"), ([3.0, 3.0, 3.0], "warning"), ([2.2] * 5, "warning")],
)
def test_growth(gains, severity):
    (finding,) = found(plain(gains), NAME)
    assert finding.severity == severity
    assert finding.where.line == 111
    assert "train.py:11" in finding.saw


@pytest.mark.parametrize(("gain", "fires"), [(1.99, False), (2.01, True)])
def test_growth_turns_at_its_gain(gain, fires):
    assert bool(found(plain([gain] * 9), NAME)) == fires


def test_growth_must_compound():
    assert not found(plain([2.5, 2.5, 2.5]), NAME)  # 7.7 times the input in all
    assert not found(plain([9.0, 1.0, 1.0]), NAME)


@pytest.mark.parametrize(
    ("gains", "severity"),
    [([0.1] * 5, "warning"), ([0.1] * 8, "error"), ([0.02, 0.02, 0.02], "warning")],
)
def test_shrinkage(gains, severity):
    (finding,) = found(plain(gains), NAME)
    assert finding.severity == severity


def test_shrinkage_shows_in_what_differs_between_examples():
    biased = plain([0.3] * 6, spreads=[0.7, 0.2, 0.05, 0.01, 1e-3, 1e-3])
    assert len(found(biased, NAME)) == 1


@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm", "group_norm"])
def test_norms_cure_any_scale(norm):
    assert not found(plain([16.0] * 6, norm=norm), NAME)
    assert not found(plain([0.01] * 6, norm=norm), NAME)


def test_input_scale_is_not_its_business():
    assert not found(plain([0.58, 0.58, 0.58], size=100.0), NAME)
    tiny = plain([0.58, 0.58, 0.58], size=1e-4)
    tiny.signals[0].values["rms"] = 0.05  # the bias alone
    assert not found(tiny, NAME)


def test_a_later_pass_and_a_single_layer_say_nothing():
    assert not found(plain([16.0] * 6, step=500), NAME)
    assert not found(plain([16.0]), NAME)
    assert not found(record(), NAME)


def test_the_line_that_filled_the_weight():
    made = plain([16.0] * 4)
    made.add(loop(parameters=[parameter("linear.weight", where=Where("net.py", 7))]))
    (finding,) = found(made, NAME)
    assert (finding.where.file, finding.where.line) == ("net.py", 7)


def test_weights_filled_through_data_are_found_in_the_graph():
    made = plain([16.0] * 4)
    detach = op("detach", -2, layer="d", line=50, parameter="linear.weight")
    normal = op("normal", len(made.graphs[0].operations), layer="n", line=51)
    made.graphs[0].operations += [detach, normal]
    (finding,) = found(made, NAME)
    assert finding.where.line == 51
