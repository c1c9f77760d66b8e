import copy

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_classifier import classifier_for, pixels
from torch import nn

from steadygrad.errors import InputError
from steadygrad.models import Classifier, build_network, describe
from steadygrad.models.transfer import (
    backbone_parameters,
    freeze,
    head_parameters,
    reuse_backbone,
    start_classifier_from,
    unfreeze,
)
from steadygrad.nn.norms import is_norm
from steadygrad.record.recipe import Recipe


@pytest.fixture
def run(tmp_path):
    classifier = classifier_for("resnet8")
    classifier.train()(pixels())
    classifier.save(tmp_path / "run")
    return tmp_path / "run"


def train_a_little(classifier, num_classes, steps=3):
    learning = [p for p in classifier.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learning, 0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(steps):
        classifier.train()
        loss = nn.functional.cross_entropy(classifier(pixels()), torch.arange(16) % num_classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_a_new_classifier_has_the_old_backbone_and_preprocessing_and_a_new_head(run):
    old = Classifier.load(run)
    new = start_classifier_from(run, ["cat", "dog", "newt"])
    assert new.classes == ("cat", "dog", "newt")
    assert (new.image_size, new.channels, new.resize) == (8, 1, "squash")
    for name, tensor in old.state_dict().items():
        if not name.startswith("network.head."):
            assert torch.equal(tensor, new.state_dict()[name]), name
    assert new.network.head.weight.shape == (3, 64)
    assert not torch.equal(new.network.head.weight, old.network.head.weight[:3])
    learned = {n for n, _ in new.named_parameters() if not n.startswith("network.head.")}
    assert new.reused == learned
    assert new(pixels()).shape == (16, 3)


def test_the_head_is_new_even_for_as_many_classes(run):
    old = Classifier.load(run)
    new = start_classifier_from(run / "model.safetensors", [f"bird {n}" for n in range(10)])
    assert not torch.equal(new.network.head.weight, old.network.head.weight)


def test_an_override_changes_the_description(run):
    new = start_classifier_from(run, ["a", "b"], {"dropout": 0.4})
    assert [m.p for m in new.modules() if isinstance(m, nn.Dropout)] == [0.4]
    assert new.model["dropout"] == 0.4
    with pytest.raises(InputError, match="has shape"):
        start_classifier_from(run, ["a", "b"], {"width": 8})


def test_what_was_and_was_not_reused_is_listed(run, tmp_path):
    classifier = classifier_for("resnet8")
    reuse = reuse_backbone(classifier, run)
    assert reuse.num_reused == len(reuse.reused)
    assert reuse.not_reused == ["head.weight", "head.bias"]
    # A deeper network takes what has the same name and shape only if all of it fits.
    tensors = load_file(run / "model.safetensors")
    bare = {
        name.removeprefix("network."): tensor
        for name, tensor in tensors.items()
        if name.startswith("network.layers.0")
    }
    save_file(bare, tmp_path / "bare.safetensors")
    partial = reuse_backbone(classifier_for("resnet8"), tmp_path / "bare.safetensors")
    assert partial.reused == ["layers.0.weight"]
    assert "layers.1.weight" in partial.not_reused


def test_other_networks_and_other_shapes_are_refused(run):
    with pytest.raises(InputError, match=r"'layers.0.weight' has shape \(16, 1, 3, 3\)"):
        reuse_backbone(classifier_for("resnet8", width=32), run)
    with pytest.raises(InputError, match="belongs to another network"):
        reuse_backbone(classifier_for("fast"), run)
    with pytest.raises(InputError, match="There is no model at"):
        start_classifier_from(run / "nowhere", ["a", "b"])


def test_a_frozen_backbone_stays_bit_identical_while_the_head_learns(run):
    classifier = start_classifier_from(run, ["cat", "dog"])
    before = copy.deepcopy(classifier.state_dict())
    count = freeze(classifier.network)
    assert count == sum(p.numel() for p in backbone_parameters(classifier.network))
    assert freeze(classifier.network) == count
    train_a_little(classifier, 2)
    for name, tensor in classifier.state_dict().items():
        same = torch.equal(tensor, before[name])
        assert same != name.startswith("network.head."), name
    norms = [m for m in classifier.modules() if is_norm(m)]
    assert norms
    assert not any(norm.training for norm in norms)
    assert classifier.network.training


def test_unfreezing_lets_everything_learn_again(run):
    classifier = start_classifier_from(run, ["cat", "dog"])
    freeze(classifier.network)
    train_a_little(classifier, 2)
    unfreeze(classifier.network)
    before = copy.deepcopy(classifier.state_dict())
    assert all(module.training for module in classifier.modules())
    train_a_little(classifier, 2, steps=6)  # branches that start at 0 move a step later
    changed = {n for n, t in classifier.state_dict().items() if not torch.equal(t, before[n])}
    assert {n for n, _ in classifier.named_parameters()} <= changed
    assert any(name.endswith("running_mean") for name in changed)
    classifier.eval()
    assert not any(module.training for module in classifier.modules())


def test_what_was_frozen_before_stays_frozen():
    recipe = Recipe(model="fast", width=8)
    network = build_network(recipe, 3, 1, 8)
    scales = [m.weight for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    freeze(network)
    unfreeze(network)
    assert scales
    assert not any(scale.requires_grad for scale in scales)
    assert network.groups[0][0].weight.requires_grad
    assert describe(recipe)["width"] == 8


def test_a_copy_of_a_frozen_network_is_frozen_by_itself(run):
    classifier = start_classifier_from(run, ["cat", "dog"])
    freeze(classifier.network)
    twin = copy.deepcopy(classifier)
    unfreeze(classifier.network)
    twin.train()
    assert not any(m.training for m in twin.modules() if is_norm(m))
    classifier.train()
    assert all(m.training for m in classifier.modules() if is_norm(m))


def test_head_and_backbone_are_all_parameters_once(run):
    network = Classifier.load(run).network
    head, backbone = head_parameters(network), backbone_parameters(network)
    assert [id(p) for p in head] == [id(network.head.weight), id(network.head.bias)]
    together = {id(p) for p in head + backbone}
    assert together == {id(p) for p in network.parameters()}
    assert len(together) == len(head) + len(backbone)


def test_a_network_without_a_linear_head_is_not_frozen_silently():
    with pytest.raises(InputError, match="no linear head"):
        freeze(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten()))
