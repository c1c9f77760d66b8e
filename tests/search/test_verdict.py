import pytest

from steadygrad.search.stages import MOST_SEEDS, make_plan, next_repeat
from steadygrad.search.tried import DONE, RUNNING, Tried
from steadygrad.search.verdict import decide

PLAN = make_plan(27, 40, noisy=True, seed=0)


def finalists(*values):
    tried = []
    for number, seeds in enumerate(values):
        tried.append(Tried(number, {"lr": 0.1}, DONE, {27: seeds[0]}, "fine"))
    for number, seeds in enumerate(values):
        for seed, value in enumerate(seeds[1:], 1):
            again = {"seed": seed, "repeats": number}
            tried.append(Tried(len(tried), {"lr": 0.1}, DONE, {27: value}, "finalists", **again))
    return tried


def test_a_clear_lead_is_no_tie():
    verdict = decide(finalists((0.10, 0.11, 0.105), (0.20, 0.21, 0.205)), PLAN)
    assert verdict.winner.number == 0
    assert verdict.ties == ()
    assert verdict.seed_spread == pytest.approx(0.005)


def test_the_mean_decides_not_one_lucky_seed_and_a_tie_is_called_a_tie():
    verdict = decide(finalists((0.10, 0.14, 0.15), (0.11, 0.12, 0.12)), PLAN)
    assert verdict.winner.number == 1
    assert verdict.ties == (0,)
    assert "a tie with trial 0" in verdict.text


def test_without_repetitions_it_says_that_luck_may_be_in_it():
    plan = make_plan(27, 5, noisy=True, seed=0)
    assert plan.finalists == 0
    assert "luck" in decide(finalists((0.1,), (0.2,)), plan).text


def test_every_finalist_gets_every_seed_once():
    tried = finalists((0.1,), (0.2,), (0.3,), (0.4,))
    given = []
    while (repeat := next_repeat(tried, PLAN)) is not None:
        given.append((repeat.trial.number, repeat.seed))
        state = DONE if len(given) % 2 else RUNNING
        again = {"seed": repeat.seed, "repeats": repeat.trial.number}
        tried.append(Tried(len(tried), {}, state, {27: 0.5}, "finalists", **again))
    assert sorted(given) == [(n, s) for n in range(3) for s in range(1, MOST_SEEDS)]
