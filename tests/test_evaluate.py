import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from steadygrad.errors import InputError
from steadygrad.evaluate import calibration_bins, evaluate, score, wilson_interval
from training_helpers import Digits, SmallClassifier


@pytest.fixture(scope="module")
def digits():
    return Digits(512, 812)


def test_numbers_agree_with_scikit_learn_and_with_loops(digits):
    classifier = SmallClassifier(digits)
    found = evaluate(classifier, digits, batch_size=77)
    classifier.eval()
    with torch.no_grad():
        pixels = torch.from_numpy(digits.pixels).permute(0, 3, 1, 2)
        logits = classifier(pixels).double()
    expected = -logits.log_softmax(dim=1)[range(300), digits.labels].mean()
    assert found.loss == pytest.approx(float(expected), rel=1e-5)
    predictions = logits.argmax(dim=1).numpy()
    assert np.array_equal(found.predictions, predictions)
    assert found.accuracy == (predictions == digits.labels).mean()
    assert np.array_equal(found.confusion, confusion_matrix(digits.labels, predictions))
    recall = recall_score(digits.labels, predictions, average=None)
    assert found.recall == pytest.approx(recall)
    given_answers = found.confusion.sum(axis=0) > 0
    precision = precision_score(digits.labels, predictions, average=None, zero_division=0)
    assert found.precision[given_answers] == pytest.approx(precision[given_answers])
    assert np.isnan(found.precision[~given_answers]).all()
    assert found.probabilities.dtype == np.float32
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(300), abs=1e-5)


def test_nothing_changes_in_the_classifier_or_the_generators(digits):
    classifier = SmallClassifier(digits).train()
    classifier.network.body[4].eval()
    flags = [module.training for module in classifier.modules()]
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    random_state = torch.get_rng_state()
    evaluate(classifier, digits)
    assert [module.training for module in classifier.modules()] == flags
    assert torch.equal(torch.get_rng_state(), random_state)
    for name, tensor in classifier.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_the_batch_size_does_not_matter(digits):
    classifier = SmallClassifier(digits)
    one, other = evaluate(classifier, digits, 300), evaluate(classifier, digits, 7)
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)


def test_bf16_is_close(digits):
    classifier = SmallClassifier(digits)
    exact, fast = evaluate(classifier, digits), evaluate(classifier, digits, precision="bf16")
    assert np.abs(exact.probabilities - fast.probabilities).max() < 0.02
    assert not np.array_equal(exact.probabilities, fast.probabilities)


def test_a_class_without_pictures_has_no_recall():
    logits = torch.tensor([[5.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 5.0, 0.0]])
    found = score(logits, np.array([0, 0, 1]))
    assert found.recall[:2].tolist() == [0.5, 1.0]
    assert math.isnan(found.recall[2])
    assert math.isnan(found.precision[2])
    assert found.balanced_accuracy == 0.75


def test_calibration_written_out():
    confidences = np.array([0.95, 0.9, 0.55, 0.52, 1.0, 0.5])
    right = np.array([True, False, True, False, True, True])
    rows = calibration_bins(confidences, right, num_bins=10)
    assert [row["count"] for row in rows] == [0, 0, 0, 0, 1, 2, 0, 0, 1, 2]
    assert rows[5]["accuracy"] == 0.5
    assert rows[5]["confidence"] == pytest.approx(0.535)
    assert rows[9]["accuracy"] == 1.0
    assert math.isnan(rows[0]["accuracy"])


def test_expected_calibration_error_of_a_bluffer_and_of_an_honest_guesser():
    bluff = torch.tensor([[20.0, 0.0]] * 10)
    assert score(bluff, np.array([0] * 5 + [1] * 5)).expected_calibration_error == pytest.approx(
        0.5
    )
    guess = torch.tensor([[math.log(0.7), math.log(0.3)]] * 10)
    honest = score(guess, np.array([0] * 7 + [1] * 3))
    assert honest.expected_calibration_error == pytest.approx(0.0, abs=1e-6)


@given(st.integers(1, 5000), st.floats(0, 1))
def test_wilson_solves_its_equation(num_images, share):
    """Its ends are where |observed - true| is 1.96 standard errors of the TRUE rate."""
    num_right = round(share * num_images)
    low, high = wilson_interval(num_right, num_images)
    rate = num_right / num_images
    assert 0.0 <= low <= rate + 1e-12
    assert rate - 1e-12 <= high <= 1.0
    for end in (low, high):
        if 1e-12 < end < 1 - 1e-12:
            error = math.sqrt(end * (1 - end) / num_images)
            assert abs(rate - end) == pytest.approx(1.959964 * error, rel=1e-6)


def test_no_pictures_or_foreign_labels_are_told(digits):
    with pytest.raises(InputError, match="no picture"):
        evaluate(SmallClassifier(digits), Digits(0, 0))
    with pytest.raises(InputError, match="classes 0 to 1"):
        score(torch.zeros(1, 2), np.array([2]))


def test_the_summary_is_plain_json(digits):
    values = evaluate(SmallClassifier(digits), digits).to_dict()
    read = json.loads(json.dumps(values))
    assert read["num_images"] == 300
    assert len(read["recall"]) == 10
    assert len(read["calibration"]) == 15
    assert read["accuracy_interval"][0] < read["accuracy"] < read["accuracy_interval"][1]
