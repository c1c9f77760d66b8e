"""Edges judged on trials made up for it: no training, no sampler."""

import math
import random

import pytest

from steadygrad.search.edges import find_edges
from steadygrad.search.effects import importance
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
