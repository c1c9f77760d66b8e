import numpy as np
import pytest

from steadygrad.lab import transfer as experiment
from steadygrad.lab.framework import run_experiment
from steadygrad.lab.short_runs import load_study


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_verdicts_hold(seed):
    finished = run_experiment(experiment.EXPERIMENT, {"seed": seed}, quick=True)
    assert finished.failed == []
    assert set(finished.result.figures) == {"accuracy"}


def test_an_untrained_backbone_and_swapped_ways_are_told():
    pair = experiment.choose_pair(200, 0)
    backbone = experiment.train_backbone(pair.source, 0, 1)
    values = {
        experiment.OWN: 0.5,
        experiment.RAW: 0.6,
        experiment.UNCENTRED: 0.6,
        experiment.SCRATCH: 0.6,
    }
    rows = [
        {"updates": number, "way": way, "draw": 0, experiment.ACCURACY: accuracy}
        for number in (5, 80)
        for way, accuracy in values.items()
    ]
    failed = [v.text for v in experiment.judge(backbone, rows, 5) if not v.holds]
    for claim in ("After 5 updates", "The backbone's own", "and against"):
        assert any(text.startswith(claim) for text in failed)


def test_classes_are_parted_and_few_are_few():
    study = load_study("digits", num_train=500, num_val=100)
    last = experiment.only_classes(study, range(5, 10))
    assert last.classes == ("5", "6", "7", "8", "9")
    few = experiment.few_of(last, 3, 0)
    assert few.train.class_counts().tolist() == [3] * 5
    original = study.train.labels[few.train.indices]
    assert (few.train.labels_of(np.arange(15)) == original - 5).all()
