"""Tensor → numbers, reduced where the tensor lives; what lies on a device comes in one transfer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

SAMPLE = 1 << 13
"""Numbers that most statistics are taken of: 0.8 % error of a standard deviation."""
BINS = 24
PLAIN = (Tensor, torch.nn.Parameter, torch.nn.Buffer)


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor holds ordinary numbers that can be looked at."""
    return (
        type(tensor) in PLAIN
        and tensor.layout is torch.strided
        and tensor.device.type != "meta"
        and tensor.numel() > 0
    )


class Pending:
    """Numbers still on a device, and where they go."""

    def __init__(self) -> None:
        self._waiting: list[tuple[dict[str, float], str, Tensor]] = []

    def put(self, values: dict[str, float], key: str, number: Tensor) -> None:
        """Give `values[key]` a 0-dimensional tensor's number: at once from a CPU, later else."""
        if number.device.type == "cpu":
            values[key] = float(number.item())
        else:
            self._waiting.append((values, key, number.detach()))

    def flush(self) -> None:
        """Fetch everything that waits: one transfer and one wait per device."""
        by_device: dict[torch.device, list[tuple[dict[str, float], str, Tensor]]] = {}
        for item in self._waiting:
            by_device.setdefault(item[2].device, []).append(item)
        self._waiting = []
        for items in by_device.values():
            numbers = torch.stack([number.float() for _, _, number in items]).tolist()
            for (values, key, _), number in zip(items, numbers, strict=True):
                values[key] = number


def sample(tensor: Tensor) -> Tensor:
    """At most about SAMPLE numbers, spread over all examples and channels first."""
    tensor = tensor.detach()
    if tensor.numel() <= SAMPLE:
        return tensor
    if tensor.dim() >= 4:
        stride, width = math.ceil(tensor.numel() / SAMPLE), tensor.shape[-1]
        while math.gcd(stride, width) > 1:  # else it would meet the same columns in every row
            stride += 1
        places = tensor.flatten(2)
        tensor = places[..., :: min(stride, max(1, places.shape[-1] // 2))]
    elif tensor.dim() == 3:
        tensor = tensor[:, :: min(math.ceil(tensor.numel() / SAMPLE), tensor.shape[1])]
    if tensor.numel() > SAMPLE and tensor.dim() >= 2:
        keep = max(1, SAMPLE // max(1, tensor.numel() // tensor.shape[0]))
        if keep < 32:  # few long rows: shorten the rows instead
            tensor = tensor[..., :: math.ceil(tensor.numel() / SAMPLE)]
        else:
            tensor = tensor[:: math.ceil(tensor.shape[0] / keep)]
    elif tensor.dim() == 1:
        tensor = tensor[:: math.ceil(tensor.numel() / SAMPLE)]
    return tensor


def flat(tensor: Tensor) -> Tensor:
    """A view of all numbers in memory order; a copy only where they don't lie together."""
    tensor = tensor.detach()
    if tensor.is_contiguous():
        return tensor.view(-1)
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor.permute(0, 2, 3, 1).reshape(-1)
    return tensor.reshape(-1)


def describe(tensor: Tensor, values: dict[str, float], pending: Pending) -> Tensor:
    """mean, std, rms, min, max, zero_fraction, batch_spread of a floating tensor → `values`.

    min and max are of all numbers, the rest of a sample, which is returned as float32. NaN and
    infinities show in min and max; their share is taken then.
    """
    low, high = torch.aminmax(tensor.detach())
    pending.put(values, "min", low)
    pending.put(values, "max", high)
    numbers = sample(tensor).float()
    var, mean = torch.var_mean(numbers, correction=0)
    rms = (var + mean * mean).sqrt()
    pending.put(values, "mean", mean)
    pending.put(values, "std", var.sqrt())
    pending.put(values, "rms", rms)
    pending.put(values, "zero_fraction", 1 - torch.count_nonzero(numbers) / numbers.numel())
    if numbers.dim() >= 2 and numbers.shape[0] > 1:
        spread = numbers.flatten(1).var(0, correction=0).mean().sqrt()
        pending.put(values, "batch_spread", spread / rms.clamp_min(1e-30))
    if tensor.device.type != "cpu" or not math.isfinite(values["min"] + values["max"]):
        pending.put(values, "non_finite_fraction", non_finite_fraction(tensor))
    return numbers


def non_finite_fraction(tensor: Tensor) -> Tensor:
    """Share of NaN and infinities."""
    return (~torch.isfinite(tensor.detach())).float().mean()


def histogram(numbers: Tensor) -> list[float]:
    """Shares of BINS equal bins between the smallest and the largest; [] where that fails."""
    numbers = numbers.float().cpu()
    if not bool(torch.isfinite(numbers).all()):
        return []
    counts = torch.histc(numbers, BINS)
    return [round(share, 5) for share in (counts / numbers.numel()).tolist()]


def norms(tensors: Sequence[Tensor]) -> list[float]:
    """L2 norm of each tensor, in one transfer per device."""
    dense = [t.detach() for t in tensors]
    values: list[dict[str, float]] = [{} for _ in dense]
    pending = Pending()
    for value, norm in zip(values, torch._foreach_norm(dense), strict=True):  # type: ignore[attr-defined]
        pending.put(value, "norm", norm)
    pending.flush()
    return [value["norm"] for value in values]
