"""Which parameters decay, which have a rate of their own, and which are matrices at heart."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import nn

# torch names no public base class of its convolutions, but has had this one from the start.
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import _AvgPoolNd, _MaxPoolNd

from steadygrad.nn.norms import is_norm
from steadygrad.nn.whitening import PatchWhitening


def parameter_groups(
    model: nn.Module,
    *,
    bias_lr_factor: float = 1.0,
    head_lr_factor: float = 1.0,
    reused: Collection[str] = (),
    backbone_lr_factor: float = 1.0,
) -> list[dict[str, Any]]:
    """Split all parameters into groups an optimiser takes, each parameter in exactly one.

    Weights of two or more dimensions decay ("decay"); everything of one dimension does not: biases
    and norm scales ("no_decay"), and the shifts of norms ("norm_bias"), whose rate is multiplied by
    `bias_lr_factor`. The head's weight ("head") decays and its rate is multiplied by
    `head_lr_factor`. Parameters named in `reused` come in groups of their own ("backbone_decay",
    ...), whose rate is also multiplied by `backbone_lr_factor`. Each group holds "name",
    "lr_factor", "decays" (bool) and "params". A frozen parameter is in its group too, so that
    thawing it later needs nothing; tied weights appear once, under their first name.

    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
    >>> [(g["name"], len(g["params"])) for g in parameter_groups(model)]
    [('decay', 1), ('no_decay', 1), ('norm_bias', 1)]
    """
    shifts, head = _norm_shifts(model), head_weight(model)
    groups: dict[str, dict[str, Any]] = {}
    for prefix, factor in (("", 1.0), ("backbone_", backbone_lr_factor)):
        own = {"norm_bias": bias_lr_factor, "head": head_lr_factor}
        for kind in ("decay", "head", "no_decay", "norm_bias"):
            groups[prefix + kind] = {
                "params": [],
                "name": prefix + kind,
                "lr_factor": factor * own.get(kind, 1.0),
                "decays": kind in ("decay", "head"),
            }
    for name, parameter in model.named_parameters():  # gives a tied weight once
        kind = "decay" if parameter.ndim >= 2 else "no_decay"
        kind = "norm_bias" if id(parameter) in shifts else kind
        kind = "head" if parameter is head else kind
        groups[("backbone_" if name in reused else "") + kind]["params"].append(parameter)
    return [group for group in groups.values() if group["params"]]


def hidden_matrices(model: nn.Module) -> tuple[set[int], set[int]]:
    """Return the ids of the weights Muon is meant for, and of those among them on a sphere.

    Not among them are the first trained layer and the head, which meet pixels and classes (Jordan
    2024), and convolutions in groups, whose filters don't act as one matrix. Behind a frozen
    whitening layer the first trained layer meets no pixels and is in. On a sphere are filters
    without a bias that a norm follows: their size has no effect.
    """
    layers = [m for m in model.modules() if isinstance(m, _ConvNd | nn.Linear)]
    whitened = any(isinstance(module, PatchWhitening) for module in model.modules())
    outside = {id(layer.weight) for layer in layers[-1:] + ([] if whitened else layers[:1])}
    outside.add(id(head_weight(model)))
    outside |= {id(m.weight) for m in layers if isinstance(m, _ConvNd) and m.groups > 1}
    inside = {id(layer.weight) for layer in layers} - outside
    return inside, inside & _before_norms(model)


def _before_norms(model: nn.Module) -> set[int]:
    """Ids of the filters without bias whose next layer, pooling aside, is a norm.

    "Next" is by registration, which is the order of running in stacks and residual branches; a
    filter it misses is only trained the more general way.
    """
    found: set[int] = set()
    waiting: nn.Module | None = None
    for module in model.modules():
        if any(module.children()) or isinstance(module, nn.Identity | _MaxPoolNd | _AvgPoolNd):
            continue
        if waiting is not None and is_norm(module):
            found.add(id(waiting.weight))
        waiting = module if isinstance(module, _ConvNd) and module.bias is None else None
    return found


def head_weight(model: nn.Module) -> nn.Parameter | None:
    """The weight of the network's head, where it says which layer that is."""
    head = getattr(getattr(model, "network", model), "head", None)
    weight = head.weight if isinstance(head, nn.Linear) else None
    return weight if isinstance(weight, nn.Parameter) else None


def _norm_shifts(model: nn.Module) -> set[int]:
    """Ids of the biases that stand beside a scale per channel: those of norms of any make."""
    found: set[int] = set()
    for module in model.modules():
        own = dict(module.named_parameters(recurse=False))
        bias, weight = own.get("bias"), own.get("weight")
        if bias is not None and weight is not None and weight.shape == bias.shape:
            found.add(id(bias))
    return found
