"""Start from a trained backbone: reuse it, freeze it, thaw it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from steadygrad.errors import InputError
from steadygrad.models.classifier import Classifier, read_model, read_weights, weights_file
from steadygrad.nn.initialize import initialize
from steadygrad.nn.norms import is_norm
from steadygrad.nn.order import head_name

FROZEN = "_frozen_by_steadygrad"  # on a network: the names of the parameters `freeze` turned off


@dataclass(frozen=True)
class Reuse:
    """What a backbone brought: tensors taken over, and the network's tensors that were not."""

    num_reused: int
    reused: list[str]
    not_reused: list[str]


def start_classifier_from(
    path: str | Path,
    classes: Sequence[str],
    model_override: Mapping[str, Any] | None = None,
    *,
    generator: torch.Generator | None = None,
) -> Classifier:
    """A classifier for `classes` with the backbone and the preprocessing of a trained run.

    `path` is the run folder or its model.safetensors, model.json beside it. Same network, picture
    size, channels, resizing and fitted preprocessing; the head is new (`initialize`, "auto").
    `model_override` replaces entries of its description, such as {"dropout": 0.2}.

    Raises InputError where the files are missing, damaged or do not fit.
    """
    weights, values = read_model(path)
    values = {**values, "classes": list(classes)}
    values["model"] = {**values["model"], **(model_override or {})}
    classifier = Classifier.from_dict(values)
    initialize(classifier.network, "auto", generator=generator)
    prefix = "preprocess."
    fitted = {n.removeprefix(prefix): t for n, t in weights.items() if n.startswith(prefix)}
    try:
        classifier.preprocess.load_state_dict(fitted)
    except RuntimeError as error:
        raise InputError(f"The preprocessing saved in '{path}' is damaged: {error}") from error
    head = head_name(classifier.network)
    missing = [
        name
        for name in reuse_backbone(classifier, path).not_reused
        if head is None or name.rpartition(".")[0] != head
    ]
    if missing:
        raise InputError(
            f"The weights in '{path}' lack '{missing[0]}' and are not those of the network its "
            "model.json describes. Copy both files of one run."
        )
    return classifier


@torch.no_grad()
def reuse_backbone(classifier: Classifier, path: str | Path) -> Reuse:
    """Copy the weights of another run's backbone into `classifier`; its head stays as it is.

    `path` is a run folder or any safetensors file whose names are the network's, with or without
    "network." before them. `classifier.reused` holds the parameters' names for the optimiser. The
    preprocessing is not touched: `start_classifier_from` takes it over as well.

    Raises InputError when a tensor has another shape, or none fits.
    """
    file = weights_file(path)
    found = {n.removeprefix("network."): t for n, t in read_weights(file).items()}
    head = head_name(classifier.network)
    own = classifier.network.state_dict()
    reused: list[str] = []
    not_reused: list[str] = []
    for name, tensor in own.items():
        if name not in found or (head is not None and name.rpartition(".")[0] == head):
            not_reused.append(name)
            continue
        if found[name].shape != tensor.shape:
            raise InputError(
                f"'{name}' has shape {tuple(found[name].shape)} in '{file}' and "
                f"{tuple(tensor.shape)} in the network to be trained. Use the model, width, "
                "channels and activation of that run."
            )
        tensor.copy_(found[name])
        reused.append(name)
    if not reused:
        raise InputError(
            f"No tensor of '{file}' has a name of this network's backbone; it belongs to another "
            f"network. It holds {', '.join(sorted(found)[:3])}, this network has "
            f"{', '.join(list(own)[:3])}."
        )
    parameters = dict(classifier.network.named_parameters())
    classifier.reused = frozenset(f"network.{name}" for name in reused if name in parameters)
    return Reuse(len(reused), reused, not_reused)


def head_parameters(network: nn.Module) -> list[nn.Parameter]:
    """The parameters of the head: the last linear layer."""
    head = head_name(network)
    return [] if head is None else list(network.get_submodule(head).parameters())


def backbone_parameters(network: nn.Module) -> list[nn.Parameter]:
    """All parameters but the head's."""
    head = {id(parameter) for parameter in head_parameters(network)}
    return [parameter for parameter in network.parameters() if id(parameter) not in head]


def freeze(network: nn.Module) -> int:
    """Stop the backbone from learning; return how many numbers that holds fixed.

    Its norms go to eval mode and stay there when `.train()` is called, so that their running
    statistics don't move either. Freezing twice is freezing once.
    """
    if hasattr(network, FROZEN):
        return sum(network.get_parameter(name).numel() for name in getattr(network, FROZEN))
    if not head_parameters(network):
        raise InputError(
            "The network has no linear head, so freezing would leave nothing to train."
        )
    backbone = {id(parameter) for parameter in backbone_parameters(network)}
    frozen = [n for n, p in network.named_parameters() if id(p) in backbone and p.requires_grad]
    setattr(network, FROZEN, frozen)
    for name in frozen:
        network.get_parameter(name).requires_grad_(False)
        network.get_parameter(name).grad = None  # an old gradient would move it once more
    for module in network.modules():
        if is_norm(module):
            module.eval()
            module.__dict__["train"] = _StayInEval(module)
    return sum(network.get_parameter(name).numel() for name in frozen)


def unfreeze(network: nn.Module) -> None:
    """Let what `freeze` stopped learn again; parameters frozen before that stay frozen."""
    for name in getattr(network, FROZEN, ()):
        network.get_parameter(name).requires_grad_(True)
    if hasattr(network, FROZEN):
        delattr(network, FROZEN)
    for module in network.modules():
        if isinstance(module.__dict__.get("train"), _StayInEval):
            del module.__dict__["train"]
            module.train(network.training)


class _StayInEval:
    """Stands for `train` on a frozen norm; `eval()` calls it too."""

    def __init__(self, module: nn.Module):
        self.module = module

    def __call__(self, mode: bool = True) -> nn.Module:  # noqa: ARG002 (torch's signature)
        self.module.training = False
        return self.module
