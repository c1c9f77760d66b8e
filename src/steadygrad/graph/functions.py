"""What an expression may call: functions of torch by name, and nothing else."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Function:
    """One function with how many tensors it takes."""

    run: Callable[..., Tensor]
    fewest: int = 1
    most: int = 1


def _over_last(function: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        return function(x, dim=-1) if x.dim() else function(x, dim=0)

    return run


def _extreme(both: Callable[..., Tensor], all_of: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def run(*xs: Tensor) -> Tensor:
        if len(xs) == 1:
            return all_of(xs[0])
        result = xs[0]
        for x in xs[1:]:
            result = both(result, x)
        return result

    return run


def _cross_entropy(scores: Tensor, label: Tensor) -> Tensor:
    return F.cross_entropy(scores, label.detach().long())


_ELEMENTWISE = (
    "sigmoid tanh relu exp expm1 log log1p log2 log10 sqrt rsqrt square abs sin cos tan sinh cosh "
    "asin acos atan erf reciprocal sign"
)
_ACTIVATIONS = (
    "leaky_relu elu selu gelu silu mish softplus softsign hardtanh hardsigmoid hardswish relu6 "
    "logsigmoid"
)
_OF_ALL = "sum mean prod norm var std"
_BOTH = "maximum minimum atan2 dot outer mse_loss l1_loss"

FUNCTIONS: dict[str, Function] = {
    **{name: Function(getattr(torch, name)) for name in _ELEMENTWISE.split()},
    **{name: Function(getattr(F, name)) for name in _ACTIVATIONS.split()},
    **{name: Function(getattr(torch, name)) for name in _OF_ALL.split()},
    **{
        name: Function(getattr(F if name.endswith("loss") else torch, name), 2, 2)
        for name in _BOTH.split()
    },
    "softmax": Function(_over_last(torch.softmax)),
    "log_softmax": Function(_over_last(torch.log_softmax)),
    "logsumexp": Function(_over_last(torch.logsumexp)),
    "max": Function(_extreme(torch.maximum, torch.max), 1, 9),
    "min": Function(_extreme(torch.minimum, torch.min), 1, 9),
    "matmul": Function(torch.matmul, 2, 2),
    "pow": Function(torch.pow, 2, 2),
    "transpose": Function(lambda x: x.mT if x.dim() > 1 else x),
    "cross_entropy": Function(_cross_entropy, 2, 2),
    "σ": Function(torch.sigmoid),
}
"""Name in an expression → what runs. `max` and `min` of one value are over its numbers."""

CONSTANTS = {"pi": math.pi, "e": math.e, "π": math.pi}

OPERATORS: dict[type[ast.AST], tuple[str, Callable[..., Tensor]]] = {
    ast.Add: ("+", torch.add),
    ast.Sub: ("−", torch.sub),
    ast.Mult: ("×", torch.mul),
    ast.Div: ("÷", torch.div),
    ast.Pow: ("^", torch.pow),
    ast.MatMult: ("@", torch.matmul),
    ast.USub: ("neg", torch.neg),
}
"""What Python's operators mean, and how they are drawn."""
