"""Workers of several machines on one study in PostgreSQL, or behind Optuna's proxy before it."""

import os
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import search_worker
from postgres_server import server, why_not
from search_problems import Valley
from search_processes import (
    assert_all_ran_once,
    forked,
    kill,
    parts_by,
    status_of,
    study_at,
    wait_until,
    wait_until_held,
)

from steadygrad.errors import InputError
from steadygrad.search.storage import open_storage
from steadygrad.search.study import SPARE
from steadygrad.search.tried import LOST

needs_server = pytest.mark.skipif(bool(why_not()), reason=why_not())
MACHINES = ("ann", "bob", "cid")
LATE = 10
"""Parts one worker alone has trained when it goes on with the second of the paused trials."""


@pytest.fixture(scope="module")
def postgres():
    with server() as running:
        yield running


def one_of_several_killed(start, folder, place, others):
    """The first is killed within a trial it went on with, the others being in trials of theirs."""
    objective = Valley(folder / "ledger")
    objective.hold(after=LATE)
    doomed = start(folder, place, 1, MACHINES[0])
    wait_until_held(objective, doomed)
    os.kill(doomed.pid, signal.SIGSTOP)
    objective.hold(after=1)
    rest = [start(folder, place, 1, name) for name in others]
    wait_until_held(objective, *rest)
    kill(doomed)
    (folder / "silent").write_text(MACHINES[0])
    objective.release()
    assert status_of(*rest) == [0] * len(rest)
    tried = study_at(place).trials()
    assert_all_ran_once(tried, objective, lost=1)
    (lost,) = [trial for trial in tried if trial.state == LOST and trial.reason != SPARE]
    assert lost.curve
    assert {who for _, _, who in objective.lines()} == {w.pid for w in (doomed, *rest)}


@needs_server
def test_three_workers_one_killed_and_every_trial_runs_once_to_its_end(tmp_path, postgres, start):
    one_of_several_killed(start, tmp_path, postgres.database("killed"), MACHINES[1:])


@needs_server
def test_a_worker_that_was_suspended_drops_the_trial_another_took(tmp_path, postgres, start):
    place = postgres.database("suspended")
    objective = Valley(tmp_path / "ledger")
    objective.hold(after=LATE)
    sleeper = start(tmp_path, place, 1, MACHINES[0])
    wait_until_held(objective, sleeper)
    os.kill(sleeper.pid, signal.SIGSTOP)
    before = parts_by(sleeper, objective)
    objective.release()
    (tmp_path / "silent").write_text(MACHINES[0])
    other = start(tmp_path, place, 1, MACHINES[1])
    study = study_at(place)
    wait_until(lambda: any(trial.state == LOST for trial in study.trials()))
    (lost,) = [trial for trial in study.trials() if trial.state == LOST]
    what = f"{lost.params['lr']!r}/{lost.seed}"
    wait_until(lambda: any(of == what for of, _ in parts_by(other, objective)))
    (tmp_path / "silent").unlink()
    os.kill(sleeper.pid, signal.SIGCONT)
    assert status_of(sleeper, other) == [0, 0]
    tried = study.trials()
    assert tried[lost.number].curve == lost.curve  # what it did after it woke is not written down
    whole = [trial for trial in tried if trial.state != LOST]
    assert len([t for t in whole if t.params == lost.params]) == 1
    counted = sum(trial.parts for trial in whole)
    # The part it was about to end when it was suspended is the other's again, and no more than it.
    assert len(objective.trained()) == counted + 1
    assert len(set(objective.trained())) == counted
    assert parts_by(sleeper, objective)[: len(before)] == before


@needs_server
def test_a_server_that_crashes_and_comes_back_holds_nobody_up_for_good(tmp_path, postgres, start):
    place = postgres.database("restarted")
    objective = Valley(tmp_path / "ledger")
    objective.hold(after=1)
    workers = [start(tmp_path, place, 1, name) for name in MACHINES[:2]]
    wait_until_held(objective, *workers)
    postgres.stop(signal.SIGQUIT)
    objective.release()  # both find the server away
    wait_until(lambda: all(len(parts_by(worker, objective)) > 1 for worker in workers))
    postgres.start()
    assert status_of(*workers) == [0, 0]
    assert_all_ran_once(study_at(place).trials(), objective, lost=0)


@pytest.fixture
def proxy(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    running = forked(search_worker.serve, f"sqlite:///{tmp_path}/behind.db", port)
    yield f"grpc://localhost:{port}"
    kill(running)


def test_two_workers_behind_the_proxy_one_killed(tmp_path, proxy, start):
    pytest.importorskip("grpc")
    wait_until(lambda: opens(proxy))
    one_of_several_killed(start, tmp_path, proxy, MACHINES[1:2])


def opens(place):
    try:
        open_storage(place)
    except InputError:
        return False
    return True


@needs_server
def test_many_who_open_an_empty_database_at_once_all_get_in(tmp_path, postgres):
    place = postgres.database("crowded")
    together = threading.Barrier(6)

    def open_it(_):
        together.wait()
        return open_storage(place)[0].get_all_studies()

    with ThreadPoolExecutor(6) as crowd:
        assert list(crowd.map(open_it, range(6))) == [[]] * 6


@needs_server
def test_a_database_that_is_not_there_is_named_without_its_password(postgres):
    place = postgres.url("nowhere").replace("tester@", "tester:secret@")
    with pytest.raises(InputError, match=r'database "nowhere" does not exist') as caught:
        open_storage(place)
    assert "secret" not in str(caught.value)
    assert "tester:***@" in str(caught.value)


@pytest.mark.parametrize(
    ("module", "place"), [("psycopg", "postgresql://h/d"), ("grpc", "grpc://h:1")]
)
def test_a_missing_driver_is_named_with_what_to_install(monkeypatch, module, place):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"pip install 'steadygrad\[(postgresql|grpc)\]'"):
        open_storage(place)


def test_a_proxy_that_does_not_answer_is_an_input_error(monkeypatch):
    pytest.importorskip("grpc")
    monkeypatch.setattr("steadygrad.search.storage.CONNECT_SECONDS", 0.5)
    with pytest.raises(InputError, match="connection timeout"):
        open_storage("grpc://localhost:1")
    with pytest.raises(InputError, match="'x' is no port"):
        open_storage("grpc://localhost:x")
