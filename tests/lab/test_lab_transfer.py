import numpy as np
import pytest

from steadygrad.lab import transfer as experiment
from steadygrad.lab import transfer_runs as runs
from steadygrad.lab.framework import run_experiment
from steadygrad.lab.short_runs import load_study


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_verdicts_hold(seed):
    finished = run_experiment(experiment.EXPERIMENT, {"seed": seed}, quick=True)
    assert finished.failed == []
    assert set(finished.result.figures) == {"accuracy"}


def made_up(curves, *, wrong_loss=0.6, own_accuracy=0.9):
    """What would be measured had every way learned along its curve."""
    own_set: dict[str, tuple[float, float]] = dict.fromkeys(runs.WAYS, (wrong_loss, 0.8))
    own_set[runs.OWN] = (0.3, own_accuracy)
    accuracies = {way: np.asarray([curve, curve]) for way, curve in curves.items()}
    return runs.Measured(own_set, (5, 20, 80), accuracies)


GOOD = {
    runs.OWN: (0.5, 0.8, 0.9),
    runs.RAW: (0.1, 0.1, 0.1),
    runs.UNCENTRED: (0.3, 0.6, 0.9),
    runs.SCRATCH: (0.2, 0.5, 0.9),
}


def failed(found):
    return [verdict.text for verdict in experiment.judge(found) if not verdict.holds]


def test_swapped_ways_and_a_backbone_that_learned_little_are_told():
    assert failed(made_up(GOOD)) == []
    swapped = {**GOOD, runs.OWN: GOOD[runs.SCRATCH], runs.SCRATCH: GOOD[runs.OWN]}
    assert any(text.startswith("Updates to reach") for text in failed(made_up(swapped)))
    never = {**GOOD, runs.OWN: (0.1, 0.1, 0.1)}
    for claim in ("Updates to reach", "After 80", "Reused: gain of its own preprocessing on raw"):
        assert any(text.startswith(claim) for text in failed(made_up(never)))
    assert failed(made_up(GOOD, own_accuracy=0.5))[0].startswith("The backbone has learned")
    alike = failed(made_up(GOOD, wrong_loss=0.3))
    assert len(alike) == 2
    assert all(text.startswith("The backbone itself") for text in alike)


def test_updates_are_read_off_between_two():
    found = made_up(GOOD)
    assert found.updates_to_reach(runs.OWN, 0.4) == 5
    assert found.updates_to_reach(runs.SCRATCH, 0.35) == pytest.approx(10)
    assert np.isnan(found.updates_to_reach(runs.RAW, 0.5))


def test_every_way_is_scored_after_every_number_of_updates():
    values = {"backbone_updates": 20, "draws": 2, "per_class": 3, "pictures": 300}
    _, found = runs.measure(values, (1, 3), 0)
    for way in runs.WAYS:
        assert found.accuracies[way].shape == (2, 2)
        assert ((found.accuracies[way] >= 0) & (found.accuracies[way] <= 1)).all()
    assert set(found.own_set) == {runs.OWN, runs.RAW, runs.UNCENTRED}
    # Scaling by 255 changes the probabilities, and the order of the classes through biases alone.
    assert found.own_set[runs.RAW][0] > found.own_set[runs.OWN][0]


def test_numbers_that_broke_count_as_guessing():
    few = runs.few_of(runs.choose_pair(300, 0).target, 3, 0)
    recipe = runs.base_recipe(0).replace(lr=1e9)
    start = runs.new_classifier(few, recipe)
    assert runs.learn(start, few, recipe, (10, 20)) == [1 / len(few.classes)] * 2


def test_classes_are_parted_and_few_are_few():
    study = load_study("digits", num_train=500, num_val=100)
    last = runs.only_classes(study, range(5, 10))
    assert last.classes == ("5", "6", "7", "8", "9")
    few = runs.few_of(last, 3, 0)
    assert few.train.class_counts().tolist() == [3] * 5
    original = study.train.labels[few.train.indices]
    assert (few.train.labels_of(np.arange(15)) == original - 5).all()
