"""What may still be trained: the speed that is believed, and what is kept back for the winner."""

import pytest

from steadygrad.search.budget import Budget
from steadygrad.search.stages import GoOn, Propose, Repeat, kept_back, make_plan, next_work
from steadygrad.search.tried import DONE, WAITING, Tried


def done(number, error, seconds, *, repeats=None, seed=0, at=1.0):
    curve = {9: error + 0.1, 27: error}
    times = {9: at - 0.5, 27: at}
    return Tried(number, {}, DONE, curve, target=27, seconds=seconds, repeats=repeats, seed=seed,
                 times=times, stage="fine")  # fmt: skip


def test_what_trains_the_winner_goes_by_the_slowest_of_the_best_three_and_the_newest():
    tried = [done(0, 0.1, 27.0), done(1, 0.2, 54.0), done(2, 0.3, 27.0), done(3, 0.4, 270.0)]
    budget = Budget(seconds=1000.0, kept_parts=27.0)
    budget.time_trials(tried)
    assert budget.kept_seconds_per_part == 2.0  # the slow one is fourth, and not the newest
    budget.time_trials([*tried, done(4, 0.5, 81.0, at=9.0)])
    assert budget.kept_seconds_per_part == 3.0  # the machine was slower for it
    assert budget.seconds_left == pytest.approx(1000 - 81, abs=5)


def test_short_trials_do_not_tell_the_speed():
    budget = Budget(seconds=100.0, seconds_per_part=1.0)
    budget.time_trials([Tried(0, {}, WAITING, {1: 0.5}, seconds=50.0)])
    assert budget.seconds_per_part == 1.0


def halved(plan):
    """A study whose halving is over."""
    starts = [Tried(n, {}, WAITING, {1: 0.5}, target=1) for n in range(18)]
    starts += [Tried(n, {}, WAITING, {3: 0.4}, target=3) for n in range(18, 24)]
    starts += [Tried(n, {}, WAITING, {9: 0.3 + n / 100}, target=9) for n in range(24, 26)]
    return [*starts, Tried(26, {}, DONE, {9: 0.3, 27: 0.2}, target=plan.full)]


def test_time_for_repeating_finalists_is_kept_back_until_they_are_repeated():
    plan = make_plan(27, 40, noisy=True, seed=0)
    tried = [*halved(plan), done(27, 0.1, 27.0), done(28, 0.15, 27.0)]
    assert kept_back(tried, plan) == 6 * 27
    assert isinstance(next_work(tried, plan, 7 * 27), Propose)
    work = next_work(tried, plan, 7 * 27 - 1)
    assert isinstance(work, Repeat)
    tried.append(done(29, 0.1, 27.0, repeats=27, seed=1))
    assert kept_back(tried, plan) == 5 * 27
    assert isinstance(next_work(tried, plan, 20 * 27), Repeat)  # no newcomer nobody repeats


def test_what_is_left_goes_to_the_paused_trial_that_promises_most():
    plan = make_plan(27, 5, noisy=True, seed=0)
    tried = [*halved(plan), done(27, 0.1, 27.0)]
    work = next_work(tried, plan, 18)  # enough from a third on, not from a ninth
    assert isinstance(work, GoOn)
    assert work.trial.number == 24
    assert next_work(tried, plan, 10) is None  # nothing can be finished
