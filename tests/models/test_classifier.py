import json
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_digits

from steadygrad.errors import InputError
from steadygrad.models import MODELS, Classifier, build_network, describe
from steadygrad.models.classifier import num_parameters
from steadygrad.preprocess import PREPROCESS, Preprocess
from steadygrad.record.recipe import Recipe


def digit_pixels():
    return np.round(load_digits().images * 255 / 16).astype(np.uint8)[..., None]


def classifier_for(model="resnet8", preprocess="channel-mean-std", **options):
    recipe = Recipe(model=model, **options)
    network = build_network(recipe, 10, 1, 8)
    fitted = Preprocess.fit(preprocess, digit_pixels())
    classes = [f"digit {n}" for n in range(10)]
    return Classifier(fitted, network, classes, 8, 1, "squash", describe(recipe))


def pixels():
    return torch.from_numpy(digit_pixels()[:16]).permute(0, 3, 1, 2)


@pytest.mark.parametrize("model", MODELS)
def test_a_saved_classifier_comes_back_the_same(model, tmp_path):
    classifier = classifier_for(model).to(memory_format=torch.channels_last)
    classifier.train()(pixels())  # statistics move
    classifier.save(tmp_path)
    loaded = Classifier.load(tmp_path)
    assert not loaded.training
    with torch.no_grad():
        expected = classifier.eval()(pixels())
        torch.testing.assert_close(loaded(pixels()), expected, atol=1e-6, rtol=1e-5)
    for name, tensor in classifier.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name
    assert loaded.to_dict() == classifier.to_dict()
    assert loaded.classes[3] == "digit 3"


@pytest.mark.parametrize("preprocess", PREPROCESS)
def test_every_preprocessing_is_saved_with_its_statistics(preprocess, tmp_path):
    classifier = classifier_for("logistic", preprocess).eval()
    classifier.save(tmp_path)
    with torch.no_grad():
        assert torch.equal(Classifier.load(tmp_path)(pixels()), classifier(pixels()))


def test_uint8_and_float_pixels_give_the_same_answer():
    classifier = classifier_for().eval()
    with torch.no_grad():
        torch.testing.assert_close(classifier(pixels()), classifier(pixels().float()))


def test_the_files_are_plain_and_a_failed_save_leaves_the_old_ones(tmp_path, monkeypatch):
    classifier = classifier_for("logistic")
    classifier.save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.json", "model.safetensors"]
    before = (tmp_path / "model.safetensors").read_bytes()
    tensors = load_file(tmp_path / "model.safetensors")
    assert tensors["network.head.weight"].shape == (10, 64)

    def full_disk(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("steadygrad.record.store.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        classifier.save(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_names_of_torch_compile_do_not_reach_the_file(tmp_path):
    classifier = classifier_for("mlp")
    compiled = torch.compile(classifier.network)  # compiles at the first call, so never here
    classifier.network = compiled
    assert any("_orig_mod." in name for name in classifier.state_dict())
    classifier.save(tmp_path)
    assert not any("_orig_mod" in name for name in load_file(tmp_path / "model.safetensors"))
    loaded = Classifier.load(tmp_path)
    assert torch.equal(loaded.network.head.weight, compiled.head.weight)


def test_tied_weights_can_be_saved(tmp_path):
    classifier = classifier_for("mlp", width=64, depth=2)
    layers = classifier.network.layers
    layers[4].weight = layers[2].weight
    classifier.save(tmp_path)
    loaded = Classifier.load(tmp_path).network.layers
    assert torch.equal(loaded[4].weight, loaded[2].weight)


def test_what_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(InputError, match="There is no model at"):
        Classifier.load(tmp_path / "nowhere")
    classifier = classifier_for("logistic")
    classifier.save(tmp_path)
    description = tmp_path / "model.json"
    text = description.read_text()
    weights = (tmp_path / "model.safetensors").read_bytes()

    description.unlink()
    with pytest.raises(InputError, match=r"There is no model.json beside"):
        Classifier.load(tmp_path)
    for damaged in (text[:40], "[]", "{}", '{"format": 1}'):
        description.write_text(damaged)
        with pytest.raises(InputError, match="damaged"):
            Classifier.load(tmp_path)
    description.write_text(text.replace('"format": 1', '"format": 99'))
    with pytest.raises(InputError, match="newer Steadygrad"):
        Classifier.load(tmp_path)
    description.write_text(text.replace('"logistic"', '"mlp"'))
    with pytest.raises(InputError, match=r"missing network\.layers"):
        Classifier.load(tmp_path)
    description.write_text(text.replace('"digit 9"', '"digit 9", "ten"'))
    with pytest.raises(InputError, match=r"another shape network\.head"):
        Classifier.load(tmp_path)

    description.write_text(text)
    (tmp_path / "model.safetensors").write_bytes(weights[:100])
    with pytest.raises(InputError, match="can't be read as safetensors"):
        Classifier.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(weights)
    assert Classifier.load(tmp_path / "model.safetensors").classes == classifier.classes


def test_a_users_network_is_imported_again_or_missed_clearly(tmp_path, monkeypatch):
    (tmp_path / "nets_for_loading.py").write_text(
        "from torch import nn\n"
        "def net(num_classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))\n"
    )
    monkeypatch.chdir(tmp_path)
    classifier = classifier_for("nets_for_loading:net")
    classifier.save(tmp_path / "run")
    Classifier.load(tmp_path / "run")
    assert json.loads((tmp_path / "run" / "model.json").read_text())["model"]["model"] == (
        "nets_for_loading:net"
    )
    (tmp_path / "nets_for_loading.py").unlink()
    sys.modules.pop("nets_for_loading")
    with pytest.raises(InputError, match="There is no module 'nets_for_loading'"):
        Classifier.load(tmp_path / "run")


def test_parameters_are_counted_once():
    classifier = classifier_for("logistic")
    assert num_parameters(classifier) == 64 * 10 + 10
