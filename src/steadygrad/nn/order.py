"""Which activation follows each layer, read from a forward pass or from the modules' order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from steadygrad.nn.activations import Maxout, activation_name
from steadygrad.nn.blocks import Residual

Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
TRANSPOSED_TYPES = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
Layer = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear | Transposed
LAYER_TYPES = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, *TRANSPOSED_TYPES)

# The activation a torch function or method of that name computes.
FUNCTIONS = {
    "relu": "relu",
    "relu_": "relu",
    "relu6": "relu",
    "threshold": "relu",
    "clamp_min": "relu",
    "leaky_relu": "leaky-relu",
    "prelu": "prelu",
    "elu": "elu",
    "gelu": "gelu",
    "silu": "silu",
    "tanh": "tanh",
    "tanh_": "tanh",
    "sigmoid": "sigmoid",
    "sigmoid_": "sigmoid",
    "maximum": "maxout",
}


def layers_of(model: nn.Module) -> dict[str, Layer]:
    """The convolutions and linear layers by name, in the order they were registered."""
    return {n: m for n, m in model.named_modules() if isinstance(m, LAYER_TYPES)}


def head_name(model: nn.Module) -> str | None:
    """The layer that gives the class scores: `model.head`, else the last linear layer."""
    head = getattr(model, "head", None)
    linear = [n for n, m in model.named_modules() if isinstance(m, nn.Linear)]
    if isinstance(head, nn.Linear):
        return next(n for n, m in model.named_modules() if m is head)
    return linear[-1] if linear else None


def branch_ends(model: nn.Module) -> dict[str, str]:
    """The last layer of each residual branch of ours: its name -> the name of its Residual."""
    ends: dict[str, str] = {}
    for name, module in model.named_modules():
        if isinstance(module, Residual):
            prefix = f"{name}.branch" if name else "branch"
            inside = [f"{prefix}.{inner}".rstrip(".") for inner in layers_of(module.branch)]
            if inside:
                ends[inside[-1]] = name
    return ends


def following_activations(
    model: nn.Module, sample: Tensor | tuple[Any, ...] | None = None
) -> dict[str, str]:
    """The name of the activation each layer's output goes through, "linear" where none does.

    With `sample`, an input batch or a tuple of arguments, one forward pass in eval mode follows the
    tensors, functions such as `F.relu` included. Without it the order of registration decides; a
    model that registers no activation at all is then taken to use relu.

    >>> following_activations(nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2)))
    {'0': 'tanh', '2': 'linear'}
    """
    layers = layers_of(model)
    found = _registered(model) if sample is None else _traced(model, layers, sample)
    result = {name: found.get(name, "linear") for name in layers}
    has_activation = any(activation_name(module) for module in model.modules())
    if sample is None and not has_activation:
        result = {name: "relu" if name != head_name(model) else "linear" for name in layers}
    return result


def _registered(model: nn.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    previous: str | None = None
    for name, module in model.named_modules():
        if isinstance(module, LAYER_TYPES):
            previous = name
        elif previous is not None and (activation := activation_name(module)) is not None:
            found[previous] = activation
            previous = None
    modules = dict(model.named_modules())
    for end, block in branch_ends(model).items():  # a shortcut's layers stand between the two
        activation = activation_name(modules[block].get_submodule("activation"))
        if activation is not None:
            found[end] = activation
    return found


class _Follow(TorchFunctionMode):
    """Carry with each tensor the layers it comes from, until an activation ends them."""

    def __init__(self, layers: dict[str, Layer]):
        super().__init__()
        self.by_weight = {id(module.weight): name for name, module in layers.items()}
        self.found: dict[str, str] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
        kwargs = kwargs or {}
        inputs = list(_tensors((args, kwargs)))
        sources = {name for tensor in inputs for name in getattr(tensor, "_sources", ())}
        result = func(*args, **kwargs)
        activation = FUNCTIONS.get(getattr(func, "__name__", ""))
        layer = {self.by_weight[id(t)] for t in inputs if id(t) in self.by_weight}
        if layer and getattr(func, "__name__", "") != "__get__":
            sources = layer
        elif activation is not None:
            for name in sources:
                self.found.setdefault(name, activation)
            sources = set()
        for tensor in _tensors(result):
            if id(tensor) not in self.by_weight:
                tensor._sources = frozenset(sources)  # pyright: ignore[reportAttributeAccessIssue]
        return result


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


@torch.no_grad()
def _traced(
    model: nn.Module, layers: dict[str, Layer], sample: Tensor | tuple[Any, ...]
) -> dict[str, str]:
    arguments = sample if isinstance(sample, tuple) else (sample,)
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with _Follow(layers) as follow:
            model(*(a.clone() if isinstance(a, Tensor) else a for a in arguments))
    finally:
        for module, mode in training.items():
            module.training = mode
    # A network without Maxout may use torch.maximum for anything.
    has_maxout = any(isinstance(module, Maxout) for module in model.modules())
    return {n: a for n, a in follow.found.items() if a != "maxout" or has_maxout}
