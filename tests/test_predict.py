"""Prediction from model.onnx: answers, broken files, wrong models, and no torch."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnx.helper
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import nn

from steadygrad import predict
from steadygrad.errors import InputError
from steadygrad.export import export
from steadygrad.images.resize import working_square
from steadygrad.models import Classifier
from steadygrad.predict import Prediction, Predictor, find_model, picture_files
from steadygrad.preprocess import Preprocess

CLASSES = ("red", "green", "blue")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """Says which colour channel is strongest: mean of the pixels, times ten."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3, bias=False))
    with torch.no_grad():
        network[2].weight.copy_(torch.eye(3) * 10)
    pixels = np.zeros((1, 8, 8, 3), np.uint8)
    preprocess = Preprocess.fit("channel-mean", pixels)
    return Classifier(preprocess, network, CLASSES, 8, 3, "crop", {})


@pytest.fixture(scope="module")
def model(classifier, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "model.onnx"
    export(classifier, path)
    return path


def write(path, colour: tuple[int, int, int], size: tuple[int, int] = (20, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    """A folder as people have it: colours, sizes, hidden files, rubbish."""
    write(tmp_path / "a" / "red.png", (200, 10, 10))
    write(tmp_path / "a" / "deeper" / "green.jpg", (10, 180, 20), (333, 250))
    write(tmp_path / "a" / "picture 10.png", (0, 0, 255))
    write(tmp_path / "a" / "picture 9.png", (0, 0, 255), (10, 20))
    write(tmp_path / "a" / ".hidden.png", (0, 0, 255))
    write(tmp_path / "a" / ".cache" / "thumb.png", (0, 0, 255))
    (tmp_path / "a" / "broken.jpg").write_bytes(b"\xff\xd8\xff rubbish")
    (tmp_path / "a" / "notes.txt").write_text("not a picture")
    return tmp_path / "a"


def by_name(predictions) -> dict[str, Prediction]:
    return {prediction.path.rsplit("/", 1)[-1]: prediction for prediction in predictions}


def test_folders_are_walked_and_broken_files_reported(model, photos):
    found = by_name(Predictor(model).classify([photos], top_k=2))
    assert set(found) == {
        "red.png", "green.jpg", "picture 9.png", "picture 10.png", "broken.jpg"
    }  # fmt: skip
    assert found["red.png"].classes[0] == "red"
    assert found["green.jpg"].classes[0] == "green"
    assert found["picture 9.png"].classes[0] == "blue"
    assert len(found["red.png"].classes) == len(found["red.png"].probabilities) == 2
    assert found["red.png"].error is None
    assert found["broken.jpg"].error
    assert found["broken.jpg"].classes == ()


def test_answers_come_in_the_order_given_and_folders_in_natural_order(model, photos):
    files = [photos / "red.png", photos / "missing.png", photos, photos / "notes.txt"]
    paths = [prediction.path for prediction in Predictor(model).classify(files)]
    assert paths[:2] == [str(photos / "red.png"), str(photos / "missing.png")]
    assert paths[-1] == str(photos / "notes.txt")
    inside = [str(path) for path in picture_files([photos])]
    assert paths[2:-1] == inside
    assert inside.index(str(photos / "picture 9.png")) < inside.index(
        str(photos / "picture 10.png")
    )


def test_missing_files_and_text_files_are_reported_not_raised(model, photos):
    missing, text = Predictor(model).classify([photos / "missing.png", photos / "notes.txt"])
    assert "no such file" in str(missing.error)
    assert "not a picture" in str(text.error)


def test_top_k_is_sorted_and_at_most_the_number_of_classes(model, photos):
    (answer,) = Predictor(model).classify([photos / "red.png"], top_k=99)
    assert sorted(answer.classes) == sorted(CLASSES)
    assert list(answer.probabilities) == sorted(answer.probabilities, reverse=True)
    assert sum(answer.probabilities) == pytest.approx(1, abs=1e-6)
    (answer,) = Predictor(model).classify([photos / "red.png"], top_k=0)
    assert answer.classes == ("red",)


def test_more_files_than_fit_in_one_go_each_get_their_own_answer(model, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "_FILES_AT_ONCE", 7)
    monkeypatch.setattr(predict, "_BYTES_AT_ONCE", 2000)
    wanted = []
    for index in range(40):
        colour = [0, 0, 0]
        colour[index % 3] = 250
        size = (10 + index % 2, 12)
        wanted.append((write(tmp_path / f"{index}.png", tuple(colour), size), CLASSES[index % 3]))
    answers = Predictor(model, threads=2).classify(path for path, _ in wanted)
    given = [(answer.path, answer.classes[0]) for answer in answers]
    assert given == [(str(path), name) for path, name in wanted]


def test_the_same_answer_as_training_on_a_photo_decoded_at_a_fraction(model, classifier, tmp_path):
    photo = load_sample_images().images[1]
    Image.fromarray(photo).save(tmp_path / "flower.jpg", quality=95)
    predictor = Predictor(model)
    pixels = predictor.decode(tmp_path / "flower.jpg")
    assert pixels.shape[0] < photo.shape[0]
    square = torch.from_numpy(working_square(pixels, 8, 3, "crop")).permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = torch.softmax(classifier(square), dim=1)[0].numpy()
    (answer,) = predictor.classify([tmp_path / "flower.jpg"])
    given = dict(zip(answer.classes, answer.probabilities))
    np.testing.assert_allclose([given[name] for name in CLASSES], expected, atol=1e-5)


def test_arrays_are_answered_and_wrong_ones_refused(model):
    predictor = Predictor(model)
    pixels = np.zeros((2, 5, 6, 3), np.uint8)
    pixels[0, ..., 2] = 255
    assert predictor.probabilities(pixels)[0].argmax() == 2
    assert predictor.probabilities(pixels[:0]).shape == (0, 3)
    assert predictor.answer([]).shape == (0, 3)
    for wrong in (pixels.astype(np.float32) / 255, pixels[0], pixels.transpose(0, 3, 1, 2)):
        with pytest.raises(InputError, match=r"uint8 pixels \(N, H, W, 3\)"):
            predictor.probabilities(wrong)


def test_a_run_folder_stands_for_its_model(model):
    assert find_model(model.parent) == model
    assert Predictor(model.parent).classes == CLASSES


def test_missing_models_are_refused(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        Predictor(tmp_path / "model.onnx")
    with pytest.raises(InputError, match=r"no model.onnx in .* `steadygrad export"):
        Predictor(tmp_path)


def test_files_that_are_no_model_are_refused(tmp_path):
    for content in (b"", b"\xff\xd8\xff\xe0 a picture", b"x" * 5000):
        path = tmp_path / "model.onnx"
        path.write_bytes(content)
        with pytest.raises(InputError, match="no ONNX model"):
            Predictor(path)


def test_a_model_cut_short_is_refused(model, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(model.read_bytes()[:-500])
    with pytest.raises(InputError, match=r"no ONNX model|Steadygrad did not"):
        Predictor(path)


@pytest.mark.parametrize("damage", ["missing", "no json", "no number"])
def test_models_of_others_and_damaged_metadata_are_refused(model, tmp_path, damage):
    loaded = onnx.load(model)
    entries = {entry.key: entry.value for entry in loaded.metadata_props}
    entries |= {
        "missing": {},
        "no json": {"classes": "red,green"},
        "no number": {"image_size": "?"},
    }[damage]
    if damage == "missing":
        del entries["classes"]
    del loaded.metadata_props[:]
    onnx.helper.set_model_props(loaded, entries)
    onnx.save(loaded, tmp_path / "model.onnx")
    with pytest.raises(InputError, match=r"Steadygrad did not write it|damaged"):
        Predictor(tmp_path / "model.onnx")


def test_no_torch_and_nothing_but_the_model_file_is_needed(model, photos, tmp_path):
    shutil.copy(model, tmp_path / "deployed.onnx")
    code = (
        "import sys; from steadygrad.predict import Predictor\n"
        "predictor = Predictor(sys.argv[1])\n"
        "print(next(predictor.classify([sys.argv[2]])).classes[0])\n"
        "print(sorted({'torch', 'matplotlib', 'sklearn', 'onnx'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, tmp_path / "deployed.onnx", photos / "red.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["red", "[]"]
    assert done.stderr == ""
