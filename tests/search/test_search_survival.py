"""The whole command under kill -9, in its trials and in the winner's run; minutes long."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from postgres_server import server, why_not
from search_processes import wait_until

from steadygrad.search.shared import SharedStudy
from steadygrad.search.study import SPARE
from steadygrad.search.tried import LOST, RUNNING
from steadygrad.search.written import STUDY_NAME

pytestmark = pytest.mark.slow
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(folder, place, *more):
    words = ["search", "digits", "--model", "mlp", "--width", 16, "--threads", 1]
    words += ["--budget", "90s", "--out", folder, "--storage", place, *more]
    return [sys.executable, "-m", "steadygrad", *map(str, words), "--quiet"]


def begun(*words):
    return subprocess.Popen(command(*words), env=ENVIRONMENT)


class Looker:
    """Looks at a study without taking part."""

    def __init__(self, place):
        self.place, self.study, self.seen = str(place), None, set()

    def frozen(self):
        if self.study is None:
            if "://" not in self.place and not Path(self.place).exists():
                return []
            study = SharedStudy(self.place, STUDY_NAME)
            try:
                study._id = study._storage.get_study_id_from_name(STUDY_NAME)
            except KeyError:
                return []
            self.study = study
        return self.study._frozen()

    def owners(self):
        """Workers that were seen at a trial so far."""
        self.seen |= {t.user_attrs["owner"] for t in self.frozen() if t.user_attrs.get("owner")}
        return self.seen

    def parts(self):
        return sum(len(trial.intermediate_values) for trial in self.frozen())


def assert_nothing_lost(looker, killed):
    """Every lost trial goes on in one other, with all it had; no values are run twice."""
    frozen = looker.frozen()
    tried = looker.study.trials()
    assert not any(trial.state == RUNNING for trial in tried)
    lost = [t.number for t in tried if t.state == LOST and t.reason != SPARE]
    assert len(lost) <= killed
    for number in lost:
        (after,) = [t for t in frozen if t.user_attrs.get("continues") == number]
        assert frozen[number].intermediate_values.items() <= after.intermediate_values.items()
    whole = [json.dumps([t.params, t.seed]) for t in tried if t.state != LOST]
    assert len(set(whole)) == len(whole)


@pytest.mark.parametrize(("ending", "jobs"), [("journal", 1), ("db", 1), ("journal", 3)])
def test_killed_in_its_trials_and_in_the_winners_run_the_same_command_ends_it(
    tmp_path, ending, jobs
):
    folder, place = tmp_path / "out", tmp_path / "out" / f"study.{ending}"
    words = (folder, place, "--jobs", jobs)
    looker = Looker(place)
    first = begun(*words)
    wait_until(lambda: looker.parts() >= 8)
    first.kill()
    first.wait()
    second = begun(*words)
    wait_until((folder / "winner" / "recipe.json").exists, seconds=200)
    second.kill()
    second.wait()
    assert not (folder / "winner" / "summary.json").exists()
    before = looker.parts()
    subprocess.run(command(*words), env=ENVIRONMENT, check=True, timeout=200)
    assert looker.parts() == before  # the search was over: nothing was searched again
    assert_nothing_lost(looker, killed=jobs)
    found = json.loads((folder / "search.json").read_text())
    summary = json.loads((folder / "winner" / "summary.json").read_text())
    assert found["full_run"]["folder"] == summary["folder"] == str(folder / "winner")
    (folder / "search.json").unlink()  # as if killed right before it was written
    subprocess.run(command(*words), env=ENVIRONMENT, check=True, timeout=200)
    again = json.loads((folder / "search.json").read_text())
    assert again["full_run"] == found["full_run"]
    assert subprocess.run(command(*words), env=ENVIRONMENT).returncode == 2  # it is finished


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_three_commands_on_postgresql_one_killed_end_as_one_search(tmp_path):
    folder = tmp_path / "out"
    with server() as postgres:
        place = postgres.database("three")
        looker = Looker(place)
        workers = [begun(folder, place, "--budget", "140s")]
        wait_until(lambda: looker.parts() >= 2)
        workers += [begun(folder, place, "--budget", "140s") for _ in range(2)]
        wait_until(lambda: len(looker.owners()) == 3, seconds=150)
        workers[0].kill()
        assert [worker.wait(timeout=300) for worker in workers[1:]] == [0, 0]
        assert_nothing_lost(looker, killed=1)
    found = json.loads((folder / "search.json").read_text())
    assert Path(found["full_run"]["folder"]) == folder / "winner"
    assert (folder / "winner" / "summary.json").exists()
