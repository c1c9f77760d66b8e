"""Muon: momentum whose update is made orthogonal, for the filters inside a network."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of x -> ax + bx^3 + cx^5, chosen by Jordan (2024) to lift small singular values
fast: they end between about 0.7 and 1.2, not at 1, which training does not mind."""
NEWTON_SCHULZ_STEPS = 3
"""Enough for training (Jordan 2024 takes 3 to 5); every step is time in every update."""
UPDATE_RMS = 0.2
"""Root mean square of an update over the rate, for matrices whose size matters: that of AdamW in
practice (Liu et al. 2025, section 2.2)."""


class Muon(torch.optim.Optimizer):
    """Orthogonalised Nesterov momentum for matrices, Nesterov's for all other parameters, as one.

    A group with "orthogonal": True is updated by Muon, its filters (out, in, h, w) taken as
    matrices (out, in*h*w); any other group by plain Nesterov momentum. In a group with "sphere":
    True (filters a norm follows, whose size has no effect) each filter bank is also kept at norm
    sqrt(out) and the rate is the share it turns by in an update (Jordan 2024, airbench94_muon);
    there weight decay has nothing to do and is left out. Elsewhere the decay is decoupled for
    matrices, w <- (1 - lr * weight_decay) * w, and added to the gradient for the rest.
    Works from torch 2.6, which has no Muon of its own (torch.optim.Muon, from 2.9, takes matrices
    only and leaves the rest to a second optimiser).

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".

    >>> weight = torch.nn.Parameter(torch.zeros(4, 3, 2, 2))
    >>> optimizer = Muon([{"params": [weight], "orthogonal": True}], lr=0.1)
    >>> weight.grad = torch.randn(4, 3, 2, 2)
    >>> optimizer.step()
    """

    def __init__(
        self,
        params: Any,
        lr: float = 3e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "orthogonal": False,
            "sphere": False,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Do one update; parameters without a gradient (frozen ones) are left as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            if group["orthogonal"]:
                self._update_matrices(parameters, group)
            else:
                self._update_others(parameters, group)
        return loss

    def _update_matrices(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        momentum, sphere = group["momentum"], group["sphere"]
        if group["weight_decay"] and not sphere:
            torch._foreach_mul_(parameters, 1.0 - group["lr"] * group["weight_decay"])
        by_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for parameter, direction in self._directions(parameters, momentum):
            # reshape, not view: a filter in channels_last memory has no (out, in*h*w) view.
            update = direction.reshape(len(parameter), -1)
            by_shape[update.shape].append((parameter, update))
        for (rows, columns), pairs in by_shape.items():
            # One batched product for all filters of a shape: far fewer, larger kernels.
            updates = orthogonalize(torch.stack([update for _, update in pairs]))
            size = group["lr"] * (1.0 if sphere else UPDATE_RMS * math.sqrt(max(rows, columns)))
            for (parameter, _), update in zip(pairs, updates, strict=True):
                if sphere:
                    parameter.mul_(math.sqrt(rows) / parameter.norm().clamp_min(1e-12))
                parameter.sub_(update.view(parameter.shape), alpha=size)

    def _update_others(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        pairs = list(self._directions(parameters, group["momentum"], group["weight_decay"]))
        torch._foreach_add_(
            [parameter for parameter, _ in pairs],
            [direction for _, direction in pairs],
            alpha=-group["lr"],
        )

    def _directions(
        self, parameters: list[Tensor], momentum: float, decay: float = 0.0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Nesterov momentum as torch.optim.SGD has it: b <- m b + g, direction g + m b.

        With `decay` times the weight added to g, in a copy: `.grad` stays the loss's gradient.
        """
        for parameter in parameters:
            state, gradient = self.state[parameter], parameter.grad
            assert gradient is not None
            if decay:
                gradient = gradient.add(parameter, alpha=decay)
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
            buffer = state["momentum_buffer"].mul_(momentum).add_(gradient)
            yield parameter, gradient.add(buffer, alpha=momentum)


def orthogonalize(matrices: Tensor, steps: int = NEWTON_SCHULZ_STEPS) -> Tensor:
    """Bring all singular values of each matrix near 1, keeping its singular vectors.

    `matrices` is (..., rows, columns) of any float type; the result has its shape and type. A zero
    matrix stays zero. The iteration X <- (a + b XX' + c (XX')^2) X runs on XX' alone, a square
    of the shorter side, and meets X only at its ends: a fifth of the work where X is wide. That
    squares the singular values, hence float32 throughout.
    Source: Jordan 2024; Björck and Bowie 1971 for the iteration.

    >>> values = torch.linalg.svdvals(orthogonalize(torch.eye(3, 5) + 0.1))
    >>> bool(values.min() > 0.5 and values.max() < 1.3)
    True
    """
    a, b, c = NEWTON_SCHULZ
    x = matrices.float()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    # The Frobenius norm bounds the largest singular value, which the iteration needs below 1.
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-20)
    gram = x @ x.mT
    identity = torch.eye(gram.shape[-1], device=x.device)
    product = a * identity + b * gram + c * gram @ gram
    factor = product
    for _ in range(steps - 1):
        gram = factor @ gram @ factor
        factor = a * identity + b * gram + c * gram @ gram
        product = factor @ product
    x = product @ x
    return (x.mT if tall else x).to(matrices.dtype)
