"""What a search leaves in its folder, and that the page can be drawn again from it."""

import json
import os

import pytest
from click.testing import CliRunner
from search_problems import SPACE, Valley, searched

from steadygrad.cli.report import command
from steadygrad.record import Recipe
from steadygrad.search import Search, search
from steadygrad.search.engine import Deaf
from steadygrad.search.stages import make_plan, sobol_points
from steadygrad.search.study import Study
from steadygrad.search.written import STUDY_NAME, account_of, write_account


def drawn_again(folder):
    (folder / "report.html").unlink(missing_ok=True)
    result = CliRunner().invoke(command, [str(folder)])
    assert result.exit_code == 0, result.output
    assert result.output.strip() == str(folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_account_of_a_real_search_is_strict_json_and_its_page_comes_back(tmp_path):
    worker = searched(tmp_path, Valley(tmp_path / "ledger", cliff=0.3, noise=0.01), runs=4.0)
    found = account_of(worker.study, worker.plan, worker.space, 200)
    write_account(tmp_path, found | {"data": "valley", "folder": str(tmp_path)})
    text = (tmp_path / "search.json").read_text(encoding="utf-8")
    kept = json.loads(text, parse_constant=lambda word: 1 / 0)
    assert kept["winner"] == found["winner"]
    assert {row["name"] for row in kept["space"]} == {p.name for p in SPACE.parameters}
    ended = [row for row in kept["trials"] if row["state"] == "ended"]
    assert ended
    assert {row["ended_as"] for row in ended} == {"its loss passed 3 times its first"}
    for row in kept["trials"]:
        assert set(row["times"]) == set(row["curve"])
        assert list(row["times"].values()) == sorted(row["times"].values())
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert drawn_again(tmp_path) == page


def test_a_search_that_was_killed_is_drawn_from_its_study(tmp_path):
    """No search.json: that is what kill -9 leaves."""
    study = Study(str(tmp_path / "study.journal"), STUDY_NAME)
    plan = make_plan(27, 4.0, noisy=False, seed=0)
    study.begin(plan, SPACE, sobol_points(SPACE, plan.starts, 0), {"data": "some print"})
    page = drawn_again(tmp_path)
    assert "there is no winner" in page
    assert f"{plan.starts} trials" in page
    assert json.loads((tmp_path / "search.json").read_text())["winner"] is None


class Impatient(Deaf):
    """Stops the search after its third trial, as Ctrl-C does."""

    def left(self, trial, tried, parts_left):
        if sum(bool(t.curve) for t in tried) == 3:
            raise KeyboardInterrupt


ASKED = Recipe(
    model="mlp", width=16, precision="fp32", memory_format="contiguous", device="cpu", threads=1
)


def test_an_interrupted_search_leaves_the_page_of_what_was_known(tmp_path):
    wanted = Search("digits", ASKED, 60.0, "lr=1e-4..1", str(tmp_path / "out"))
    with pytest.raises(KeyboardInterrupt):
        search(wanted, listener=Impatient())
    found = json.loads((tmp_path / "out" / "search.json").read_text(encoding="utf-8"))
    assert sum(bool(row["curve"]) for row in found["trials"]) == 3
    assert "full_run" not in found
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "The same command, given again, goes on with it." in page


def test_a_study_that_went_on_after_the_account_was_written_is_what_is_drawn(tmp_path):
    worker = searched(tmp_path, Valley(tmp_path / "ledger"), runs=2.0)
    early = {"data": "valley", "pictures": 77, "trials": [], "winner": None}
    write_account(tmp_path, early)
    journal = tmp_path / "study.journal"
    os.utime(tmp_path / "search.json", (journal.stat().st_mtime - 60,) * 2)
    place = Study(str(journal), STUDY_NAME)
    space, plan = worker.space, worker.plan
    place.begin(plan, space, sobol_points(space, plan.starts, 0), {"data": "some print"})
    page = drawn_again(tmp_path)
    assert f"{plan.starts} trials" in page
    kept = json.loads((tmp_path / "search.json").read_text(encoding="utf-8"))
    assert (kept["data"], kept["pictures"]) == ("valley", 77)
