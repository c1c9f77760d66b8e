"""What a rule must know of one call: its dimension, probability, mode, the shape of its loss."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from torch import Tensor, nn

from steadygrad.rules.graph import LOSSES

WEIGHT_ARGUMENT = {
    "linear": "weight", "conv1d": "weight", "conv2d": "weight", "conv3d": "weight",
    "conv_transpose1d": "weight", "conv_transpose2d": "weight", "conv_transpose3d": "weight",
    "embedding": "weight", "bilinear": "weight", "batch_norm": "weight", "layer_norm": "weight",
    "group_norm": "weight", "instance_norm": "weight", "rms_norm": "weight", "prelu": "weight",
}  # fmt: skip
POSITIONS: dict[str, tuple[str, ...]] = {
    "linear": ("input", "weight", "bias"),
    "embedding": ("input", "weight"),
    "conv1d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "conv2d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "conv3d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "softmax": ("input", "dim"),
    "log_softmax": ("input", "dim"),
    "relu": ("input",),
    "clamp": ("input", "min", "max"),
    "sum": ("input", "dim", "keepdim"),
    "mean": ("input", "dim", "keepdim"),
    "argmax": ("input", "dim", "keepdim"),
    "max": ("input", "dim", "keepdim"),
    "pow": ("input", "exponent"),
    "max_pool": ("input", "kernel_size", "stride"),
    "avg_pool": ("input", "kernel_size", "stride"),
    "flatten": ("input", "start_dim", "end_dim"),
    "cat": ("tensors", "dim"),
    "prelu": ("input", "weight"),
}
"""Argument names of functions written in C, which Python can't be asked for."""
for _dims in (1, 2, 3):
    POSITIONS[f"conv_transpose{_dims}d"] = (
        "input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation",
    )  # fmt: skip


def bind(name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    """Arguments of a call by their names, as far as they are known; defaults are left out."""
    names = _parameters(function) or POSITIONS.get(name, ("input",))
    bound = dict(zip(names, args, strict=False))
    bound.update(kwargs)
    return bound


@cache
def _parameters(function: Callable[..., Any]) -> tuple[str, ...] | None:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None


def attributes_of(name: str, bound: dict[str, Any], module: nn.Module | None) -> dict[str, Any]:
    """The attributes docs/monitor.md lists for an operation, of its arguments by name."""
    found: dict[str, Any] = {
        key: value for key, value in bound.items() if isinstance(value, bool | int | float | str)
    }
    if name in ("softmax", "log_softmax"):
        data = bound.get("input")
        dim = bound.get("dim")
        found = {"dim": dim}
        if isinstance(data, Tensor) and data.dim():
            # The implicit choice of old code: 0 for 0, 1 and 3 dimensions, else 1.
            chosen = dim if isinstance(dim, int) else (0 if data.dim() in (0, 1, 3) else 1)
            found["size"] = data.shape[chosen]
    elif name in ("batch_norm", "instance_norm"):
        found = _norm(bound, name)
    elif name in ("dropout", "alpha_dropout", "feature_dropout"):
        found = {
            "p": float(bound.get("p", 0.5)),
            "training": bool(bound.get("training", True)),
            "functional": not isinstance(module, nn.modules.dropout._DropoutNd),
        }
        if module is not None:
            found["module_training"] = module.training
    elif name in LOSSES:
        found = _loss(name, bound)
    weight = bound.get(WEIGHT_ARGUMENT.get(name, ""))
    if isinstance(weight, Tensor):
        found["weight_shape"] = list(weight.shape)
        found["has_bias"] = isinstance(bound.get("bias"), Tensor)
    if name.startswith("conv"):
        found.setdefault("groups", 1)
        if isinstance(weight, Tensor):
            found["kernel"] = list(weight.shape[2:])
        stride = bound.get("stride", 1)
        found["stride"] = list(stride) if isinstance(stride, list | tuple) else stride
    return found


def _norm(bound: dict[str, Any], name: str) -> dict[str, Any]:
    weight, bias = bound.get("weight"), bound.get("bias")
    # A scale fixed on purpose beside a bias that learns (Jordan 2024) is no frozen norm.
    learns = any(isinstance(each, Tensor) and each.requires_grad for each in (weight, bias))
    training = bound.get("training" if name == "batch_norm" else "use_input_stats", False)
    momentum = bound.get("momentum")
    return {
        "training": bool(training),
        "momentum": None if momentum is None else float(momentum),
        "eps": float(bound.get("eps", 1e-5)),
        "has_weight": isinstance(weight, Tensor),
        "frozen": isinstance(weight, Tensor) and not learns,
        "running": isinstance(bound.get("running_mean"), Tensor),
    }


def _loss(name: str, bound: dict[str, Any]) -> dict[str, Any]:
    data, target = bound.get("input"), bound.get("target")
    smoothing = bound.get("label_smoothing", 0.0)
    found: dict[str, Any] = {
        "reduction": str(bound.get("reduction", "mean")),
        "label_smoothing": float(smoothing or 0.0),
        "weighted": isinstance(bound.get("weight"), Tensor)
        or isinstance(bound.get("pos_weight"), Tensor),
        "ignore_index": bound.get("ignore_index", -100),
    }
    if name == "kl_div":
        found["log_target"] = bool(bound.get("log_target", False))
    if isinstance(target, Tensor):
        found["target_dtype"] = str(target.dtype).removeprefix("torch.")
    if isinstance(data, Tensor) and data.dim():
        classes = data.shape[1] if data.dim() > 1 else data.shape[0]
        found["num_classes"] = int(classes)
    return found


def plain_name(name: str, bound: dict[str, Any]) -> str:
    """The name by what the call does: `clamp(min=0)` and `maximum(x, 0)` are a relu."""
    if name == "clamp" and bound.get("min") == 0 and bound.get("max") is None:
        return "relu"
    if name == "clamp" and bound.get("min") == 0 and bound.get("max") == 6:
        return "relu6"
    if name == "threshold" and bound.get("threshold") == 0 and bound.get("value") == 0:
        return "relu"
    if name == "maximum":
        other = bound.get("other")
        if isinstance(other, Tensor) and other.numel() == 1 and other.device.type == "cpu":
            return "relu" if float(other) == 0 else name
    return name


def is_trainable(value: object) -> bool:
    """Whether a tensor is a leaf that learns."""
    return isinstance(value, Tensor) and value.requires_grad and is_leaf(value)


def is_leaf(tensor: Tensor) -> bool:
    """Whether a tensor is no result of the graph.

    Torch refuses to say so of a view made without gradients whose base was changed since.
    """
    try:
        return tensor.is_leaf
    except RuntimeError:
        return True


def is_weight(value: object) -> bool:
    """Whether a tensor is a weight: a Parameter, frozen or not, or a leaf that learns."""
    return isinstance(value, nn.Parameter) or is_trainable(value)


def tensors_in(values: Any) -> list[Tensor]:
    """Tensors among arguments, those in lists and tuples included."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif type(value) in (list, tuple):
            found += [item for item in value if isinstance(item, Tensor)]
    return found


def kept_dtype(tensor: Tensor) -> str:
    """A dtype's short name.

    >>> import torch
    >>> kept_dtype(torch.zeros(1))
    'float32'
    """
    return str(tensor.dtype).removeprefix("torch.")
