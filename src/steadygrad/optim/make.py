"""Optimisers by name, with the rate, the decay and the groups a Recipe asks for."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from steadygrad.errors import InputError, choose
from steadygrad.optim.groups import hidden_matrices, parameter_groups
from steadygrad.optim.muon import Muon
from steadygrad.record import Recipe

Groups = list[dict[str, Any]]

AUTO_OPTIMIZER = "nesterov"
"""What "auto" means where no recipe chose."""
DEFAULT_MOMENTUM = 0.9
DEFAULT_LR = {
    "sgd": 0.1,
    "momentum": 0.05,
    "nesterov": 0.05,
    "adagrad": 0.02,
    "rmsprop": 1e-3,
    "adam": 1e-3,
    "adamw": 2e-3,
    "muon": 0.05,
}
"""Peak rate where none is given (batches of 64 to 256, a network with norms)."""
DEFAULT_WEIGHT_DECAY = {
    "sgd": 5e-4,
    "momentum": 5e-4,
    "nesterov": 5e-4,
    "adagrad": 0.0,
    "rmsprop": 0.0,
    "adam": 0.0,
    "adamw": 0.05,
    "muon": 1e-3,
}
"""Decay where none is given: added to the gradient, decoupled in adamw; `Muon` says its own."""


def _sgd(groups: Groups, lr: float, momentum: float) -> Optimizer:  # noqa: ARG001
    return torch.optim.SGD(groups, lr=lr, **_fast(groups, cpu="foreach"))


def _momentum(groups: Groups, lr: float, momentum: float) -> Optimizer:
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, **_fast(groups, cpu="foreach"))


def _nesterov(groups: Groups, lr: float, momentum: float) -> Optimizer:
    # torch refuses Nesterov with momentum 0, where the two are the same rule.
    return torch.optim.SGD(
        groups, lr=lr, momentum=momentum, nesterov=momentum > 0, **_fast(groups, cpu="foreach")
    )


def _adagrad(groups: Groups, lr: float, momentum: float) -> Optimizer:  # noqa: ARG001
    # torch has no fused AdaGrad on CUDA.
    return torch.optim.Adagrad(groups, lr=lr, **_fast(groups, cpu="fused", cuda="foreach"))


def _rmsprop(groups: Groups, lr: float, momentum: float) -> Optimizer:  # noqa: ARG001
    # alpha 0.9 as Tieleman and Hinton wrote it (torch's own default is 0.99).
    return torch.optim.RMSprop(groups, lr=lr, alpha=0.9, foreach=True)


def _adam(groups: Groups, lr: float, momentum: float) -> Optimizer:
    return torch.optim.Adam(groups, lr=lr, betas=(momentum, 0.999), **_fast(groups, cpu="fused"))


def _adamw(groups: Groups, lr: float, momentum: float) -> Optimizer:
    return torch.optim.AdamW(groups, lr=lr, betas=(momentum, 0.999), **_fast(groups, cpu="fused"))


def _muon(groups: Groups, lr: float, momentum: float) -> Optimizer:
    return Muon(groups, lr=lr, momentum=momentum)


OPTIMIZERS: dict[str, Callable[[Groups, float, float], Optimizer]] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "nesterov": _nesterov,
    "adagrad": _adagrad,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adamw,
    "muon": _muon,
}
"""Name → function(groups, lr, momentum) → optimiser; weight decay stands in the groups."""


def make_optimizer(
    model: nn.Module, recipe: Recipe, reused: Collection[str] | None = None
) -> Optimizer:
    """Build the optimiser a recipe names, holding every parameter of `model` once.

    Weight decay is what the named rule of torch makes of it: added to the gradient (L2) by sgd,
    momentum, nesterov, adagrad, rmsprop and adam; decoupled, w <- (1 - lr * decay) * w, by adamw;
    `Muon` says what it does. Norms and biases never decay. `reused` names the parameters of a
    reused backbone (default: the model's attribute `reused`, else none); their rate is that of the
    rest times `recipe.backbone_lr_factor`. Each group's "lr_factor" multiplies the scheduled rate.

    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> optimizer = make_optimizer(model, Recipe(optimizer="adamw", weight_decay=0.1))
    >>> [(group["name"], group["weight_decay"]) for group in optimizer.param_groups]
    [('decay', 0.1), ('no_decay', 0.0)]
    """
    name = optimizer_name(recipe)
    build = choose("optimizer", name, OPTIMIZERS)
    decay = DEFAULT_WEIGHT_DECAY[name] if recipe.weight_decay < 0 else recipe.weight_decay
    groups = parameter_groups(
        model,
        bias_lr_factor=abs(recipe.bias_lr_factor),  # -1, left open, is 1
        head_lr_factor=abs(recipe.head_lr_factor),
        reused=getattr(model, "reused", ()) if reused is None else reused,
        backbone_lr_factor=recipe.backbone_lr_factor,
    )
    if not groups:
        raise InputError("The network has no parameters, so there is nothing to train.")
    if name == "muon":
        groups = _split_matrices(groups, *hidden_matrices(model))
    lr, _ = scaled_lr(recipe)
    for group in groups:
        group["weight_decay"] = decay if group["decays"] else 0.0
        group["lr"] = lr * group["lr_factor"]
    momentum = DEFAULT_MOMENTUM if recipe.momentum < 0 else recipe.momentum
    return build(groups, lr, momentum)


def optimizer_name(recipe: Recipe) -> str:
    """Name of the recipe's update rule, with "auto" settled."""
    return AUTO_OPTIMIZER if recipe.optimizer == "auto" else recipe.optimizer


def scaled_lr(recipe: Recipe) -> tuple[float, str]:
    """Peak learning rate of a recipe, and a sentence that says how it was scaled ("" if not).

    With `base_batch_size` set, the rate is meant for batches of that size and is scaled linearly to
    `batch_size` (Goyal et al. 2017, section 2.1). Rate 0 means DEFAULT_LR of the optimiser.

    >>> scaled_lr(Recipe(lr=0.1, base_batch_size=256, batch_size=1024))
    (0.4, 'Learning rate 0.1 is meant for batches of 256: scaled linearly to 0.4 for 1024.')
    """
    name = optimizer_name(recipe)
    choose("optimizer", name, OPTIMIZERS)
    lr = recipe.lr or DEFAULT_LR[name]
    base, size = recipe.base_batch_size, recipe.batch_size
    if base <= 0 or size <= 0 or base == size:
        return lr, ""
    scaled = lr * size / base
    return scaled, (
        f"Learning rate {lr:g} is meant for batches of {base}: "
        f"scaled linearly to {scaled:g} for {size}."
    )


def _split_matrices(groups: Groups, matrices: set[int], sphere: set[int]) -> Groups:
    """Part each group into what Muon orthogonalises (on a sphere or not) and what it leaves."""
    parts: Groups = []
    for group in groups:
        kinds: dict[str, list[nn.Parameter]] = {"_sphere": [], "_matrices": [], "": []}
        for parameter in group["params"]:
            inside = "_matrices" if id(parameter) in matrices else ""
            kinds["_sphere" if id(parameter) in sphere else inside].append(parameter)
        for suffix, chosen in kinds.items():
            if chosen:
                marks = {"orthogonal": suffix != "", "sphere": suffix == "_sphere"}
                name = group["name"] + suffix
                parts.append({**group, "params": chosen, "name": name, **marks})
    return parts


def _fast(groups: Groups, cpu: str, cuda: str = "fused") -> dict[str, Any]:
    """The faster of torch's implementations for this device.

    On a CPU, 1.6 million parameters and one thread: SGD 1.9 ms plain, 1.4 foreach, 1.8 fused;
    AdamW 4.7, 3.0, 2.3; Adam 3.0, 2.6, 2.1; AdaGrad 2.1, 2.6, 2.0.
    """
    parameters = [parameter for group in groups for parameter in group["params"]]
    kinds = {parameter.device.type for parameter in parameters}
    plain = all(parameter.is_floating_point() for parameter in parameters)
    if len(kinds) != 1 or not plain:
        return {}
    choice = {"cpu": cpu, "cuda": cuda}.get(kinds.pop())
    return {choice: True} if choice else {}
