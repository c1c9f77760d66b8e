"""model.onnx against the trained model, through onnxruntime, on real photos of odd sizes."""

from __future__ import annotations

import copy
import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import nn

from steadygrad.errors import InputError, SteadygradError
from steadygrad.export import Parity, export, prove
from steadygrad.export.proof import compare
from steadygrad.export.resize_graph import resize_model
from steadygrad.images.resize import working_square, working_squares
from steadygrad.models import MODELS, Classifier, build_network, describe
from steadygrad.nn.activations import ACTIVATIONS, widen
from steadygrad.nn.norms import NORMS
from steadygrad.predict import Predictor
from steadygrad.preprocess import PREPROCESS, Preprocess
from steadygrad.record.recipe import Recipe

CHINA, FLOWER = load_sample_images().images  # two photos, (427, 640, 3) uint8
NUM_CLASSES = 7


def cuts(num: int, height: int, width: int) -> np.ndarray:
    """Pieces of the two photos, (num, height, width, 3) uint8."""
    generator = np.random.default_rng(num)
    pieces = []
    for index in range(num):
        photo = (CHINA, FLOWER)[index % 2]
        top = generator.integers(0, photo.shape[0] - height + 1)
        left = generator.integers(0, photo.shape[1] - width + 1)
        pieces.append(photo[top : top + height, left : left + width])
    return np.stack(pieces)


def odd_pictures(size: int) -> list[np.ndarray]:
    """Enlarged, exact, doubled, uneven, extreme: (H, W, 3) each."""
    shapes = (
        (1, 1),
        (size, size),
        (2 * size, size),
        (5, 9),
        (max(1, size - 1), size + 1),
        (180, 133),
    )
    tall = np.repeat(cuts(1, 300, 20)[0], 10, axis=0)  # 3000 × 20
    return [*(cuts(1, *shape)[0] for shape in shapes), tall, tall.swapaxes(0, 1), CHINA, FLOWER]


def trained(classifier: Classifier) -> Classifier:
    """Batch norms with statistics of their own, and logits that tell pictures apart."""
    size, channels = classifier.image_size, classifier.channels
    squares = working_squares(cuts(16, 40, 60), size, channels, classifier.resize)
    pixels = torch.from_numpy(squares).permute(0, 3, 1, 2)
    classifier.train()
    for _ in range(3):
        classifier(pixels)
    return classifier.eval()


def small_network(norm: str, activation: str, channels: int, num_classes: int) -> nn.Module:
    num_wide = 8 * widen(activation)
    network = nn.Sequential(
        nn.Conv2d(channels, num_wide, 3, padding=1, bias=norm == "none"),
        NORMS[norm](num_wide),
        ACTIVATIONS[activation](8),
        nn.MaxPool2d(2),
        nn.Conv2d(8, num_wide, 3, bias=norm == "none"),
        NORMS[norm](num_wide),
        ACTIVATIONS[activation](8),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, num_classes),
    )
    with torch.no_grad():
        network[-1].weight.mul_(5)
    return network


class SideBySide(nn.Module):
    """Several networks at once, logits one after the other: an export costs seconds."""

    def __init__(self, networks: list[nn.Module]):
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, inputs):
        return torch.cat([network(inputs) for network in self.networks], dim=1)


def classifier_of(
    preprocess: str = "channel-mean-std",
    styles: tuple[tuple[str, str], ...] = (("batch", "relu"),),
    *,
    size: int = 12,
    channels: int = 3,
    how: str = "squash",
    classes: tuple[str, ...] = tuple("abcdefg"),
) -> Classifier:
    """A small classifier; of several (norm, activation) `styles`, the logits side by side."""
    torch.manual_seed(0)
    networks = [small_network(*style, channels, len(classes)) for style in styles]
    network = networks[0] if len(networks) == 1 else SideBySide(networks)
    fitted = Preprocess.fit(preprocess, working_squares(cuts(30, 60, 60), size, channels, "squash"))
    return trained(Classifier(fitted, network, classes, size, channels, how, {}))


def expected_logits(classifier: Classifier, pixels: np.ndarray) -> torch.Tensor:
    size, channels, how = classifier.image_size, classifier.channels, classifier.resize
    square = torch.from_numpy(working_square(pixels, size, channels, how)).permute(2, 0, 1)[None]
    with torch.no_grad():
        return classifier(square)


def expected_probabilities(classifier: Classifier, pixels: np.ndarray) -> np.ndarray:
    return torch.softmax(expected_logits(classifier, pixels), dim=1).numpy()


def open_session(path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


def assert_parity(classifier: Classifier, path, pictures: list[np.ndarray]) -> None:
    """Every network's own probabilities on every picture, against the trained ones."""
    export(classifier, path)
    session = open_session(path)
    answers = []
    for pixels in pictures:
        (logits,) = session.run(["logits"], {"pixels": pixels[None]})
        given = torch.from_numpy(logits).reshape(-1, NUM_CLASSES).softmax(dim=1)
        trained_logits = expected_logits(classifier, pixels).reshape(-1, NUM_CLASSES)
        expected = trained_logits.softmax(dim=1)
        torch.testing.assert_close(given, expected, rtol=0, atol=1e-4)
        assert torch.equal(given.argmax(dim=1), expected.argmax(dim=1))
        answers.append(given)
    # A network that answers the same whatever it sees would agree with anything.
    spread = torch.stack(answers).amax(dim=0) - torch.stack(answers).amin(dim=0)
    assert spread.amax(dim=1).min() > 0.01


@pytest.mark.parametrize("preprocess", PREPROCESS)
def test_every_preprocessing_with_every_normalisation(preprocess, tmp_path):
    classifier = classifier_of(preprocess, tuple((norm, "relu") for norm in NORMS))
    assert_parity(classifier, tmp_path / "model.onnx", odd_pictures(12))


def test_every_activation(tmp_path):
    classifier = classifier_of(styles=tuple(("batch", name) for name in ACTIVATIONS))
    assert_parity(classifier, tmp_path / "model.onnx", odd_pictures(12))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_model(name, channels, tmp_path):
    torch.manual_seed(0)
    recipe = Recipe(model=name)
    network = build_network(recipe, NUM_CLASSES, channels, 32)
    fitted = Preprocess.fit("channel-mean-std", cuts(9, 32, 32)[..., :channels])
    classifier = Classifier(fitted, network, "abcdefg", 32, channels, "crop", describe(recipe))
    path = tmp_path / "model.onnx"
    export(trained(classifier), path)
    assert prove(classifier, path, cuts(16, 70, 90)).passed


@pytest.mark.parametrize(("how", "channels"), [("squash", 1), ("crop", 3), ("pad", 1)])
def test_ways_to_a_square_in_gray_and_colour(how, channels, tmp_path):
    classifier = classifier_of(size=20, channels=channels, how=how)
    assert_parity(classifier, tmp_path / "model.onnx", odd_pictures(20))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("how", ["squash", "crop", "pad"])
def test_the_graph_resizes_level_for_level(how, channels):
    for size in (1, 8, 32, 97):
        graph = resize_model(size, channels, how).SerializeToString()
        session = open_session(graph)
        for pixels in odd_pictures(size):
            (squares,) = session.run(None, {"pixels": pixels[None]})
            expected = working_square(pixels, size, channels, how)
            difference = np.abs(squares[0].transpose(1, 2, 0) - expected)
            if max(pixels.shape) <= 2 * size:
                assert difference.max() == 0
            else:  # a sum of many products can fall on either side of a half in float32
                assert difference.max() <= 1
                assert (difference > 0).sum() <= max(1, 3e-3 * difference.size)
            if pixels.shape == (size, size, 3) and channels == 3:
                np.testing.assert_array_equal(squares[0].transpose(1, 2, 0), pixels)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """A classifier and its model.onnx, exported once: tests that change it take a copy."""
    classifier = classifier_of()
    before = copy.deepcopy(classifier.state_dict())
    path = tmp_path_factory.mktemp("usual") / "model.onnx"
    export(classifier, path)
    after = classifier.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    return classifier, path


def test_a_batch_is_answered_as_its_pictures_are_alone(tmp_path):
    classifier = classifier_of(styles=(("instance", "relu"),), how="crop")
    path = tmp_path / "model.onnx"
    export(classifier, path)
    session = open_session(path)
    pictures = cuts(5, 31, 44)
    probabilities, logits = session.run(["probabilities", "logits"], {"pixels": pictures})
    assert probabilities.shape == logits.shape == (5, NUM_CLASSES)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    for pixels, row in zip(pictures, probabilities):
        expected = expected_probabilities(classifier, pixels)[0]
        np.testing.assert_allclose(row, expected, atol=1e-5)


HOSTILE = ("naïve “quotes”", 'a"b\\c', "new\nline\ttab", "<script>", "日本語", "\udcff broken", "")


def test_the_file_says_what_it_is(tmp_path):
    classifier = classifier_of(classes=HOSTILE, how="pad", channels=1)
    path = tmp_path / "model.onnx"
    export(classifier, path)
    found = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert tuple(json.loads(found["classes"])) == HOSTILE
    assert found["image_size"] == "12"
    assert found["resize"] == "pad"
    assert found["channels"] == "1"
    assert json.loads(found["preprocess"])["name"] == "channel-mean-std"
    assert Predictor(path).classes == HOSTILE


def test_one_plain_file_with_folded_batch_norms_and_no_traces_of_this_machine(usual):
    _, path = usual
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    model = onnx.load(path)
    assert {item.domain for item in model.opset_import} == {""}
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert [value.name for value in model.graph.input] == ["pixels"]
    assert b".py" not in path.read_bytes()


def test_exporting_says_nothing(tmp_path, capfd, recwarn):
    export(classifier_of(), tmp_path / "model.onnx")
    out, err = capfd.readouterr()
    assert out == err == ""
    assert [str(warning.message) for warning in recwarn] == []


def test_a_training_classifier_is_exported_in_evaluation_and_left_training(tmp_path):
    classifier = classifier_of()
    expected = expected_probabilities(classifier, CHINA)
    classifier.train()
    export(classifier, tmp_path / "model.onnx")
    assert classifier.training
    given = Predictor(tmp_path / "model.onnx").probabilities(CHINA[None])
    np.testing.assert_allclose(given, expected, atol=1e-5)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(SteadygradError, match="Could not write"):
        export(classifier_of(), tmp_path / "missing" / "model.onnx")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """70 files: JPEGs large enough for scaled decoding, PNGs, gray ones, and one broken."""
    folder = tmp_path_factory.mktemp("photos")
    files = []
    for index, pixels in enumerate(cuts(70, 200, 260)):
        picture = Image.fromarray(pixels)
        if index % 5 == 0:
            picture = picture.convert("L")
        kind = "png" if index % 3 == 0 else "jpg"
        picture = picture.resize((260 - index, 200)).rotate(90 * (index % 4), expand=True)
        picture.save(folder / f"{index}.{kind}")
        files.append(folder / f"{index}.{kind}")
    files[10].write_bytes(b"not a picture")
    return files


@pytest.mark.parametrize("channels", [1, 3])
def test_the_proof_on_files(photos, channels, tmp_path):
    classifier = classifier_of(size=24, channels=channels, how="crop")
    path = tmp_path / "model.onnx"
    export(classifier, path)
    parity = prove(classifier, path, photos, num_files=70)
    assert parity.passed
    assert parity.num_files == 69
    assert parity.top1_agreement == 1
    assert parity.max_abs_probability_difference < 1e-4
    # Decoding at a half is a little another picture: had it been proven on that, it would show.
    assert parity.full_decode_max_abs_probability_difference > 1e-4
    assert json.loads(json.dumps(parity.to_dict()))["passed"] is True
    assert prove(classifier, path, photos[:3]).num_files == 3


@pytest.mark.parametrize("channels", [1, 3])
def test_the_proof_on_gray_and_colour_arrays(channels, tmp_path):
    classifier = classifier_of(channels=channels)
    path = tmp_path / "model.onnx"
    export(classifier, path)
    gray = cuts(80, 12, 12)[..., :1]
    for pictures in (gray, cuts(80, 12, 12), cuts(80, 30, 20)):
        parity = prove(classifier, path, pictures)
        assert parity.num_files == 64
        assert parity.max_abs_probability_difference < 1e-5


def test_a_failed_proof_takes_the_model_away(usual, tmp_path):
    classifier = copy.deepcopy(usual[0])
    path = shutil.copy(usual[1], tmp_path / "model.onnx")
    with torch.no_grad():
        classifier.network[-1].weight.add_(torch.randn(NUM_CLASSES, 8))
    with pytest.raises(SteadygradError, match=r"top-1 agrees on .* renamed to model.onnx.failed"):
        prove(classifier, path, cuts(20, 30, 30))
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx.failed"]


def test_weights_that_are_not_finite_fail_the_proof(tmp_path):
    classifier = classifier_of()
    with torch.no_grad():
        classifier.network[-1].weight[0, 0] = float("nan")
    export(classifier, tmp_path / "model.onnx")
    with pytest.raises(SteadygradError, match="not finite"):
        prove(classifier, tmp_path / "model.onnx", cuts(4, 30, 30))


def test_nothing_to_prove_it_on(usual, photos):
    with pytest.raises(InputError, match="None of the pictures"):
        prove(*usual, [photos[10]])
    with pytest.raises(InputError, match="None of the pictures"):
        prove(*usual, [])


def test_ties_are_no_disagreement_but_anything_more_is():
    trained_answer = np.array([[0.4, 0.4 + 2e-6, 0.2], [0.1, 0.2, 0.7]])
    tied = np.array([[0.4 + 1e-6, 0.4, 0.2], [0.1, 0.2, 0.7]])
    assert compare(trained_answer, tied, tied).passed
    close = trained_answer + np.array([[2e-4, -2e-4, 0], [0, 0, 0]])
    trained_answer[0] = [0.4, 0.4001, 0.1999]
    parity = compare(trained_answer, close, close)
    assert parity == Parity(
        2,
        0.5,
        parity.max_abs_probability_difference,
        parity.full_decode_max_abs_probability_difference,
        False,
    )
