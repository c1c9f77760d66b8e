"""Several processes on one study, one of them killed."""

import os
import time

import pytest
from optuna.trial import TrialState
from search_problems import SPACE, Valley, searched
from search_processes import assert_all_ran_once, kill, status_of, study_at, wait_until_held

from steadygrad.errors import InputError
from steadygrad.search.stages import make_plan, sobol_points
from steadygrad.search.study import Study
from steadygrad.search.tried import LOST, RUNNING, WAITING
from steadygrad.search.workers import Taken, Watchers, own_token, surely_dead


@pytest.mark.parametrize("ending", ["journal", "db"])
def test_after_kill_9_another_continues_and_nothing_is_run_twice(tmp_path, start, ending):
    place = str(tmp_path / f"study.{ending}")
    objective = Valley(tmp_path / "ledger")
    objective.hold(after=10)
    doomed = start(tmp_path, place, 1)
    wait_until_held(objective, doomed)
    kill(doomed)
    objective.release()
    worker = searched(tmp_path, objective, runs=1, place=place)
    assert_all_ran_once(worker.study.trials(), objective, lost=1)
    assert {who for _, _, who in objective.lines()} == {doomed.pid, os.getpid()}


def test_three_workers_share_one_study(tmp_path, start):
    place = str(tmp_path / "study.journal")
    objective = Valley(tmp_path / "ledger")
    objective.hold(after=1)
    workers = [start(tmp_path, place, 3) for _ in range(3)]
    wait_until_held(objective, *workers)
    objective.release()
    assert status_of(*workers) == [0, 0, 0]
    assert_all_ran_once(study_at(place).trials(), objective, lost=0, starts=27)
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


def joined(place, **about):
    plan = make_plan(27, 1, noisy=False, seed=0)
    study = Study(str(place), "search")
    study.begin(plan, SPACE, sobol_points(SPACE, plan.starts, 0), about)
    return study


def test_another_machine_may_differ_in_threads_and_device_only(tmp_path, monkeypatch):
    place = tmp_path / "study.journal"
    there = {"lr": 0.1, "threads": 8, "device": "cuda", "width": 16}
    joined(place, recipe=there, data="abc")
    joined(place, recipe={**there, "threads": 2, "device": "cpu"}, data="abc")
    with pytest.raises(InputError, match=r"settings: recipe lr is 0.1 there, 0.2 here; recipe "):
        joined(place, recipe={**there, "lr": 0.2, "width": 8}, data="abc")
    with pytest.raises(InputError, match="the pictures' fingerprint is 'abc' there, 'def' here"):
        joined(place, recipe=there, data="def")
    monkeypatch.setattr("steadygrad.search.shared.__version__", "9")
    with pytest.raises(InputError, match=r"Steadygrad's version is '.*' there, '9' here"):
        joined(place, recipe=there, data="abc")


def test_a_part_saved_but_not_scored_is_scored_and_not_trained_again(tmp_path):
    (tmp_path / "trial-0").mkdir()
    (tmp_path / "trial-0" / "done").write_text("1")  # its worker died right then
    objective = Valley(tmp_path / "ledger")
    first = searched(tmp_path, objective, runs=1).study.trials()[0]
    assert first.parts >= 1
    assert (f"{first.params['lr']!r}/{first.seed}", 1) not in objective.trained()


def test_a_beginning_and_a_last_line_that_were_cut_off_are_mended(tmp_path):
    place = tmp_path / "study.journal"
    Study(str(place), "search").enter()
    with open(place, "ab") as file:
        file.write(b'{"op_code": 4, "wor')
    worker = searched(tmp_path, Valley(tmp_path / "ledger"), runs=1, place=str(place))
    assert len(worker.study.trials()) >= 9


def test_a_rescuer_that_died_before_it_made_the_successor_is_stood_in_for(tmp_path):
    study = joined(tmp_path / "study.journal")
    assert study.claim(study.trials()[0], 1, "coarse")
    study.report(0, 1, 0.5, 2.0)
    study._set(0, TrialState.FAIL)
    other = joined(tmp_path / "study.journal")
    after = other.pick_up()
    assert after is not None
    assert after.curve == {1: 0.5}
    assert other.pick_up() is None
    assert study.pick_up() is None
    with pytest.raises(Taken):
        study.report(0, 2, 0.4, 1.0)


def test_two_that_make_the_same_trial_have_it_once(tmp_path):
    first, second = (joined(tmp_path / "study.journal") for _ in range(2))
    params = {"lr": 0.1, "weight_decay": 1e-4, "dropout": 0.1}
    attrs = {"stage": "fine", "target": 27}
    made = [study.start(params, SPACE, attrs, only="proposal 9") for study in (first, second)]
    assert made[0] is not None
    assert made[1] is None
    assert [trial.state for trial in first.trials()[9:]] == [RUNNING, LOST]
    assert second.pick_up() is None  # what was withdrawn has no successor
