"""Edges judged on trials made up for it: no training, no sampler."""

import math
import random

import pytest

from steadygrad.search.edges import find_edges
from steadygrad.search.effects import MATTERS, SURELY_WEAK, importance
from steadygrad.search.space import Parameter, Space
from steadygrad.search.stages import sobol_points
from steadygrad.search.tried import DONE, ENDED, Tried

SPACE = Space(
    (
        Parameter("lr", 1e-4, 1.0, log=True, limits=(0.0, 1e20)),
        Parameter("weight_decay", 1e-6, 1e-2, log=True, limits=(0.0, 1e10)),
        Parameter("dropout", 0.0, 0.5, limits=(0.0, 0.9)),
    )
)


def scored(error, seed, number=27, cliff=math.inf):
    trials = []
    for index, params in enumerate(sobol_points(SPACE, number, seed)):
        over = params["lr"] > cliff
        curve = {} if over else {27: error(params)}
        state = ENDED if over else DONE
        trials.append(Tried(index, params, state, curve, diverged=over, target=27))
    return trials


def away(value, best):
    return math.log10(value / best) ** 2


@pytest.mark.parametrize("seed", range(40))
def test_an_optimum_inside_and_parameters_of_no_matter_widen_nothing(seed):
    noise = random.Random(seed)
    best = 10 ** noise.uniform(-3.2, -0.8)
    tried = scored(lambda p: 0.04 * away(p["lr"], best) + 0.005 * noise.gauss(0, 1), seed)
    assert [edge.text for edge in find_edges(SPACE, tried, 27) if not edge.is_cliff] == []


@pytest.mark.parametrize(("best", "side"), [(30.0, "high"), (3e-6, "low")])
@pytest.mark.parametrize("seed", range(5))
def test_an_optimum_outside_widens_that_side_only(best, side, seed):
    tried = scored(lambda p: 0.04 * away(p["lr"], best), seed)
    edges = find_edges(SPACE, tried, 27)
    assert [(edge.parameter.name, edge.side, edge.is_cliff) for edge in edges] == [
        ("lr", side, False)
    ]
    end = edges[0].wider.high if side == "high" else edges[0].wider.low
    assert end == pytest.approx(10.0 if side == "high" else 1e-5)


def test_a_cliff_beside_the_best_is_called_one_with_its_advice():
    """Everything above 0.2 diverges, and up to there larger rates are better."""
    tried = scored(lambda p: 0.04 * away(p["lr"], 30.0), 0, number=64, cliff=0.2)
    (edge,) = find_edges(SPACE, tried, 27)
    assert edge.is_cliff
    assert edge.wider is None
    assert "stability cliff" in edge.text
    assert "--warmup" in edge.text


@pytest.mark.parametrize("seed", range(20))
def test_a_cliff_is_blamed_on_the_range_that_makes_it(seed):
    """The rate alone makes trials diverge; by chance half of those beside the best dropout did."""
    noise = random.Random(seed)
    tried = scored(
        lambda p: 0.03 * away(p["lr"], 0.02) + abs(noise.gauss(0, 0.02)), seed, cliff=0.03
    )
    assert {e.parameter.name for e in find_edges(SPACE, tried, 27) if e.is_cliff} <= {"lr"}


def test_importance_names_what_matters_what_does_not_and_what_belongs_together():
    def error(params):
        rate, decay = math.log10(params["lr"]) + 2, math.log10(params["weight_decay"]) + 4
        return 0.1 * rate**2 + 0.1 * rate * decay + 0.05 * decay**2

    found = importance(SPACE, scored(error, 1, number=64), 27)
    assert next(iter(found.shares)) == "lr"
    assert found.of_no_matter == ["dropout"]
    assert found.together == [("lr", "weight_decay")]


def test_too_few_trials_say_nothing():
    tried = scored(lambda p: p["lr"], 0, number=6)
    assert find_edges(SPACE, tried, 27) == []
    assert importance(SPACE, tried, 27).shares == {}


@pytest.mark.parametrize("number", [30, 60])
@pytest.mark.parametrize("seed", range(8))
def test_no_pair_is_named_where_each_acts_for_itself(seed, number):
    """What a parabola leaves over of a real valley is no chance, and must not look like one."""
    noise = random.Random(seed)
    best = 10 ** noise.uniform(-3, -1)
    tried = scored(lambda p: 0.05 * away(p["lr"], best) + abs(noise.gauss(0, 0.01)), seed, number)
    assert importance(SPACE, tried, 27).together == []


def test_importance_says_how_sure_it_is_and_more_trials_make_it_surer():
    def ends(number):
        noise = random.Random(5)
        tried = scored(
            lambda p: 0.02 * away(p["lr"], 1e-2) + abs(noise.gauss(0, 0.02)), 1, number=number
        )
        found = importance(SPACE, tried, 27)
        assert all(low <= found.shares[name] <= high for name, (low, high) in found.ends.items())
        return found

    few, many = ends(20), ends(256)
    width = {"few": few.ends["lr"], "many": many.ends["lr"]}
    assert width["few"][1] - width["few"][0] > width["many"][1] - width["many"][0]
    assert set(many.of_no_matter) == {"weight_decay", "dropout"}


def few_and_noisy(seed):
    noise = random.Random(seed)
    return scored(lambda p: 0.03 * away(p["lr"], 1e-2) + abs(noise.gauss(0, 0.02)), seed, 16)


def test_a_weak_share_that_may_as_well_be_large_is_not_called_of_no_matter():
    left_open = 0
    for seed in range(20):
        found = importance(SPACE, few_and_noisy(seed), 27)
        weak = [name for name, share in found.shares.items() if share < MATTERS]
        assert set(found.of_no_matter) <= {n for n in weak if found.ends[n][1] < SURELY_WEAK}
        left_open += len(weak) - len(found.of_no_matter)
    assert left_open > 0


def test_an_edge_has_what_is_marked_in_the_page():
    tried = scored(lambda p: 0.04 * away(p["lr"], 30.0), 0)
    (edge,) = find_edges(SPACE, tried, 27)
    best = min(tried, key=lambda trial: trial.curve[27])
    assert edge.at == best.params["lr"]
    assert edge.text == f"{edge.why}: widened to 10."
