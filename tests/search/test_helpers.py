"""Several jobs on one machine, their threads and deaths; the winner trained by one of them."""

import os
import signal
import threading
import time

import pytest
import torch
from search_processes import forked, kill, status_of, wait_until

from steadygrad.errors import InputError
from steadygrad.fit.job import Silent
from steadygrad.record import Recipe
from steadygrad.search.helpers import Helpers
from steadygrad.search.setup import Search, make_training
from steadygrad.search.winner import Winner


def measure_threads(wanted, file):
    make_training(wanted, Silent())
    file.write_text(str(torch.get_num_threads()))


def refuse_or_die(taken):
    try:
        taken.mkdir()
    except FileExistsError:
        os.kill(os.getpid(), signal.SIGKILL)
    raise InputError("This job can't take part.")


def wait_long(file):
    file.write_text(str(os.getpid()))
    time.sleep(600)


def with_a_job(file):
    with Helpers(1, wait_long, (file,), print):
        pass


def train_and_fail(place):
    def fail(_):
        raise InputError("The disk is full.")

    Winner(place, "search").train_once(3, fail, print)


def test_threads_are_shared_out_among_the_jobs(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    asked = Recipe(precision="fp32", memory_format="contiguous", device="cpu")
    before = torch.get_num_threads()
    here = make_training(Search("digits", asked, jobs=2), Silent())
    assert torch.get_num_threads() == here.asked.threads == 2
    torch.set_num_threads(before)
    with Helpers(1, measure_threads, (Search("digits", here.asked), tmp_path / "n"), print):
        pass
    assert (tmp_path / "n").read_text() == "2"


def test_a_job_that_dies_at_its_start_is_told_and_holds_nobody_up(tmp_path):
    heard = []
    with Helpers(2, refuse_or_die, (tmp_path / "taken",), heard.append):
        pass
    assert sorted(heard) == [
        "A job of this search has ended early: InputError: This job can't take part. "
        "The others go on.",
        "A job of this search has ended early: it was killed by signal 9. The others go on.",
    ]


def test_jobs_end_when_the_search_fails(tmp_path):
    heard = []

    def search():
        with Helpers(1, wait_long, (tmp_path / "pid",), heard.append):
            wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
            raise InputError("no")

    with pytest.raises(InputError):
        search()
    assert is_gone(int((tmp_path / "pid").read_text()))
    assert heard == []


def test_jobs_end_with_a_parent_that_is_killed(tmp_path):
    parent = forked(with_a_job, tmp_path / "pid", daemon=False)
    try:
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    finally:
        kill(parent)
    job = int((tmp_path / "pid").read_text())
    wait_until(lambda: is_gone(job))


def is_gone(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("ending", ["journal", "db"])
def test_the_winner_is_trained_by_one_and_known_to_all(tmp_path, ending):
    place = str(tmp_path / f"study.{ending}")
    first, second = Winner(place, "search"), Winner(place, "search")
    assert not first.is_named
    trained, said, answers = [], [], []
    going, enough = threading.Event(), threading.Event()

    def train(number):
        trained.append(number)
        going.set()
        enough.wait(30)
        return {"folder": "there", "accuracy": 0.9}

    def other():
        going.wait(30)
        answers.append(second.train_once(4, train, lambda text: (said.append(text), enough.set())))

    thread = threading.Thread(target=other)
    thread.start()
    assert first.train_once(3, train, said.append) == (3, {"folder": "there", "accuracy": 0.9})
    thread.join()
    assert answers == [(3, {"folder": "there", "accuracy": 0.9})]
    assert trained == [3]
    assert said == ["Another worker of this search trains the winner; waiting for it."]
    assert second.is_named


def test_a_winner_whose_worker_failed_is_trained_by_the_next(tmp_path):
    place = str(tmp_path / "study.journal")
    assert status_of(forked(train_and_fail, place)) == [1]
    winner = Winner(place, "search")
    assert winner.is_named
    assert winner.train_once(5, lambda number: {"number": number}, print) == (3, {"number": 3})
