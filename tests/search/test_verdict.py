import pytest

from steadygrad.search.stages import MOST_SEEDS, make_plan, next_repeat
from steadygrad.search.tried import DONE, RUNNING, WAITING, Tried
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
    assert "Without the run it was chosen by: 12.00 %." in verdict.text


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


def test_without_repetitions_the_number_of_pictures_says_what_is_a_tie():
    plan = make_plan(27, 5, noisy=True, seed=0)
    tried = finalists((0.02,), (0.03,), (0.30,))
    few, many = decide(tried, plan, 100), decide(tried, plan, 10_000)
    assert few.winner.number == many.winner.number == 0
    assert few.ties == (1,)
    assert "a tie with trial 1: 100 validation pictures can't tell" in few.text
    assert many.ties == ()
    assert few.band > many.band
    assert (few.band_from, decide(tried, plan).band) == ("pictures", None)


def test_no_error_at_all_is_still_not_sure():
    plan = make_plan(27, 5, noisy=True, seed=0)
    verdict = decide(finalists((0.0,), (0.01,)), plan, 100)
    assert verdict.band > 0.01
    assert verdict.ties == (1,)


def test_the_band_of_repeated_finalists_comes_from_their_seeds():
    verdict = decide(finalists((0.10, 0.11, 0.105), (0.20, 0.21, 0.205)), PLAN, 50)
    assert verdict.band == pytest.approx(2 * 0.005 / 3**0.5)
    assert verdict.band_from == "seeds"


def test_a_winner_that_never_reached_the_full_length_is_called_so():
    tried = [Tried(0, {"lr": 0.1}, WAITING, {3: 0.3}), Tried(1, {"lr": 0.2}, WAITING, {1: 0.1})]
    verdict = decide(tried, PLAN, 100)
    assert verdict.winner.number == 0
    assert "after 11 % of a full run: none reached the full length" in verdict.text
    assert verdict.ties == ()
