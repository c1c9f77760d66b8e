import pytest

from steadygrad.lab import preprocessing
from steadygrad.lab.framework import run_experiment
from steadygrad.preprocess import Preprocess

SMALL = {"data": "digits", "num_pictures": 700}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_verdicts_hold(seed):
    assert (
        run_experiment(preprocessing.EXPERIMENT, {**SMALL, "seed": seed}, quick=True).failed == []
    )


def test_statistics_of_others_fail(monkeypatch):
    class Stale:
        @staticmethod
        def fit(name, pixels):
            return Preprocess.fit(name, pixels[:40] // 2)

    monkeypatch.setattr(preprocessing, "Preprocess", Stale)
    failed = {v.text for v in run_experiment(preprocessing.EXPERIMENT, SMALL, quick=True).failed}
    assert "mean-image: largest mean of a pixel" in failed
    assert "minmax: largest value" in failed
    assert "pca: largest covariance over largest variance" in failed
