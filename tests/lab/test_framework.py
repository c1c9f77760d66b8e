import json

import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from steadygrad.cli.lab import command
from steadygrad.errors import InputError
from steadygrad.lab import EXPERIMENTS, drawing
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
    gallery.add(run_experiment(TOY))
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
    assert "--height" in done.output
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
