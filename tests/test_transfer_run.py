"""`train --from RUN`: the backbone, its preprocessing and its working size, on other classes."""

import json

import numpy as np
import pytest

from digit_files import write_digits
from steadygrad.models.classifier import read_model

QUICK = ["--precision", "fp32", "--threads", "1", "--memory-format", "contiguous", "--quiet"]


@pytest.fixture(scope="module")
def home(tmp_path_factory, processes):
    home = tmp_path_factory.mktemp("transfer")
    write_digits(home / "first", ["zero", "one", "two"])
    write_digits(home / "second", ["seven", "eight"], first=7, each=80)
    ended = processes.run(
        *("train", "first", "--out", "base", "--model", "resnet8", "--width", "8", *QUICK),
        *("--preprocess", "pca-whiten", "--epochs", "15", "--image-size", "24", "--dropout", "0.2"),
        cwd=home,
    )
    assert ended.status == 0, ended.err
    return home


def same(first, second, names):
    return [np.array_equal(first[name].numpy(), second[name].numpy()) for name in names]


def checkpoint_weights(out):
    from safetensors.torch import load_file

    tensors = load_file(out / "checkpoint" / "last.safetensors")
    return {
        name.removeprefix("model."): value
        for name, value in tensors.items()
        if name.startswith("model.")
    }


def test_backbone_is_frozen_then_learns_slowly(processes, home):
    """Killed in its frozen half, the run shows what stood still; then it goes on."""
    out = home / "second-run"
    options = ["--from", "base", "--freeze", "0.5", "--epochs", "30", "--checkpoint-every", "0s"]
    ended = processes.run(
        *("train", "second", "--out", out, *options, *QUICK),
        cwd=home,
        wait_for=out / "checkpoint" / "best.safetensors",
    )
    assert ended.status == 137
    base, description = read_model(home / "base")
    frozen = checkpoint_weights(out)
    head = [name for name in frozen if frozen[name].shape[:1] == (2,)]
    assert head
    others = [name for name in frozen if name not in head]
    assert len(others) > 10
    assert all(same(base, frozen, others))
    assert processes.run("train", "--resume", out, "--quiet", cwd="/").status == 0
    weights, values = read_model(out)
    preprocess = [name for name in others if name.startswith("preprocess.")]
    assert preprocess
    assert all(same(base, weights, preprocess))
    backbone = [name for name in others if name.startswith("network.") and "num_b" not in name]
    end = checkpoint_weights(out)  # the best weights may be of the frozen half
    still = [name for name, is_same in zip(backbone, same(base, end, backbone)) if is_same]
    assert not still
    assert values["classes"] == ["eight", "seven"]
    for key in ("image_size", "channels", "resize", "preprocess", "model"):
        assert values[key] == description[key]
    groups = json.loads(header_of(out)["steadygrad"])["optimizer"]["groups"]
    assert {group["lr_factor"] for group in groups} == {1.0, 0.1}
    assert json.loads((out / "summary.json").read_text())["test"]["accuracy"] > 0.6


def header_of(out):
    content = (out / "checkpoint" / "last.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size])["__metadata__"]


def test_run_says_where_its_backbone_is_from(processes, home):
    loud = [option for option in QUICK if option != "--quiet"]
    options = ["--from", "base/model.safetensors", "--epochs", "1", "--dropout", "0.5"]
    ended = processes.run("train", "second", "--out", "loud", *options, *loud, cwd=home)
    assert ended.status == 0, ended.err
    assert "backbone and preprocessing (pca-whiten) of" in ended.err
    assert json.loads((home / "loud" / "model.json").read_text())["model"]["dropout"] == 0.5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--from", "first"], "no model at"),
        (["--from", "base/model.onnx"], "can't be read as safetensors"),
        (["--from", "base/model.json"], "can't be read as safetensors"),
        (["--from", "base", "--image-size", "32"], "its own image-size, 24"),
        (["--from", "base", "--channels", "3"], "its own channels, 1"),
        (["--from", "base", "--model", "vgg"], "its own model, resnet8"),
        (["--from", "base", "--width", "16"], "its own width, 8"),
    ],
)
def test_what_does_not_fit(processes, home, options, words):
    ended = processes.run("train", "second", "--out", "fresh", *options, *QUICK, cwd=home)
    assert ended.status == 2, ended
    assert words in ended.err
    assert "Traceback" not in ended.err
    assert not (home / "fresh").exists()


def test_weights_of_another_network(processes, home):
    """A model.json that does not belong to the weights beside it."""
    other = home / "mixed"
    other.mkdir()
    for name in ("model.safetensors", "model.json"):
        (other / name).write_bytes((home / "base" / name).read_bytes())
    values = json.loads((other / "model.json").read_text())
    for model, width in (("vgg", 8), ("lenet", 0), ("resnet8", 16)):
        values["model"] |= {"model": model, "width": width}
        (other / "model.json").write_text(json.dumps(values))
        ended = processes.run("train", "second", "--out", "fresh", "--from", "mixed", cwd=home)
        assert ended.status == 2, ended
        assert "Traceback" not in ended.err
