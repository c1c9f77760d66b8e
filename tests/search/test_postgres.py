"""Workers of several machines on one study in PostgreSQL, or behind Optuna's proxy before it."""

import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from postgres_server import server, why_not
from search_problems import Valley
from search_processes import (
    assert_all_ran_once,
    parts_by,
    started,
    stop_in_the_middle,
    study_at,
    wait_until,
)

from steadygrad.errors import InputError
from steadygrad.search.storage import open_storage
from steadygrad.search.tried import LOST

PROXY = """
import sys
from optuna.storages import get_storage, run_grpc_proxy_server
run_grpc_proxy_server(get_storage(sys.argv[1]), host="localhost", port=int(sys.argv[2]))
"""
needs_server = pytest.mark.skipif(bool(why_not()), reason=why_not())
MACHINES = ("ann", "bob", "cid")
PULSE = (5.0, 0.3)
"""Seconds: short, but longer than a busy machine may keep a living worker waiting."""


@pytest.fixture(scope="module")
def postgres():
    with server() as running:
        yield running


@needs_server
def test_three_workers_one_killed_and_every_trial_runs_once_to_its_end(tmp_path, postgres):
    place = postgres.database("killed")
    objective = Valley(tmp_path / "ledger")
    doomed = started(tmp_path, place, 3, 0.1, MACHINES[0], *PULSE)
    stop_in_the_middle(doomed, objective)
    others = [started(tmp_path, place, 3, 0.1, name, *PULSE) for name in MACHINES[1:]]
    wait_until(lambda: all(parts_by(worker, objective) for worker in others))
    doomed.kill()
    assert [worker.wait(timeout=120) for worker in others] == [0, 0]
    tried = study_at(place).trials()
    assert_all_ran_once(tried, objective, lost=1)
    assert {who for _, _, who in objective.lines()} == {w.pid for w in (doomed, *others)}


@needs_server
def test_a_worker_that_was_suspended_drops_the_trial_another_took(tmp_path, postgres):
    place = postgres.database("suspended")
    objective = Valley(tmp_path / "ledger")
    sleeper = started(tmp_path, place, 1, 0.2, MACHINES[0], *PULSE)
    stop_in_the_middle(sleeper, objective, at_least=2)
    before = parts_by(sleeper, objective)
    other = started(tmp_path, place, 1, 0.05, MACHINES[1], *PULSE)
    study = study_at(place)
    wait_until(lambda: any(trial.state == LOST for trial in study.trials()))
    (lost,) = [trial for trial in study.trials() if trial.state == LOST]
    what = f"{lost.params['lr']!r}/{lost.seed}"
    wait_until(lambda: any(of == what for of, _ in parts_by(other, objective)))
    sleeper.send_signal(signal.SIGCONT)
    assert [sleeper.wait(timeout=120), other.wait(timeout=120)] == [0, 0]
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
def test_a_server_that_crashes_and_comes_back_holds_nobody_up_for_good(tmp_path, postgres):
    place = postgres.database("restarted")
    objective = Valley(tmp_path / "ledger")
    workers = [started(tmp_path, place, 1, 0.1, name, 20.0, 0.5) for name in MACHINES[:2]]
    wait_until(lambda: len(objective.lines()) >= 6)
    postgres.stop(signal.SIGQUIT)
    postgres.start()
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    assert_all_ran_once(study_at(place).trials(), objective, lost=0, starts=9)


@pytest.fixture
def proxy(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", PROXY, f"sqlite:///{tmp_path}/behind.db", str(port)]
    running = subprocess.Popen(command)
    yield f"grpc://localhost:{port}"
    running.kill()
    running.wait()


def test_two_workers_behind_the_proxy_one_killed(tmp_path, proxy):
    pytest.importorskip("grpc")
    objective = Valley(tmp_path / "ledger")
    wait_until(lambda: opens(proxy))
    doomed = started(tmp_path, proxy, 1, 0.1, MACHINES[0], *PULSE)
    stop_in_the_middle(doomed, objective)
    other = started(tmp_path, proxy, 1, 0.1, MACHINES[1], *PULSE)
    wait_until(lambda: parts_by(other, objective))
    doomed.kill()
    assert other.wait(timeout=120) == 0
    assert_all_ran_once(study_at(proxy).trials(), objective, lost=1, starts=9)


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
