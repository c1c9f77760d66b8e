"""The whole engine on problems whose answer is known."""

from collections import Counter

import pytest
from search_problems import LR, SPACE, Valley, searched

from steadygrad.errors import InputError
from steadygrad.search.budget import parts_trained
from steadygrad.search.space import Parameter, Space
from steadygrad.search.stages import GoOn, next_work
from steadygrad.search.tried import DONE, ENDED, RUNNING, WAITING, best_of


def test_finds_the_valley_and_never_trains_a_part_twice(tmp_path):
    objective = Valley(tmp_path / "ledger")
    worker = searched(tmp_path, objective, runs=8)
    tried = worker.study.trials()
    best = best_of(tried)
    assert best is not None
    assert best.state == DONE
    assert best.value < 0.12  # 0.1 is the bottom
    counts = Counter(objective.trained())
    assert set(counts.values()) == {1}
    assert len(counts) == parts_trained(tried) == worker.trained_parts
    assert parts_trained(tried) <= 8 * objective.full
    assert parts_trained(tried) >= 0.9 * 8 * objective.full
    assert not any(trial.state == RUNNING for trial in tried)


def test_halving_keeps_the_best_third_and_resumes_it(tmp_path):
    worker = searched(tmp_path, Valley(tmp_path / "ledger"), runs=3)
    starts = [t for t in worker.study.trials() if t.stage in ("coarse", "halving")]
    assert len(starts) == 27
    reached = Counter(trial.parts for trial in starts)
    assert [sum(n for part, n in reached.items() if part >= rung) for rung in (1, 3, 9, 27)] == [
        27, 9, 3, 1,
    ]  # fmt: skip
    first = sorted(starts, key=lambda t: t.curve[1])[:9]
    assert {t.number for t in first} == {t.number for t in starts if t.parts >= 3}


SEEDS = [s if s < 3 else pytest.param(s, marks=pytest.mark.slow) for s in range(20)]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_false_widening_where_the_optimum_is_inside(tmp_path, seed):
    inside = 10 ** (-3 + 2 * ((seed * 7) % 20) / 20)  # from 1e-3 to 1e-1 of 1e-4 … 1
    worker = searched(tmp_path, Valley(tmp_path / "ledger", lr=inside), runs=6, seed=seed)
    assert [t for t in worker.study.told() if "widened to" in t] == []


def test_widens_where_the_optimum_lies_outside_and_finds_it_there(tmp_path):
    narrow = Space(
        (Parameter("lr", 1e-5, 1e-3, log=True, limits=(0.0, 1e20)), *SPACE.parameters[1:])
    )
    worker = searched(tmp_path, Valley(tmp_path / "ledger", lr=2e-2), space=narrow, runs=12)
    told = worker.study.told()
    assert told[0].startswith("lr: the best trials lie at the high end of the range")
    assert worker.study.ranges(narrow)["lr"].high >= 1e-2
    assert worker.study.ranges(narrow)["lr"].low == 1e-5
    best = best_of(worker.study.trials())
    assert best is not None
    assert 5e-3 < best.params["lr"] < 8e-2


def test_a_cliff_is_called_one_and_not_widened(tmp_path):
    objective = Valley(tmp_path / "ledger", lr=1.0, cliff=0.05)
    near = Space((Parameter("lr", 1e-5, 1.0, log=True), *SPACE.parameters[1:]))
    worker = searched(tmp_path, objective, space=near, runs=5)
    told = worker.study.told()
    assert len(told) == 1
    assert "lr: the best value" in told[0]
    assert "stability cliff" in told[0]
    ended = [t for t in worker.study.trials() if t.state == ENDED]
    assert ended
    assert all("3 times its first" in trial.reason for trial in ended)
    assert all(trial.parts == 0 for trial in ended)  # at the mini-batch, not at the part's end


def test_the_same_command_goes_on_and_a_finished_search_trains_nothing_more(tmp_path):
    objective = Valley(tmp_path / "ledger")
    searched(tmp_path, objective, runs=4)
    before = objective.trained()
    searched(tmp_path, objective, runs=4)
    assert objective.trained() == before


def test_two_searches_with_one_seed_are_the_same(tmp_path):
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        worker = searched(tmp_path / name, Valley(tmp_path / name / "ledger"), runs=5, seed=3)
        found.append([(t.params, t.curve) for t in worker.study.trials()])
    assert found[0] == found[1]


def test_a_study_of_something_else_is_refused(tmp_path):
    searched(tmp_path, Valley(tmp_path / "ledger"), runs=1)
    with pytest.raises(InputError, match=r"space is .* there, .* here"):
        searched(tmp_path, Valley(tmp_path / "ledger"), runs=1, space=Space((LR,)))


def test_finalists_are_repeated_with_other_seeds(tmp_path):
    objective = Valley(tmp_path / "ledger", noise=0.002)
    worker = searched(tmp_path, objective, runs=24)
    repeated = [t for t in worker.study.trials() if t.repeats is not None]
    assert worker.plan.finalists == 3
    assert len(repeated) == 6
    assert {t.seed for t in repeated} == {1, 2}
    assert len(set(objective.trained())) == len(objective.trained())


def test_a_run_that_cannot_win_is_paused_with_its_reason_and_can_be_taken_up_again(tmp_path):
    worker = searched(tmp_path, Valley(tmp_path / "ledger"), runs=12)
    tried = worker.study.trials()
    out = [trial for trial in tried if trial.reason.startswith("ranked out after")]
    assert out
    assert {trial.state for trial in out} == {WAITING}
    assert all(trial.target == trial.parts < worker.plan.full for trial in out)
    assert len([trial for trial in tried if trial.stage == "fine"]) > 9  # what fits without pauses
    spare = worker.plan.full - min(trial.parts for trial in out)
    work = next_work(out, worker.plan, spare)
    assert isinstance(work, GoOn)
    assert work.trial in out
