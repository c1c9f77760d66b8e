"""Runs paused because they can't win any more, and good ones that never are."""

import math
import random

import pytest

from steadygrad.search.forecast import best_case, full_length_estimates, ranked_out
from steadygrad.search.tried import DONE, WAITING, Tried

FULL = 27
LOOKS = (3, 6, 9, 12, 15, 18, 21, 24, 27)


def curve(draw, level):
    """Fast or slow at first, some falling late as the rate decays, every look noisy."""
    speed, late = draw.uniform(2, 9), draw.uniform(0, 0.6)
    found = {}
    for part in LOOKS:
        left = (1 - late) * math.exp(-part / speed) + late * (1 - part / FULL)
        found[part] = max(0.0, (level + 0.4 * left) * math.exp(draw.gauss(0, 0.05)))
    return found


def finished(draw, number):
    return [
        Tried(n, {}, DONE, curve(draw, 0.1 + draw.uniform(0, 0.1)), target=FULL)
        for n in range(number)
    ]


def ended_at(mine, known, finalists=0):
    """The part the pruner would pause the run at; None: it is run to the end."""
    return next((p for p in LOOKS if ranked_out(p, mine[p], known, FULL, finalists)), None)


@pytest.mark.parametrize("finalists", [0, 3])
def test_none_of_200_that_would_win_is_paused(finalists):
    paused = tested = 0
    seed = 0
    while tested < 200:
        draw = random.Random(seed)
        seed += 1
        known = finished(draw, draw.choice((3, 4, 6, 10, 16)))
        mine = curve(draw, 0.1 + draw.uniform(-0.03, 0.03))
        if mine[FULL] < min(trial.curve[FULL] for trial in known):
            tested += 1
            paused += ended_at(mine, known, finalists) is not None
    assert paused == 0


def test_hopeless_ones_are_paused_well_before_the_end():
    saved = []
    for seed in range(100):
        draw = random.Random(seed)
        known = finished(draw, 8)
        at = ended_at(curve(draw, 0.6), known)
        saved.append(1 - (at or FULL) / FULL)
    assert sum(share > 0 for share in saved) >= 90
    assert sum(saved) / len(saved) > 0.4


def test_few_finished_trials_judge_nobody():
    known = finished(random.Random(0), 2)
    assert ranked_out(9, 0.9, known, FULL) == ""
    assert best_case(9, 0.9, known) is None


def test_the_reason_has_the_numbers():
    known = finished(random.Random(0), 8)
    reason = ranked_out(24, 0.9, known, FULL)
    assert "ranked out after 24 of 27 parts" in reason
    assert f"{min(trial.curve[FULL] for trial in known):.4g} is known" in reason


def test_a_trial_without_looks_at_that_part_does_not_judge():
    known = [Tried(n, {}, DONE, {27: 0.1 + 0.01 * n}) for n in range(8)]
    assert ranked_out(9, 0.9, known, FULL) == ""


def test_a_paused_trial_is_estimated_by_the_fall_of_longer_ones():
    tried = [
        Tried(0, {}, DONE, {9: 0.5, 27: 0.2}),
        Tried(1, {}, WAITING, {9: 0.6}),
        Tried(2, {}, WAITING, {}),
    ]
    assert full_length_estimates(tried, FULL) == {0: 0.2, 1: pytest.approx(0.3)}
