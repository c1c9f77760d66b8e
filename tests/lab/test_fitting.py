import numpy as np
import pytest

from steadygrad.lab import fitting as experiment
from steadygrad.lab import fitting_runs as runs
from steadygrad.lab.framework import run_experiment
from steadygrad.lab.short_runs import load_study
from steadygrad.models.classifier import num_parameters


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_verdicts_hold(seed):
    finished = run_experiment(experiment.EXPERIMENT, {"seed": seed}, quick=True)
    assert finished.failed == []
    assert set(finished.result.figures) == {"capacity", "remedies"}


def test_one_network_under_every_name_is_told():
    study = load_study("digits", num_train=60, num_val=40)
    found = runs.measure([study], 0, 1)
    run = found.held["nothing"]
    same = runs.Measured(
        dict.fromkeys(found.capacity, run),
        dict.fromkeys(found.shapes, run),
        dict.fromkeys(found.depth, run),
        dict.fromkeys(found.held, run),
    )
    failed = [verdict.text for verdict in experiment.judge(same) if not verdict.holds]
    for claim in ("The gap", "and yet", "40 layers", "Early", "Weight decay", "Dropout", "Augm"):
        assert any(text.startswith(claim) for text in failed)


def test_means_are_over_the_draws():
    studies = [load_study("digits", num_train=60, num_val=40, seed=seed) for seed in (0, 1)]
    found = runs.repeat(studies, runs.base_recipe(0, 2))
    assert found.epochs.shape == (2, 4)
    losses = [run.last_val[0] for run in found.runs]
    assert losses[0] != losses[1]
    assert found.last_val[0] == pytest.approx(sum(losses) / 2)
    assert found.epochs[-1, 2] == pytest.approx(sum(losses) / 2)


def test_wrong_labels_are_in_training_alone():
    study = load_study("digits", num_train=400, num_val=100)
    wrong = runs.with_wrong_labels(study, 0)
    everything = np.arange(100)
    assert (wrong.val.labels_of(everything) == study.val.labels_of(everything)).all()
    chosen = np.arange(len(study.train))
    changed = wrong.train.labels_of(chosen) != study.train.labels_of(chosen)
    # Nine of ten labels drawn anew are other ones.
    assert changed.mean() == pytest.approx(0.9 * runs.WRONG_LABELS, abs=0.08)


def test_shortcuts_cost_no_parameters():
    study = load_study("digits", num_train=60, num_val=40)
    counts = {num_parameters(runs.very_deep(study, way)) for way in (True, False)}
    assert len(counts) == 1
