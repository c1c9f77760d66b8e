import math
from dataclasses import replace

import pytest

from steadygrad.lab import signal_through_depth as experiment
from steadygrad.lab.framework import run_experiment
from steadygrad.lab.propagation import (
    Extremes,
    Setting,
    convolution_growth,
    identity_growth,
    measure_extremes,
    measure_layers,
    predicted_stds,
    width_tolerance,
)

WIDTH = 256


def rows_of(setting, seed=0):
    layers = measure_layers(WIDTH, 6, setting, seed)
    return experiment.wide_rows([setting], [layers], WIDTH)


@pytest.mark.parametrize(
    "setting",
    [
        Setting("tanh, plain", "tanh", "normal", 0.03),
        Setting("tanh, Xavier", "tanh", "xavier-in-normal"),
        Setting("relu, Kaiming", "relu", "kaiming-normal"),
        Setting("gelu, Kaiming", "gelu", "kaiming-normal"),
    ],
    ids=lambda setting: setting.title,
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_layer_is_what_theory_says(setting, seed):
    (verdict,) = experiment.wide_verdicts(rows_of(setting, seed), WIDTH)
    assert verdict.holds, verdict


def test_weights_drawn_otherwise_than_told_are_noticed():
    drawn = Setting("relu, Kaiming", "relu", "xavier-in-normal")
    layers = measure_layers(WIDTH, 6, drawn, 0)
    told = replace(drawn, scheme="kaiming-normal")
    (verdict,) = experiment.wide_verdicts(experiment.wide_rows([told], [layers], WIDTH), WIDTH)
    assert not verdict.holds


def test_theory_has_the_closed_forms():
    assert predicted_stds(3, "linear", 2.0) == pytest.approx([2.0, 4.0, 8.0])
    # Half of the mean square each layer; the mean of a ReLU's output is taken off.
    off = math.sqrt(1 - 1 / math.pi)
    expected = [off * 2 ** (-layer / 2) for layer in (1, 2, 3)]
    assert predicted_stds(3, "relu", 1.0) == pytest.approx(expected, rel=1e-5)
    assert width_tolerance(10_000, 6) < width_tolerance(100, 6)


def test_float32_is_left_where_logarithms_say():
    settings = experiment.deep_settings(128)
    found = {
        name: [measure_extremes(128, 75, settings[name], seed) for seed in (0, 1, 2)]
        for name in ("exploding", "vanishing")
    }
    verdicts = experiment.exploding_verdicts(found, 128, 75)
    assert len(verdicts) == 2
    assert all(verdict.holds for verdict in verdicts), verdicts


def test_a_signal_that_survives_fails_the_verdict():
    fine = Extremes([0.5] * 100, None, None)
    found = {name: [fine] for name in experiment.deep_settings(512)}
    assert not any(verdict.holds for verdict in experiment.exploding_verdicts(found, 512, 100))
    by_text = {verdict.text: verdict.holds for verdict in experiment.deep_verdicts(found, 512, 100)}
    assert [holds for text, holds in by_text.items() if "Xavier" in text] == [False, False]


def test_multiples_of_the_identity_grow_exactly():
    assert identity_growth(1.5, 100) == pytest.approx((1.5**100, 1.5**100), rel=1e-12)


def test_the_fan_of_a_convolution_counts_its_kernel():
    right = convolution_growth(32, 3, 6, "kaiming-normal", 0.0, 0)
    wrong = convolution_growth(32, 3, 6, "normal", math.sqrt(2 / 32), 0)
    assert wrong / right == pytest.approx(3.0, rel=1e-4)  # the same draws, three times as large


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_verdicts_hold(seed):
    finished = run_experiment(experiment.EXPERIMENT, {"seed": seed}, quick=True)
    assert finished.failed == []
    assert set(finished.result.figures) == {"histograms", "stds", "deep"}


def test_deep_rows_tell_where_float32_ended():
    found = {"exploding": [Extremes([1.0, float("nan")], layer, None) for layer in (29, 28, None)]}
    (row,) = experiment.deep_rows(found, 512)
    assert row["first NaN in layer"] == 29
    assert row["all 0 from layer"] is None
    assert row["last std, theory"] == pytest.approx(512.0)
