"""What is drawn, against slow and obvious versions of it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_sample import digits

from steadygrad.record import Recipe, Step
from steadygrad.report.measure import (
    confused_pairs,
    envelope,
    evenly,
    majority_fraction,
    recipe_rows,
    smooth,
    speed,
    thin,
    time_parts,
)
from steadygrad.report.scales import Scale, log_ticks, scale_of, ticks, without_spikes
from steadygrad.report.words import duration, percent, short_count, shorten

VALUES = st.one_of(st.none(), st.floats(-1e3, 1e3), st.just(math.nan))


@given(st.lists(VALUES, min_size=1, max_size=60), st.sampled_from([1, 3, 7]))
def test_smooth_is_the_mean_of_the_finite_neighbours(values, window):
    xs, means = smooth(range(len(values)), values, window)
    assert xs == list(range(len(values)))
    padded = np.array([math.nan if value is None else value for value in values])
    for index, mean in enumerate(means):
        near = padded[max(0, index - window // 2) : index + window // 2 + 1]
        near = near[np.isfinite(near)]
        if len(near):
            assert mean == pytest.approx(near.mean(), abs=1e-9)
        else:
            assert mean is None


@given(st.lists(VALUES, min_size=1, max_size=400), st.integers(4, 50))
def test_an_envelope_is_small_and_loses_no_extreme(values, limit):
    xs, ys = envelope(range(len(values)), values, limit)
    assert len(xs) <= limit
    assert xs == sorted(set(xs))
    assert all(y is values[x] for x, y in zip(xs, ys))
    finite = [value for value in values if value is not None and math.isfinite(value)]
    if finite:
        kept = [y for y in ys if y is not None and math.isfinite(y)]
        assert (min(kept), max(kept)) == (min(finite), max(finite))


@given(st.integers(1, 3000), st.integers(2, 100))
def test_thinning_keeps_both_ends(length, limit):
    chosen = evenly(length, limit)
    assert len(chosen) == min(length, limit) == len(set(chosen))
    assert (chosen[0], chosen[-1]) == (0, length - 1)
    assert thin(range(length), [0.0] * length, limit)[0] == chosen


@given(st.lists(st.integers(1, 300), min_size=1, max_size=300))
def test_speed_is_images_over_seconds_whatever_the_buckets(sizes):
    steps = [Step(i, 0, 1.0, 0.1, n, 0.25, 0.75) for i, n in enumerate(sizes, 1)]
    xs, ys = speed(steps, 10)
    assert len(xs) == min(10, len(sizes))
    ends = [0, *map(int, xs)]
    assert sum(y * (b - a) for y, a, b in zip(ys, ends, ends[1:])) == pytest.approx(sum(sizes))
    assert speed([Step(1, 0, 1.0, 0.1, 4)]) == ([], [])


def test_confused_pairs_are_the_largest_cells():
    confusion = np.random.default_rng(0).integers(0, 50, (12, 12))
    off = confusion.copy()
    np.fill_diagonal(off, 0)
    pairs = confused_pairs(confusion.tolist(), 20)
    assert [pair.count for pair in pairs] == sorted(off.ravel().tolist(), reverse=True)[:20]
    for pair in pairs:
        assert confusion[pair.true, pair.predicted] == pair.count
        assert pair.fraction == pair.count / confusion[pair.true].sum()
    assert majority_fraction(confusion.tolist()) == confusion.sum(1).max() / confusion.sum()
    assert majority_fraction([[0, 0], [0, 0]]) is None
    assert confused_pairs([], 5) == []


def test_parts_of_the_time_add_up_to_the_total():
    steps = [Step(i, 0, 1.0, 0.1, 8, 0.5, 1.5) for i in range(1, 5)]
    parts = time_parts({"decoding": 1.0, "total": 12.0, "lab-work": 0.5}, steps)
    assert {label: seconds for _, label, seconds in parts} == {
        "Reading and decoding pictures": 1.0,
        "Waiting for data": 2.0,
        "Computing updates": 6.0,
        "Lab work": 0.5,
        "Everything else": 2.5,
    }
    given_waiting = time_parts({"waiting-for-data": 3.0}, steps)
    assert ("waiting", "Waiting for data", 3.0) in given_waiting
    assert time_parts({}, []) == []


def test_every_number_of_the_recipe_says_where_it_comes_from():
    asked = Recipe(lr=0.1, epochs=3, batch_size=64)
    resolved = asked.replace(lr=0.2, model="lenet")
    for given_as in (asked.to_dict(), {"lr": 0.1, "epochs": 3, "batch_size": 64}):
        rows = {row.name: row for row in recipe_rows(given_as, resolved.to_dict())}
        assert rows["epochs"].origin == "given"
        assert rows["model"].origin == "chosen"
        assert rows["init_std"].origin == "default"
        assert (rows["lr"].origin, rows["lr"].asked) == ("chosen", 0.1)
        assert list(rows) == list(Recipe().to_dict())
    assert [row.name for row in recipe_rows({}, {"mine": 1})] == ["mine"]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_round_and_inside(low, span):
    marks = ticks(low, low + span)
    assert 2 <= len(marks) <= 8
    slack = 1e-6 * max(span, abs(low))
    assert all(low - slack <= mark <= low + span + slack for mark in marks)
    assert np.allclose(np.diff(marks), np.diff(marks)[0], rtol=1e-4, atol=slack)


@given(st.floats(-6, 3), st.floats(2, 9))
def test_log_ticks_are_inside(low, decades):
    marks = log_ticks(10**low, 10 ** (low + decades))
    assert 1 <= len(marks) <= 7
    assert all(10**low * 0.99 <= mark <= 10 ** (low + decades) * 1.01 for mark in marks)


def test_scales_map_their_limits_to_their_ends():
    for log in (False, True):
        scale = Scale(0.01, 10.0, 200.0, 20.0, log)
        assert (scale(0.01), scale(10.0)) == (pytest.approx(200), pytest.approx(20))
        assert math.isfinite(scale(1e300))
        assert math.isfinite(scale(0.0))
    assert scale_of([0.0], (None, None)) == (0.0, 0.5, False)
    assert scale_of([0.001, 1.0], (None, None))[2]
    assert not scale_of([0.5, 1.0], (None, None))[2]
    assert without_spikes([1.0, 2.0] * 20 + [1e30]) == [1.0, 2.0] * 20
    assert without_spikes([0.0] * 30) == [0.0] * 30
    assert without_spikes([1.0, 1e30]) == [1.0, 1e30]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 %"), (1e-5, "< 0.1 %"), (0.5, "50.0 %"), (0.9996, "> 99.9 %"), (1.0, "100 %")],
)
def test_percent_never_lies_at_the_ends(value, text):
    assert percent(value) == text


def test_words_at_their_borders():
    assert [duration(v) for v in (0.9999, 9.96, 59.6, 3599.7, math.nan)] == [
        "1.0 s",
        "10 s",
        "1 min 00 s",
        "1 h 00 min",
        "–",
    ]
    assert [short_count(v) for v in (0, 999, 999.96, 9999, 1e9)] == [
        "0",
        "999",
        "1.00 k",
        "10.0 k",
        "1.00 G",
    ]
    for length in range(0, 40):
        assert len(shorten("x" * length, 12)) == min(length, 12)


def test_the_sample_is_a_real_run():
    data = digits()
    assert data.test["accuracy"] > 0.9
    assert data.record.steps[-1].loss < data.record.steps[0].loss / 2
    assert all(picture.true != picture.predicted for picture in data.mistakes)
