"""Workers as processes of their own, and what must hold after one of them was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from search_problems import SPACE

from steadygrad.search.study import SPARE, Study
from steadygrad.search.tried import LOST, RUNNING, WAITING

WORKER = Path(__file__).with_name("search_worker.py")


def started(folder, place, runs, slow, *elsewhere):
    """A worker; `elsewhere`: the machine it takes itself to be on, its grace and its beat."""
    words = [folder, place, runs, slow, *elsewhere]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, str(WORKER), *map(str, words)], env=environment)


def wait_until(condition, seconds=90.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def parts_by(process, objective):
    """(what, part) that a process trained, in order."""
    return [line[:2] for line in objective.lines() if line[2] == process.pid]


def stop_in_the_middle(process, objective, at_least=1):
    """Suspend a worker that has trained some parts while it trains the next one."""

    def is_between():
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.02)
        if len(parts_by(process, objective)) >= at_least and objective.busy(process.pid).exists():
            return True
        process.send_signal(signal.SIGCONT)
        return False

    wait_until(is_between)


def kill_in_the_middle(process, objective, at_least=1):
    """Kill -9 while it trains a part."""
    stop_in_the_middle(process, objective, at_least)
    process.kill()
    process.wait()


def study_at(place):
    """The study, joined by one who only looks."""
    study = Study(str(place), "search")
    assert study.join({"space": str(SPACE)}) is not None
    return study


def assert_all_ran_once(tried, objective, lost, starts=27):
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
