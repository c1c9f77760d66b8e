import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadygrad.errors import InputError
from steadygrad.search.space import Parameter, Space, parse_space, recipe_fields
from steadygrad.search.stages import sobol_points


def test_reads_ranges_and_choices():
    space = parse_space(
        "lr=1e-5..1e-1:log, weight-decay=1e-6..1e-2,optimizer=sgd|adam,dropout=0..0.5,shift=0..4"
    )
    assert [p.name for p in space.parameters] == [
        "lr", "weight_decay", "optimizer", "dropout", "shift",
    ]  # fmt: skip
    assert space["lr"].log
    assert space["weight_decay"].log
    assert not space["dropout"].log
    assert space["shift"].whole
    assert space["optimizer"].choices == ("sgd", "adam")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("leraning_rate=1..2", "no field 'leraning_rate'"),
        ("weight_dcay=1e-5..1e-2", "Did you mean 'weight_decay'"),
        ("lr=1e-1..1e-5", "empty"),
        ("lr=0.1..0.1", "empty"),
        ("lr=0..0.1:log", "no logarithm"),
        ("optimizer=sgd|adma", "Did you mean 'adam'"),
        ("optimizer=sgd", "nothing to choose"),
        ("optimizer=sgd|sgd", "nothing to choose"),
        ("optimizer=0..1", "is a name"),
        ("lr=fast..slow", "no number"),
        ("lr=nan..1", "can't be"),
        ("dropout=0.1..1.5", "expected 0 to 0.99"),
        ("batch_size=16.5..64", "whole numbers"),
        ("lr=1e-5..1e-1:lgo", "Did you mean 'log'"),
        ("lr", "expected name=low..high"),
        ("", "expected name=low..high"),
        ("lr=1e-3..1,lr=1e-2..1", "twice"),
        ("device=cpu|cuda", "can't be searched"),
    ],
)
def test_refuses_what_cant_be_searched(text, says):
    with pytest.raises(InputError, match=says):
        parse_space(text)


@given(st.floats(0, 1), st.sampled_from(list(recipe_fields())))
def test_position_and_value_are_inverse(share, name):
    field = recipe_fields()[name]
    if field.kind is not float:
        return
    parameter = Parameter(name, 1e-4, 0.5, log=True)
    assert parameter.position(parameter.at(share)) == pytest.approx(share, abs=1e-6)


def test_sobol_points_lie_evenly_on_the_log_scale():
    space = parse_space("lr=1e-5..1e-1:log,optimizer=sgd|adam")
    points = sobol_points(space, 16, seed=1)
    decades = [sum(10.0**e <= p["lr"] < 10.0 ** (e + 1) for p in points) for e in range(-5, -1)]
    assert decades == [4, 4, 4, 4]
    assert points == sobol_points(space, 16, seed=1)
    assert points != sobol_points(space, 16, seed=2)
    assert all(space.contains(point) for point in points)


def test_a_conditional_parameter_counts_under_its_choice_only():
    space = Space(
        (
            Parameter("optimizer", choices=("sgd", "adam")),
            Parameter("lr@sgd", 1e-3, 1.0, log=True, when=("optimizer", "sgd")),
            Parameter("lr@adam", 1e-5, 1e-2, log=True, when=("optimizer", "adam")),
        )
    )
    points = sobol_points(space, 8, seed=0)
    assert all(set(p) == {"optimizer", f"lr@{p['optimizer']}"} for p in points)
    assert all(set(space.fields(p)) == {"optimizer", "lr"} for p in points)
    assert Space.from_list(space.to_list()) == space


def test_widening_stops_at_what_a_recipe_may_hold():
    decay = parse_space("dropout=0.5..0.9")["dropout"]
    assert decay.widened("high").high == 0.99
    assert decay.widened("high").widened("high") is None
    rate = parse_space("lr=1e-3..1e-2")["lr"]
    assert rate.widened("low").low == pytest.approx(1e-4)
