import dataclasses
import json

import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from steadygrad.cli.lab import command
from steadygrad.errors import InputError
from steadygrad.lab import EXPERIMENTS, SECONDS, drawing
from steadygrad.lab.framework import (
    Experiment,
    Option,
    Result,
    at_least,
    at_most,
    between,
    near,
    numbers,
    options_of,
    run_experiment,
    values_for,
)
from steadygrad.lab.gallery import Gallery
from steadygrad.lab.pictures import load_pictures
from steadygrad.lab.text import described
from steadygrad.lab.verdicts import tables_of


def toy(values):
    figure, axes = drawing.figure(caption="A <line>")
    axes[0, 0].plot([0, values["height"]])
    drawing.label(axes[0, 0], "x (m)", "y (m)")
    rows = [{"height": values["height"], "std": 0.5}]
    verdict = near("height is 1", values["height"], 1.0, relative=0.1, why="drawn by hand")
    return Result(rows, {"line": figure}, [verdict], "A line & no more.")


TOY = Experiment(
    name="toy",
    title="A toy",
    claim="The height is one.",
    explanation="Nothing.",
    source="none",
    options=(
        Option("height", 1.0, 1.05, "Height in metres."),
        Option("kind", "straight", None, "Kind of line.", str, ("straight", "bent")),
    ),
    run=toy,
)


OTHER = dataclasses.replace(TOY, name="other", title="Another toy")


def raising(values):
    raise ZeroDivisionError(f"height {values['height']} <b>")


BROKEN = dataclasses.replace(TOY, name="broken", title="A broken toy", run=raising)


@pytest.fixture
def three(monkeypatch):
    table = {each.name: each for each in (BROKEN, TOY, OTHER)}
    monkeypatch.setattr("steadygrad.cli.lab._experiments", lambda: table)


def lab(*words):
    return CliRunner().invoke(command, [str(word) for word in words], standalone_mode=False)


@pytest.fixture
def only_toy(monkeypatch):
    monkeypatch.setattr("steadygrad.cli.lab._experiments", lambda: {"toy": TOY})


def test_values_come_from_what_was_given_then_quick_then_default():
    assert values_for(TOY)["height"] == 1.0
    assert values_for(TOY, quick=True)["height"] == 1.05
    assert values_for(TOY, {"height": 2.0}, quick=True) == {
        "height": 2.0,
        "kind": "straight",
        "seed": 0,
    }
    with pytest.raises(InputError, match="no option 'hight'"):
        values_for(TOY, {"hight": 2.0})
    with pytest.raises(InputError, match="straight, bent"):
        values_for(TOY, {"kind": "crooked"})


def test_a_verdict_that_fails_is_named():
    assert run_experiment(TOY).failed == []
    finished = run_experiment(TOY, {"height": 1.2})
    assert [verdict.text for verdict in finished.failed] == ["height is 1"]
    assert "✗ height is 1: 1.2, expected 1 (±10 %: drawn by hand)" in described(finished)


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(0, 3))
def test_near_holds_within_the_tolerance_only(measured, expected, absolute):
    verdict = near("x", measured, expected, absolute=absolute, why="w")
    assert verdict.holds == (abs(measured - expected) <= absolute)


def test_a_nan_never_holds():
    nan = float("nan")
    for verdict in (
        near("x", nan, 1.0, absolute=1e9, why=""),
        at_least("x", nan, 0),
        at_most("x", nan, 0),
        between("x", nan, 0, 1),
    ):
        assert not verdict.holds


def test_gallery_holds_every_experiment_with_its_figures(tmp_path):
    gallery = Gallery(tmp_path / "g")
    gallery.add(run_experiment(OTHER))
    gallery.add(run_experiment(TOY, {"height": 3.0}))
    page = gallery.page.read_text(encoding="utf-8")
    assert "1 of 2 verdicts hold" in page
    assert "A &lt;line&gt;" in page
    assert "A line &amp; no more." in page
    assert "steadygrad lab toy --height 3" in page
    assert (tmp_path / "g/figures/toy-line.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (tmp_path / "g/figures/toy-line.svg").read_text(encoding="utf-8")


def test_figures_are_1200_pixels_wide(tmp_path):
    from PIL import Image

    gallery = Gallery(tmp_path)
    gallery.add(run_experiment(TOY))
    assert Image.open(tmp_path / "figures/toy-line.png").width == 1200


def test_command_runs_one_with_its_own_options(only_toy, tmp_path):
    path = tmp_path / "out.json"
    done = CliRunner().invoke(
        command,
        ["toy", "--height", "1.5", "--out", str(tmp_path / "g"), "--json", str(path)],
        standalone_mode=False,
    )
    assert done.return_value == 1
    assert "Does not hold: toy: ✗ height is 1" in done.output
    found = json.loads(path.read_text(encoding="utf-8"))["experiments"][0]
    assert (found["holds"], found["values"]["height"]) == (False, 1.5)
    assert (tmp_path / "g/index.html").is_file()


def test_command_exit_status_is_0_where_all_holds(only_toy):
    done = CliRunner().invoke(command, ["--all", "--quick"], standalone_mode=False)
    assert done.return_value == 0
    assert "1 of 1 verdicts hold" in done.output


@pytest.mark.parametrize(("variable", "most"), [("", 2), ("3", 3)])
def test_command_takes_two_threads_unless_told(only_toy, monkeypatch, variable, most):
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    torch.set_num_threads(3)  # as torch would have begun
    try:
        CliRunner().invoke(command, ["toy"], standalone_mode=False)
        assert torch.get_num_threads() <= most
        assert (torch.get_num_threads() == 3) == (variable == "3")
    finally:
        torch.set_num_threads(before)


def test_command_help_shows_the_experiments_options(only_toy):
    done = CliRunner().invoke(command, ["toy", "--help"])
    assert "Options of toy:\n  --height" in done.output
    assert "toy: The height is one." in done.output
    assert "--height" not in CliRunner().invoke(command, ["--help"]).output


def test_a_mistyped_name_is_an_input_error(only_toy):
    done = CliRunner().invoke(command, ["tyo", "--height", "2"], standalone_mode=False)
    assert isinstance(done.exception, InputError)
    assert "Did you mean 'toy'" in str(done.exception)


def test_experiments_say_all_there_is_to_say():
    names = [experiment.name for experiment in EXPERIMENTS]
    assert len(set(names)) == len(names)
    for experiment in EXPERIMENTS:
        assert experiment.claim.endswith(".")
        assert len(experiment.explanation) > 200
        assert experiment.source
        own = [option.name for option in options_of(experiment)]
        assert len(set(own)) == len(own)
        assert all(option.help for option in experiment.options)
        values_for(experiment, quick=True)


def test_pictures_are_split_the_same_whatever_the_seed(monkeypatch):
    monkeypatch.delenv("STEADYGRAD_DATA", raising=False)
    first = load_pictures(num_train=2000, num_test=2000, seed=0)
    second = load_pictures(num_train=2000, num_test=2000, seed=1)
    assert first.name == "digits"
    assert (len(first.train), len(first.test)) == (1438, 359)
    assert (first.train[:20] != second.train[:20]).any()
    rows = {image.tobytes() for image in first.test}
    assert rows == {image.tobytes() for image in second.test}


def test_numbers_are_read_with_commas_between():
    assert numbers("1e-3, 2") == (0.001, 2.0)


def test_the_gallery_keeps_what_it_held_and_replaces_what_ran_again(tmp_path):
    first = Gallery(tmp_path)
    first.add(run_experiment(OTHER))
    first.add(run_experiment(TOY))
    (tmp_path / "results/torn.json").write_text('{"name": "torn"', encoding="utf-8")
    second = Gallery(tmp_path, [TOY])
    second.add(run_experiment(TOY, {"height": 3.0}))
    page = second.page.read_text(encoding="utf-8")
    assert "1 of 2 verdicts hold" in page
    assert "Another toy" in page
    assert "--height 3" in page
    assert page.count('id="toy"') == 1
    assert "torn" not in page


def test_figures_of_an_earlier_run_go_when_it_runs_again(tmp_path):
    gallery = Gallery(tmp_path)
    before = run_experiment(TOY)
    before.result.figures["second"] = before.result.figures["line"]
    gallery.add(before)
    assert (tmp_path / "figures/toy-second.svg").is_file()
    gallery.add(run_experiment(TOY))
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "toy-line.png",
        "toy-line.svg",
    ]


def test_the_page_names_what_is_still_to_come(tmp_path):
    gallery = Gallery(tmp_path, [TOY, OTHER])
    assert "Another toy (not run yet)" in gallery.page.read_text(encoding="utf-8")
    gallery.add(run_experiment(TOY))
    page = gallery.page.read_text(encoding="utf-8")
    assert "A toy (not run yet)" not in page
    assert "Another toy (not run yet)" in page


def test_a_folder_that_is_somebody_elses_is_refused(tmp_path):
    (tmp_path / "index.html").write_text("<p>My site</p>", encoding="utf-8")
    with pytest.raises(InputError, match=r"no gallery of the lab"):
        Gallery(tmp_path)
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == "<p>My site</p>"
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="can't be written"):
        Gallery(tmp_path / "file")


def test_a_folder_that_takes_no_files_is_refused_before_anything_runs(three, tmp_path, monkeypatch):
    def full(path, text):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("steadygrad.lab.gallery.write_text", full)
    done = lab("broken", "--out", tmp_path)
    assert isinstance(done.exception, InputError)
    assert "can't be written: Permission denied" in str(done.exception)


def test_one_that_fails_is_marked_and_the_others_run(three, tmp_path):
    done = lab("--all", "--out", tmp_path / "g", "--json", tmp_path / "out.json")
    assert done.return_value == 1
    assert "Failed: broken: ZeroDivisionError: height 1.0 <b> (test_framework.py, line" in (
        done.output
    )
    assert "2 of 2 verdicts hold" in done.output
    page = (tmp_path / "g/index.html").read_text(encoding="utf-8")
    assert "1 of 3 experiments failed to run" in page
    assert "ZeroDivisionError: height 1.0 &lt;b&gt;" in page
    assert "Another toy" in page
    rows = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["experiments"]
    assert [(row["name"], row["holds"]) for row in rows] == [
        ("broken", False),
        ("toy", True),
        ("other", True),
    ]


def test_ctrl_c_keeps_what_is_done_and_resume_goes_on(three, tmp_path, monkeypatch):
    calls = []

    def interrupted(values):
        calls.append("other")
        if len(calls) == 1:
            raise KeyboardInterrupt
        return toy(values)

    def counted(values):
        calls.append("toy")
        return toy(values)

    table = {
        "toy": TOY,
        "other": dataclasses.replace(OTHER, run=interrupted),
    }
    monkeypatch.setattr("steadygrad.cli.lab._experiments", lambda: table)
    done = lab("--all", "--out", tmp_path / "g", "--json", tmp_path / "out.json")
    assert done.return_value == 130
    assert "Interrupted in other, after 1 of 2 experiments" in done.output
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert found["interrupted"] == "other"
    assert [row["name"] for row in found["experiments"]] == ["toy"]
    page = (tmp_path / "g/index.html").read_text(encoding="utf-8")
    assert 'id="toy"' in page
    assert "Another toy (not run yet)" in page

    table["toy"] = dataclasses.replace(TOY, run=counted)
    done = lab("--all", "--out", tmp_path / "g", "--resume")
    assert done.return_value == 0
    assert calls == ["other", "other"]  # the toy was not run again
    assert "2 of 2 verdicts hold" in done.output
    assert "not run yet" not in (tmp_path / "g/index.html").read_text(encoding="utf-8")
    lab("toy", "--height", "1.01", "--out", tmp_path / "g", "--resume")
    assert calls[-1] == "toy"  # other values: not what the folder holds


def test_names_may_be_cut_short_where_one_begins_so(three):
    assert lab("to", "--height", "1.01").return_value == 0
    assert "Did you mean 'toy'" in str(lab("oty").exception)


def test_a_word_of_a_name_is_enough_to_be_meant(monkeypatch):
    table = {"toy-through-depth": dataclasses.replace(TOY, name="toy-through-depth")}
    monkeypatch.setattr("steadygrad.cli.lab._experiments", lambda: table)
    assert "Did you mean 'toy-through-depth'" in str(lab("tpy").exception)


def test_a_beginning_of_several_names_them(three, monkeypatch):
    table = {"toy": TOY, "toys": dataclasses.replace(TOY, name="toys")}
    monkeypatch.setattr("steadygrad.cli.lab._experiments", lambda: table)
    assert "toy, toys" in str(lab("to").exception)
    assert lab("toy").return_value == 0


def test_one_that_runs_again_keeps_its_place_on_the_page(three, tmp_path):
    lab("toy", "other", "--out", tmp_path)
    lab("other", "--out", tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.index('id="toy"') < page.index('id="other"')


def test_an_options_value_is_no_name(three, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert lab("--out", "other", "toy", "--height", "1.01").return_value == 0
    assert lab("toy", "--out=other", "--quick", "--kind", "bent").return_value == 0
    assert (tmp_path / "other/index.html").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("toy", "other", "--height", "2"), "--height is an option of one experiment"),
        (("--all", "--height", "2"), "--height is an option of one experiment"),
        (("toy", "--seed", "-1"), "--seed is -1; expected 0 or more"),
        (("toy", "--height", "nan"), "--height is nan; expected a finite number"),
        (("--all", "toy"), "Both --all and a name"),
        (("--resume", "toy"), "--resume was given without --out"),
        (("--quick",), "No experiment was named"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(three, words, said):
    done = lab(*words)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)


def test_a_bad_number_is_refused_by_its_options_bounds():
    Option("rates", (0.1,), None, "Rates.", numbers, least=0.0).check((0.0, 2.0))
    for option, value, said in (
        (Option("depth", 3, None, "Depth.", int), 0, "--depth is 0; expected 1 or more"),
        (Option("rates", (0.1,), None, "R.", numbers, least=0.0), (1.0, -1.0), "is 1,-1"),
        (Option("rates", (0.1,), None, "R.", numbers), (), "--rates is empty"),
        (Option("lr", 0.1, None, "R.", least=1e-9), float("inf"), "1e-09 or more"),
    ):
        with pytest.raises(InputError, match=said):
            option.check(value)


def test_rows_of_another_kind_make_another_table():
    rows = [{"a": 1, "b": 2}, {"a": 1}, {"a": 1, "c": 3, "d": 4}, {"a": 2, "c": 3, "d": 4}]
    assert [len(some) for some in tables_of(rows)] == [2, 2]


def test_typical_times_are_of_experiments_that_exist():
    known = {experiment.name for experiment in EXPERIMENTS}
    assert set(SECONDS) <= known
    assert all(0 < quick <= full for quick, full in SECONDS.values())


def test_times_are_told_before_and_while_it_runs(three, monkeypatch, tmp_path):
    monkeypatch.setattr("steadygrad.lab.SECONDS", {"toy": (30, 60), "other": (60, 120)})
    told = lab("toy", "other", "--quick").output
    assert "1 of 2, toy: about 30 s, 1 min 30 s to the end of all" in told
    assert "2 of 2, other: about 2" in told  # the toy took no time: the rest is thought shorter
    assert "1 of 3, broken\n" in lab("--all").output  # nobody knows how long that one takes
    listed = lab().output
    assert "(1 min 0 s; --quick 30 s)" in listed
    assert "All of them on one core: about 3 min 0 s; --quick 1 min 30 s." in listed


def test_what_no_picture_was_kept_for_is_not_told(monkeypatch):
    monkeypatch.delenv("STEADYGRAD_DATA", raising=False)
    assert load_pictures(num_train=50, num_test=1).about == (
        "digits (50 pictures to learn from, 8×8)"
    )
    assert "50 pictures to learn from, 9 to score" in load_pictures(num_train=50, num_test=9).about
