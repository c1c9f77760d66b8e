"""What is measured of one operation's result: layer statistics, dead units, norms, losses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from steadygrad.monitor.nodes import Node, Values
from steadygrad.monitor.statistics import Pending, describe, flat, histogram, is_plain, sample
from steadygrad.rules.graph import ACTIVATIONS, LOSSES, NORMS, WEIGHTED, names

RECTIFIERS = frozenset({"relu", "relu6", "threshold"})
SATURATING = {"tanh": 0.97, "sigmoid": 0.97}
RISKY = names("log log1p log2 sqrt rsqrt div pow exp reciprocal norm std var acos asin")
"""Operations that make NaN and infinities of finite numbers."""
RECURRENT = frozenset({"lstm", "gru", "rnn"})
MEASURED = (
    WEIGHTED | NORMS | ACTIVATIONS | RECURRENT | {"softmax", "log_softmax", "attention", "add"}
)
DEAD_WINDOW = 2000
"""Examples; two such windows in turn are kept."""
CHANNEL_SAMPLE, FEWEST_CHANNELS = 1 << 17, 8
"""Numbers, and channels at least, that a norm's statistics of the batch are taken of."""
HISTOGRAM_EVERY = 5
"""Watched steps between two histograms of a layer."""


class DeadUnits:
    """Which units of a rectifier were active for any of the last examples."""

    def __init__(self) -> None:
        self._active: Tensor | None = None
        self._earlier: Tensor | None = None
        self._count = self._earlier_count = 0

    def add(self, result: Tensor, channel_dim: int) -> tuple[float, float] | None:
        """Take in a batch; (share of units never active, examples looked at)."""
        if result.dim() < 2:
            return None
        dim = 1 if result.dim() == 2 else channel_dim % result.dim()
        others = [d for d in range(result.dim()) if d != dim]
        active = result.detach().amax(others) > 0
        if self._active is None or self._active.shape != active.shape:
            self._active, self._earlier, self._count, self._earlier_count = active, None, 0, 0
        else:
            self._active = self._active | active
        self._count += result.shape[0]
        seen = self._active if self._earlier is None else self._active | self._earlier
        count = self._count + self._earlier_count
        if self._count >= DEAD_WINDOW:
            self._earlier, self._earlier_count = self._active, self._count
            self._active, self._count = None, 0
            self._active = torch.zeros_like(seen)
        return 1.0 - float(seen.float().mean()), float(count)


def measure_result(node: Node, result: Tensor, pending: Pending, with_histogram: bool) -> bool:
    """Statistics of a result that rules ask for; whether its gradient is worth knowing too."""
    if not is_plain(result) or not result.is_floating_point():
        return False
    if node.name in RISKY or (node.name in LOSSES and result.numel() == 1):
        low, high = torch.aminmax(result.detach())
        pending.put(node.values, "min", low)
        pending.put(node.values, "max", high)
        if result.device.type != "cpu" or not abs(node.values["min"] + node.values["max"]) < 1e38:
            bad = (~torch.isfinite(result.detach())).float().mean()
            pending.put(node.values, "non_finite_fraction", bad)
        return False
    if node.name not in MEASURED or result.numel() < 2:
        return False
    numbers = describe(result, node.values, pending)
    limit = SATURATING.get(node.name)
    if limit is not None:
        low = -limit if node.name == "tanh" else 1 - limit
        share = ((numbers > limit) | (numbers < low)).float().mean()
        pending.put(node.values, "saturated_fraction", share)
    if with_histogram and node.name != "add":
        node.histogram = histogram(numbers)
    return node.name != "add" or result.requires_grad


def norm_gap(bound: dict[str, Any], values: Values) -> None:
    """How far the running statistics of a norm are from those of this batch."""
    data, mean, var = bound.get("input"), bound.get("running_mean"), bound.get("running_var")
    if not isinstance(data, Tensor) or not is_plain(data):
        return
    values["values_per_channel"] = data.numel() / data.shape[1] if data.dim() > 1 else 0.0
    if not isinstance(mean, Tensor) or not isinstance(var, Tensor):
        return
    if data.dim() < 2 or data.shape[1] != mean.numel():
        return
    # Some channels, but all positions: padded borders differ from the middle.
    stride = max(1, min(data.numel() // CHANNEL_SAMPLE, data.shape[1] // FEWEST_CHANNELS))
    numbers = data.detach()[:, ::stride].float()
    mean, var = mean[::stride], var[::stride]
    dims = [0, *range(2, numbers.dim())]
    batch_var, batch_mean = torch.var_mean(numbers, dim=dims, correction=0)
    deviation = var.float().clamp_min(1e-12).sqrt()
    gap = ((batch_mean - mean.float()) / deviation).square().mean().sqrt()
    ratio = (batch_var / var.float().clamp_min(1e-12)).median()
    values["running_mean_gap"], values["running_var_ratio"] = float(gap), float(ratio)


def loss_values(name: str, bound: dict[str, Any], result: Tensor | None, values: Values) -> None:
    """What went into a loss and came out of it."""
    data, target = bound.get("input"), bound.get("target")
    if result is not None and result.numel() == 1:
        values["value"] = float(result.detach())
    if isinstance(data, Tensor) and is_plain(data) and data.is_floating_point():
        _prediction(data.detach(), values)
    if isinstance(target, Tensor) and is_plain(target):
        numbers = flat(target)[: 1 << 14]
        low, high = torch.aminmax(target.detach())
        values["target_min"], values["target_max"] = float(low), float(high)
        values["target_distinct"] = float(len(numbers.unique()))
        values["target_integral"] = float(bool((numbers == numbers.round()).all()))
        if isinstance(data, Tensor) and is_plain(data):
            _accuracy(name, data.detach(), target.detach(), values)


def _prediction(data: Tensor, values: Values) -> None:
    low, high = torch.aminmax(data)
    values["input_min"], values["input_max"] = float(low), float(high)
    if data.dim() >= 2 and data.shape[0] > 1:
        numbers = sample(data).float()
        rms = float(numbers.square().mean().sqrt())
        spread = float(numbers.flatten(1).var(0, correction=0).mean().sqrt())
        values["input_batch_spread"] = spread / rms if rms else 0.0
        values["input_batch_std"] = spread
    if data.dim() >= 2 and data.shape[1] > 1:
        rows = data[:256].float()
        values["input_row_sum_deviation"] = float((rows.sum(1) - 1).abs().max())
        values["input_exp_row_sum_deviation"] = float((rows.exp().sum(1) - 1).abs().max())


def _accuracy(name: str, data: Tensor, target: Tensor, values: Values) -> None:
    if name in ("cross_entropy", "nll_loss") and data.dim() >= 2 and data.shape[1] > 1:
        predicted = data.argmax(1)
        truth = target if not target.is_floating_point() else target.argmax(1)
        if truth.shape != predicted.shape:
            return
        counts = torch.bincount(predicted.flatten(), minlength=data.shape[1])
        values["majority_share"] = float(counts.max() / counts.sum())
    elif name.startswith("binary_cross_entropy") and data.shape == target.shape:
        predicted = data > (0.5 if name == "binary_cross_entropy" else 0)
        truth = target > 0.5
        share = float(predicted.float().mean())
        values["majority_share"] = max(share, 1 - share)
    else:
        return
    values["accuracy"] = float((predicted == truth).float().mean())
