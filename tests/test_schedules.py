import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadygrad.errors import InputError
from steadygrad.schedules import (
    ENDS_AT_ZERO,
    SCHEDULES,
    advance,
    cyclic,
    midpoint,
    multiplier,
)

NAMES = sorted(SCHEDULES)
share = st.floats(0, 1)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        # progress 0, 0.15, 0.45, 0.75, 1, each written out by hand from the formula
        ("constant", [1, 1, 1, 1, 1]),
        ("step", [1, 1, 0.1, 0.01, 0.001]),
        ("linear", [1, 0.85, 0.55, 0.25, 0]),
        ("cosine", [1, 0.9455032620941839, 0.5782172325201156, 0.14644660940672627, 0]),
        ("inverse-sqrt", [1, 15.85**-0.5, 45.55**-0.5, 75.25**-0.5, 0.1]),
        ("cyclic", [0.25, 0.925, 0.775, 0.625, 0.25]),
        ("one-cycle", [0.04, 0.52, 0.55 / 0.7, 0.25 / 0.7, 0]),
    ],
)
def test_values_written_out(name, values):
    found = [multiplier(name, progress) for progress in (0, 0.15, 0.45, 0.75, 1)]
    assert found == pytest.approx(values, abs=1e-12)


def test_step_cuts_at_thirty_sixty_and_ninety_percent():
    total = 1000
    rates, progress = [], 0.0
    for done in range(total):
        rates.append(multiplier("step", midpoint(progress, total - done)))
        progress = advance(progress, total - done)
    for value, first, last in [(1, 0, 299), (0.1, 300, 599), (0.01, 600, 899), (0.001, 900, 999)]:
        assert rates[first] == pytest.approx(value)
        assert rates[last] == pytest.approx(value)


def test_cyclic_peaks_once_per_cycle():
    for num_cycles in (1, 2, 5):
        peaks = [cyclic((index + 0.5) / num_cycles, num_cycles) for index in range(num_cycles)]
        ends = [cyclic(index / num_cycles, num_cycles) for index in range(num_cycles)]
        assert peaks == pytest.approx([1.0] * num_cycles)
        assert ends == pytest.approx([0.25] * num_cycles)


@given(st.sampled_from(NAMES), share, share, share)
def test_always_between_0_and_1(name, progress, warmup, final):
    assert 0.0 <= multiplier(name, progress, warmup, final) <= 1.0


@given(
    st.sampled_from([name for name in NAMES if name != "step"]),
    share,
    st.floats(0.05, 0.9),
    share,
)
def test_continuous_also_where_warmup_ends(name, progress, warmup, final):
    # Steepest of all: one-cycle's rise and the triangles, 0.96 / 0.3 and 4.5, over what warm-up
    # leaves; inverse-sqrt begins with a slope of 49.5; warm-up itself has 1 / 0.05.
    steepest = 50 / (1 - warmup) + 20
    near = min(1.0, progress + 1e-7)
    gap = abs(multiplier(name, near, warmup, final) - multiplier(name, progress, warmup, final))
    assert gap <= steepest * 1e-7 + 1e-12
    before = multiplier(name, warmup * (1 - 1e-9), warmup, final)
    assert before == pytest.approx(multiplier(name, warmup, warmup, final), abs=1e-6)


@given(st.sampled_from(NAMES), st.integers(1, 400), st.floats(0, 0.5))
def test_no_update_has_rate_zero(name, total, warmup):
    progress = 0.0
    for done in range(total):
        assert multiplier(name, midpoint(progress, total - done), warmup) > 0.0
        progress = advance(progress, total - done)
    assert progress == 1.0


@given(st.integers(1, 2000))
def test_progress_of_a_fixed_length_is_step_over_total(total):
    progress = 0.0
    for done in range(total):
        assert progress == pytest.approx(done / total, abs=1e-9)
        progress = advance(progress, total - done)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_changing_the_length_never_jumps(lengths):
    """Whatever the plan becomes, the next step covers an even share of what is left."""
    progress = 0.0
    for steps_left in lengths:
        after = advance(progress, steps_left)
        assert progress <= after <= 1.0
        assert after - progress == pytest.approx((1 - progress) / steps_left)
        progress = after


@pytest.mark.parametrize("name", sorted(ENDS_AT_ZERO))
def test_final_is_where_it_ends(name):
    assert multiplier(name, 1.0, 0.1, 0.07) == pytest.approx(0.07)
    assert multiplier(name, 1.0, 0.1, 0.0) == pytest.approx(0.0, abs=1e-15)


def test_warmup_is_linear_and_reaches_the_start_of_the_schedule():
    assert multiplier("cosine", 0.02, 0.08) == pytest.approx(0.25)
    assert multiplier("cosine", 0.08, 0.08) == 1.0
    assert multiplier("one-cycle", 0.05, 0.1) == pytest.approx(0.5 / 25)
    # Over what is left after warm-up the cosine is whole.
    middle = 0.08 + 0.92 / 2
    assert multiplier("cosine", middle, 0.08) == pytest.approx(0.5)
    assert math.isclose(multiplier("constant", 1.0, 1.0), 1.0)


def test_a_mistyped_name_and_a_number_outside_are_told():
    with pytest.raises(InputError, match="Did you mean 'cosine'"):
        multiplier("cosin", 0.5)
    with pytest.raises(InputError, match=r"warmup is 1\.5"):
        multiplier("cosine", 0.5, warmup=1.5)
