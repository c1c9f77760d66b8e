"""Several processes on one study, one of them killed."""

import os
import time

import pytest
from search_problems import SPACE, Valley, searched
from search_processes import assert_all_ran_once, kill_in_the_middle, started, study_at

from steadygrad.search.stages import make_plan, sobol_points
from steadygrad.search.study import Study
from steadygrad.search.tried import WAITING
from steadygrad.search.workers import Watchers, own_token, surely_dead


@pytest.mark.parametrize(("ending", "runs"), [("journal", 3), ("db", 1)])
def test_after_kill_9_another_continues_and_nothing_is_run_twice(tmp_path, ending, runs):
    place = str(tmp_path / f"study.{ending}")
    objective = Valley(tmp_path / "ledger")
    doomed = started(tmp_path, place, runs, 0.05)
    kill_in_the_middle(doomed, objective, at_least=10 * runs)
    worker = searched(tmp_path, objective, runs=runs, place=place)
    assert_all_ran_once(worker.study.trials(), objective, lost=1, starts=9 * runs)
    assert {who for _, _, who in objective.lines()} == {doomed.pid, os.getpid()}


def test_three_workers_share_one_study(tmp_path):
    place = str(tmp_path / "study.journal")
    workers = [started(tmp_path, place, 3, 0.02) for _ in range(3)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0, 0]
    objective = Valley(tmp_path / "ledger")
    assert_all_ran_once(study_at(place).trials(), objective, lost=0)
    assert {who for _, _, who in objective.lines()} == {worker.pid for worker in workers}


def test_a_silent_worker_elsewhere_is_given_up_after_the_grace_time():
    watchers = Watchers(grace_seconds=0.1)

    def is_stale(token, beat, asked=None):
        return watchers.is_stale(3, token, beat, time.monotonic() if asked is None else asked)

    assert not is_stale("other machine|1|2", 7)
    time.sleep(0.15)
    assert not is_stale("other machine|1|2", 8)  # it beat meanwhile
    asked = time.monotonic()
    time.sleep(0.15)
    assert not is_stale("other machine|1|2", 8, asked)  # read long ago: this worker was suspended
    assert not is_stale("a third machine|1|2", 8)  # another's turn, though it counts the same
    assert not is_stale("other machine|1|2", 8)
    time.sleep(0.15)
    watchers.forget_before(time.monotonic())  # the storage was away: nobody could be heard
    assert not is_stale("other machine|1|2", 8)
    time.sleep(0.15)
    assert is_stale("other machine|1|2", 8)
    assert not surely_dead("other machine|1|2")
    assert not surely_dead(own_token())


def test_only_one_of_two_gets_a_trial(tmp_path):
    plan = make_plan(27, 1, noisy=False, seed=0)
    both = [Study(str(tmp_path / "study.journal"), "search") for _ in range(2)]
    for study in both:
        study.begin(plan, SPACE, sobol_points(SPACE, plan.starts, 0), {})
    assert len(both[0].trials()) == plan.starts
    first, second = (study.trials()[0] for study in both)
    assert both[0].claim(first, 1, "coarse")
    assert not both[1].claim(second, 1, "coarse")
    both[0].leave(0, WAITING, None)
    assert both[1].claim(both[1].trials()[0], 1, "coarse")
    assert not both[0].claim(first, 1, "coarse")


def test_a_repetition_is_started_once(tmp_path):
    plan = make_plan(27, 1, noisy=False, seed=0)
    study = Study(str(tmp_path / "study.journal"), "search")
    study.begin(plan, SPACE, sobol_points(SPACE, plan.starts, 0), {})
    params = study.trials()[0].params
    attrs = {"stage": "finalists", "repeats": 0, "seed": 1}
    assert study.start(params, SPACE, attrs, only="0 seed 1") is not None
    assert study.start(params, SPACE, attrs, only="0 seed 1") is None
