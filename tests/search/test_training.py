"""Trials of real training, on digits."""

import json
from contextlib import closing

import pytest
import torch
from click.testing import CliRunner

from steadygrad import recipes
from steadygrad.build import build
from steadygrad.checkpoint import path_of
from steadygrad.cli.search import command
from steadygrad.errors import InputError
from steadygrad.images.dataset import load_images
from steadygrad.record import Recipe
from steadygrad.search.budget import Budget
from steadygrad.search.defaults import default_point, default_space
from steadygrad.search.engine import Deaf, Worker
from steadygrad.search.objective import Look, Loss
from steadygrad.search.space import parse_space
from steadygrad.search.stages import make_plan, sobol_points
from steadygrad.search.study import Study
from steadygrad.search.trial import Training
from steadygrad.search.tried import ENDED

ASKED = Recipe(
    model="mlp", width=16, precision="fp32", memory_format="contiguous", device="cpu", threads=1
)


@pytest.fixture(scope="module")
def training():
    torch.set_num_threads(1)
    return Training(load_images("digits"), ASKED, 3, frozenset({1, 3, 9, 27}))


def weights(folder):
    return path_of(folder).read_bytes()


def looks(training, fields, stop, folder):
    with closing(training.train(fields, 0, stop, folder)) as reports:
        return [report for report in reports if isinstance(report, Look)]


def test_a_trial_paused_twice_ends_bit_for_bit_as_one_that_was_not(training, tmp_path):
    fields = {"lr": 0.03, "dropout": 0.2, "optimizer": "adamw"}
    straight = looks(training, fields, 27, tmp_path / "straight")
    paused = []
    for stop in (1, 9, 27):
        paused += looks(training, fields, stop, tmp_path / "paused")
        assert training.done(tmp_path / "paused") == stop
    assert paused == straight
    assert [look.part for look in paused] == [1, 3, 9, 27]
    assert weights(tmp_path / "paused") == weights(tmp_path / "straight")
    assert looks(training, fields, 27, tmp_path / "paused") == straight[-1:]  # only scored again
    assert weights(tmp_path / "paused") == weights(tmp_path / "straight")


def test_a_paused_trial_has_trained_its_part_and_no_step_more(training, tmp_path):
    steps = [0, 0]
    for place, stop in enumerate((9, 27)):
        with closing(training.train({"lr": 0.03}, 0, stop, tmp_path)) as reports:
            steps[place] = sum(isinstance(report, Loss) for report in reports)
    total = 3 * len(range(0, len(training.images.train), training.recipe({}, 0).batch_size))
    assert sum(steps) in (total, total - 3)  # whole batches only, or not
    assert steps[0] == round(sum(steps) / 3)


def test_an_absurd_rate_ends_at_the_mini_batch_with_its_reason(training, tmp_path):
    space = parse_space("lr=1e5..1e9:log")
    plan = make_plan(27, 0.2, noisy=True, seed=0)
    study = Study(str(tmp_path / "study.journal"), "search")
    study.begin(plan, space, sobol_points(space, plan.starts, 0), {})
    longer = Training(training.images, ASKED, 20, training.looks)
    Worker(study, longer, space, plan, Budget(parts=5), tmp_path, Deaf()).run()
    tried = study.trials()
    assert {trial.state for trial in tried} == {ENDED}
    assert all("in mini-batch" in trial.reason for trial in tried)
    assert all(trial.parts == 0 for trial in tried)


def test_the_rate_goes_along_with_a_searched_batch_size(training):
    usual = training.recipe({}, 0).batch_size
    recipe = training.recipe({"batch_size": 2 * usual, "lr": 0.1}, 0)
    assert recipe.base_batch_size == usual
    assert recipe.batch_size == 2 * usual


def test_many_runs_search_the_network_that_is_chosen_by_itself(training):
    resolved = recipes.resolve(Recipe(), training.images)
    space = default_space(Recipe(), resolved, 100)
    usual = default_point(space, resolved)
    assert space.contains(usual)
    assert {"width", "depth", "norm", "init"} <= set(usual)
    built = build(recipes.resolve(Recipe(**space.fields(usual)), training.images), training.images)
    assert num_weights(built) == num_weights(build(resolved, training.images))
    for shares in sobol_points(space, 8, 0):
        build(recipes.resolve(Recipe(**space.fields(shares)), training.images), training.images)


def num_weights(classifier):
    return sum(weight.numel() for weight in classifier.parameters())


@pytest.mark.parametrize("runs", [2, 10, 40])
def test_the_default_space_holds_the_usual_recipe_and_leaves_what_was_typed(training, runs):
    asked = Recipe(dropout=0.3)
    resolved = training.recipe({}, 0)
    space = default_space(asked, resolved, runs)
    point = default_point(space, resolved)
    assert space.contains(point)
    assert "dropout" not in {parameter.field for parameter in space.parameters}
    assert len(space.parameters) >= 2
    for shares in sobol_points(space, 16, 0):
        training.recipe(space.fields(shares), 0)  # every point is a recipe


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["digits", "--space", "leraning_rate=1..2"], "no field"),
        (["digits", "--space", "lr=0..1:log"], "no logarithm"),
        (["digits", "--budget", "2s"], "expected more than"),
        (["digits", "--patience", "3"], "gives up by itself"),
        (["nowhere-at-all"], "nowhere-at-all"),
        (["digits", "--storage", "nosuchdb://x/y"], "can't be used"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, [*arguments, "--quiet", "--model", "logistic"])
    assert isinstance(done.exception, InputError)
    assert says in str(done.exception)


def test_one_seed_and_one_job_try_the_same_in_the_same_order(training, tmp_path):
    space = parse_space("lr=1e-3..1,dropout=0..0.5")
    found = []
    for name, runs in (("first", 1.5), ("longer", 2.5)):
        plan = make_plan(27, 1.5, noisy=True, seed=7)  # the time budget alone differs
        study = Study(str(tmp_path / f"{name}.journal"), "search")
        study.begin(plan, space, sobol_points(space, plan.starts, 7), {})
        parts = Budget(parts=runs * 27)
        Worker(study, training, space, plan, parts, tmp_path / name, Deaf()).run()
        tried = study.trials()
        found.append([(trial.params, trial.curve) for trial in tried])
    assert [row[0] for row in found[1][: len(found[0])]] == [row[0] for row in found[0]]
    for short, longer in zip(*found):
        assert short[1].items() <= longer[1].items()


@pytest.mark.slow
def test_the_whole_command_keeps_its_budget_and_its_winner_repeats(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ["--model", "mlp", "--width", "16", "--threads", "1", "--epochs", "6"]
    asked = ["digits", "--budget", "60s", "--quiet", "--json", "found.json", *small]
    done = CliRunner().invoke(command, asked)
    assert done.exception is None, done.output
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["seconds"] <= 66
    recipe = json.loads((tmp_path / "runs/search-digits/winner/recipe.json").read_text())
    assert recipe["recipe"]["lr"] == found["values"]["lr"]
    assert found["full_run"]["test"]["accuracy"] > 0.9
