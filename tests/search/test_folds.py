"""K-fold validation: how pictures are dealt, and a trial that runs through its folds."""

from contextlib import closing
from statistics import mean

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from steadygrad.checkpoint import path_of
from steadygrad.cli.search import command
from steadygrad.errors import InputError
from steadygrad.images.dataset import load_images
from steadygrad.record import Recipe
from steadygrad.search.folds import fold_errors, fold_images, folds_text, over_folds
from steadygrad.search.objective import Look
from steadygrad.search.stages import make_plan
from steadygrad.search.trial import Training
from steadygrad.search.tried import Tried

ASKED = Recipe(
    model="logistic", precision="fp32", memory_format="contiguous", batch_size=32, threads=1
)


@pytest.fixture(scope="module")
def images():
    torch.set_num_threads(1)
    return load_images("digits")


@pytest.fixture(scope="module")
def training(images):
    return Training(images, ASKED, 3, frozenset({3, 9, 27}), folds=fold_images(images, 3, 0))


def looks(training, stop, folder):
    with closing(training.train({"lr": 0.1}, 0, stop, folder)) as reports:
        return [report for report in reports if isinstance(report, Look)]


@pytest.mark.parametrize("number", [2, 5, 10])
def test_every_picture_outside_the_test_split_is_judged_by_once(images, number):
    folds = fold_images(images, number, 0)
    pool = np.sort(np.concatenate([images.splits["train"], images.splits["val"]]))
    together = np.sort(np.concatenate([fold.splits["val"] for fold in folds]))
    assert together.tolist() == pool.tolist()
    for fold in folds:
        assert not set(fold.splits["val"]) & set(fold.splits["train"])
        assert len(fold.splits["val"]) + len(fold.splits["train"]) == len(pool)
        assert fold.splits["test"].tolist() == images.splits["test"].tolist()
        wanted = images.subset(pool).class_counts() / number
        assert (abs(fold.val.class_counts() - wanted) <= 1.5).all()  # stratified
    assert np.ptp([len(fold.splits["val"]) for fold in folds]) <= 3


def test_copies_of_a_picture_are_on_one_side(images):
    labels = np.asarray(images.source.labels)
    pool = np.concatenate([images.splits["train"], images.splits["val"]])
    groups = images.audit.groups.copy()
    for label in range(10):  # fifteen pictures of each class are called copies, five by five
        mine = pool[labels[pool] == label][:15]
        groups[mine] = groups[np.repeat(mine[::5], 5)]
    before, images.audit.groups = images.audit.groups, groups
    try:
        for fold in fold_images(images, 4, 0):
            assert not set(groups[fold.splits["val"]]) & set(groups[fold.splits["train"]])
    finally:
        images.audit.groups = before


def test_the_same_seed_deals_the_same_and_another_deals_otherwise(images):
    first, again, other = (fold_images(images, 3, seed)[0].splits["val"] for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize(
    ("number", "says"), [(1, "2 or more"), (-3, "2 or more"), (500, "at most")]
)
def test_numbers_that_cannot_be_are_refused(images, number, says):
    with pytest.raises(InputError, match=says):
        fold_images(images, number, 0)


def test_the_command_refuses_one_fold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, ["digits", "--folds", "1", "--quiet", "--threads", "1"])
    assert isinstance(done.exception, InputError)
    assert "--folds 1 can't be" in str(done.exception)


def test_the_value_is_the_mean_over_the_folds_each_trained_by_itself(training, tmp_path):
    assert training.full == 3 * 27
    found = looks(training, training.full, tmp_path / "all")
    assert [look.part for look in found] == [3, 9, 27, 54, 81]
    alone = []
    for number, fold in enumerate(training.folds):
        single = Training(fold, ASKED, 3, frozenset())
        alone.append(looks(single, 27, tmp_path / f"single-{number}")[-1].value)
    assert found[-1].value == pytest.approx(mean(alone))
    plan = make_plan(27, 9, noisy=False, seed=0, folds=3)
    trial = Tried(0, {}, curve={look.part: look.value for look in found})
    assert fold_errors(trial, plan) == pytest.approx(alone)


def test_a_trial_paused_within_and_between_folds_ends_as_one_that_was_not(training, tmp_path):
    straight = looks(training, 81, tmp_path / "straight")
    paused = []
    for stop in (9, 27, 54, 81):
        paused += looks(training, stop, tmp_path / "paused")
        assert training.done(tmp_path / "paused") == stop
    assert [look.part for look in paused] == [look.part for look in straight]
    assert paused[-1] == straight[-1]
    for fold in range(3):
        files = [path_of(tmp_path / name / f"fold-{fold}") for name in ("straight", "paused")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_part_saved_but_not_scored_is_only_scored(training, tmp_path):
    looks(training, 27, tmp_path)
    (tmp_path / "folds.json").unlink()  # its worker died right there
    assert training.done(tmp_path) == 27
    assert [look.part for look in looks(training, 27, tmp_path)] == [27]


def test_what_the_folds_gave_is_told_with_its_spread():
    plan = make_plan(27, 9, noisy=False, seed=0, folds=3)
    trial = Tried(0, {}, curve={9: 0.5, 27: 0.2, 54: 0.25, 81: 0.25})
    found = over_folds(trial, plan)
    assert found is not None
    assert found["errors"] == pytest.approx([0.2, 0.3, 0.25])
    assert found["spread"] == pytest.approx(0.05)
    text = folds_text(found, 0.31)
    assert "over 3 of 3 folds" in text
    assert "25.0 % on average" in text
    assert "honest figure: 31.0 %" in text
    assert "no test split" in folds_text(found, None)
    assert over_folds(trial, make_plan(27, 9, noisy=False, seed=0)) is None
