"""Workers as processes of their own, and what must hold after one of them was killed."""

import multiprocessing
import time
from importlib.util import find_spec

import search_worker
from search_problems import SPACE

from steadygrad.search.study import SPARE, Study
from steadygrad.search.tried import LOST, RUNNING, WAITING

LOADED = ("steadygrad.search", "optuna.storages._rdb.storage", "alembic.command", "mako.template")
DRIVERS = ("psycopg", "sqlalchemy.dialects.postgresql.psycopg", "optuna.storages._grpc.client")
CONTEXT = multiprocessing.get_context("forkserver")
"""Processes forked from one that has loaded all this: they cost their work, not the importing."""
CONTEXT.set_forkserver_preload([*LOADED, *(d for d in DRIVERS if find_spec(d.partition(".")[0]))])


def started(folder, place, runs, machine=""):
    """A worker; `machine`: one it says to be on, other than this one."""
    return forked(search_worker.work, folder, place, runs, machine)


def forked(work, *words, daemon=True):
    """A process; `daemon`: it begins none itself."""
    process = CONTEXT.Process(target=work, args=words, daemon=daemon)
    process.start()
    return process


def status_of(*processes):
    """How they ended, as soon as they have."""
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def kill(process):
    process.kill()
    process.join()


def wait_until(condition, seconds=90.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def parts_by(process, objective):
    """(what, part) that a process trained, in order."""
    return [line[:2] for line in objective.lines() if line[2] == process.pid]


def wait_until_held(objective, *processes):
    """Until each of them has come to where the objective holds it."""
    wait_until(lambda: all(objective.busy(process.pid).exists() for process in processes))


def study_at(place):
    """The study, joined by one who only looks."""
    study = Study(str(place), "search")
    assert study.join({"space": str(SPACE)}) is not None
    return study


def assert_all_ran_once(tried, objective, lost, starts=9):
    """Every part of every trial was trained, by one worker, and no trial is left hanging."""
    assert not any(trial.state == RUNNING for trial in tried)
    gone = [trial for trial in tried if trial.state == LOST]
    assert len([trial for trial in gone if trial.reason != SPARE]) == lost
    whole = [trial for trial in tried if trial.state != LOST]
    assert len([t for t in whole if t.stage in ("coarse", "halving")]) == starts
    assert all(t.parts == t.target for t in whole if t.state == WAITING)
    wanted = [
        (f"{t.params['lr']!r}/{t.seed}", part) for t in whole for part in range(1, t.parts + 1)
    ]
    assert sorted(objective.trained()) == sorted(wanted)
