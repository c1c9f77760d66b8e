"""The whole of `steadygrad search`: stopped, gone on with, finished, its winner repeated."""

import os
import signal
from pathlib import Path

import pytest

from steadygrad import fit
from steadygrad.errors import InputError
from steadygrad.fit.signals import Interrupted
from steadygrad.record import Recipe
from steadygrad.search import Search, search
from steadygrad.search.engine import Deaf
from steadygrad.search.shared import SharedStudy
from steadygrad.search.tried import RUNNING, WAITING
from steadygrad.search.written import STUDY_NAME, read_study

ASKED = Recipe(model="logistic", epochs=2, threads=1, precision="fp32", device="cpu")
SECONDS = 16.0


class CtrlC(Deaf):
    """Presses it while the fifth trial runs."""

    def begun(self, trial, target, stage):
        self.number = trial.number

    def looked(self, trial, part, value):
        if self.number == 5:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    wanted = Search("digits", ASKED, SECONDS, out=str(folder), space="lr=1e-3..1,dropout=0..0.5")
    with pytest.raises(Interrupted) as caught:
        search(wanted, listener=CtrlC())
    study = SharedStudy(str(folder / "study.journal"), STUDY_NAME)
    assert read_study(study) is not None
    with pytest.raises(InputError, match=r"space"):
        search(Search("digits", ASKED, SECONDS, out=str(folder), space="lr=1e-4..1"))
    return wanted, str(caught.value), study


@pytest.fixture(scope="module")
def finished(stopped):
    wanted, _, study = stopped
    before = study.trials()
    again = Search(wanted.data, wanted.asked, SECONDS, wanted.space, wanted.out)
    return before, search(again), study.trials()


def test_ctrl_c_says_what_is_kept_and_leaves_nothing_running(stopped):
    wanted, message, _ = stopped
    assert f"kept in '{wanted.folder}'" in message
    assert "the same command goes on" in message
    assert (wanted.folder / "search.json").exists()


def test_the_same_command_goes_on_with_the_paused_trial_and_all_others(finished):
    before, _, after = finished
    assert [trial.params for trial in after[: len(before)]] == [trial.params for trial in before]
    assert not any(trial.state == RUNNING for trial in [*before, *after])
    assert before[5].state == WAITING
    for early, late in zip(before, after):
        assert early.curve.items() <= late.curve.items()  # nothing is scored twice
    assert all(trial.curve for trial in after[:27])


def test_the_winner_is_trained_to_a_full_run_and_all_is_accounted_for(finished):
    _, found, _ = finished
    assert found["full_run"]["test"]["accuracy"] > 0.7
    assert found["seconds"] <= 1.1 * SECONDS or os.getloadavg()[0] > (os.cpu_count() or 1)
    assert 0 <= found["overhead"] < 1
    assert found["folds"] is None


def test_its_recipe_repeats_the_winners_run_bit_for_bit(finished, tmp_path):
    _, found, _ = finished
    recipe = fit.asked_recipe(found["recipe"], {})
    again = fit.run(fit.Job("digits", str(tmp_path / "again")), recipe)
    first = found["full_run"]
    for name in ("test", "val", "epochs", "steps", "parameters", "seed", "classes", "parity"):
        assert again[name] == first[name], name
    files = [Path(run["folder"]) / "model.safetensors" for run in (again, first)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_finished_search_is_not_begun_again(finished, stopped):
    wanted = stopped[0]
    assert finished
    with pytest.raises(InputError, match="is finished; its winner is in"):
        search(Search(wanted.data, wanted.asked, SECONDS, wanted.space, wanted.out))


def test_a_budget_too_short_to_try_anything_trains_the_usual_recipe(tmp_path):
    asked = ASKED.replace(epochs=0)
    found = search(Search("digits", asked, 8.2, space="lr=1e-3..1", out=str(tmp_path)))
    assert found["winner"] is None
    assert "usual recipe" in found["verdict"]
    assert found["full_run"]["test"]["accuracy"] > 0
    assert "usual recipe" in (tmp_path / "report.html").read_text(encoding="utf-8")
