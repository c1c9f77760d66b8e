"""What goes into the models: scale, channels, labels, fingerprints, neighbours, repetitions."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from steadygrad.monitor.attributes import kept_dtype
from steadygrad.monitor.statistics import Pending, describe, is_plain
from steadygrad.record import Batch

EXAMPLES = 256
LABELS = 512
FEATURES = 128
"""Numbers of an example its fingerprint is made of."""
NEIGHBOURS = 600
MIN_NEIGHBOURS = 300
MAX_CLASSES = 50
PERIOD_LIMIT = 20_000
"""Batches of which a trace is kept to notice a repetition."""


def main_input(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    """The tensor a model is mainly given: the first floating one, else the first one."""
    tensors: list[Tensor] = []
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            tensors.append(value)
        elif isinstance(value, list | tuple):
            tensors += [item for item in value if isinstance(item, Tensor)]
        elif isinstance(value, dict):
            tensors += [item for item in value.values() if isinstance(item, Tensor)]
    plain = [tensor for tensor in tensors if is_plain(tensor) and tensor.dim()]
    return next((t for t in plain if t.is_floating_point()), next(iter(plain), None))


def measure(images: Tensor, batch: Batch, pending: Pending) -> None:
    """Fill in what `Batch` holds about the numbers of a model's input."""
    batch.size, batch.shape = int(images.shape[0]), list(images.shape)
    batch.dtype = kept_dtype(images)
    base = images._base if images._base is not None else images
    batch.shares_memory = images.untyped_storage().nbytes() > 2 * images.numel() * (
        images.element_size()
    ) or (base is not images and base.numel() > images.numel())
    batch.examples = fingerprints(images)
    batch.fingerprint = f"{hash((tuple(batch.examples), batch.size)) & (2**64 - 1):016x}"
    if not images.is_floating_point():
        low, high = torch.aminmax(images)
        pending.put(batch.inputs, "min", low.float())
        pending.put(batch.inputs, "max", high.float())
        return
    numbers = describe(images, batch.inputs, pending)
    if images.dim() in (3, 4) and images.shape[1] <= 16:
        dims = [0, *range(2, numbers.dim())]
        var, mean = torch.var_mean(numbers, dim=dims, correction=0)
        batch.channel_means = mean.tolist()
        batch.channel_stds = var.sqrt().tolist()
    elif images.dim() == 2 and images.shape[0] > 1:
        stds = numbers.std(0)
        middle = float(stds.median())
        batch.inputs["feature_std_ratio"] = float(stds.max()) / middle if middle else math.inf


def fingerprints(images: Tensor) -> list[int]:
    """An exact fingerprint per example, of whole-number arithmetic; 0 where nothing varies.

    >>> a, b, c = fingerprints(torch.tensor([[1.0, 2.0], [1.0, 2.0], [3.0, 3.0]]))
    >>> a == b, c
    (True, 0)
    """
    rows = images.detach()[:EXAMPLES].flatten(1) if images.dim() > 1 else images.detach()[:, None]
    rows = rows[:, :: max(1, rows.shape[1] // FEATURES)]
    if rows.is_floating_point():
        bits = (rows.float() + 0.0).contiguous().view(torch.int32).to(torch.int64)
    else:
        bits = rows.to(torch.int64)
    # Odd multipliers spread over 64 bits (golden ratio); sums wrap around, the same on any device.
    places = torch.arange(1, bits.shape[1] + 1, device=bits.device) * 0x1E3779B97F4A7C15
    sums = (bits * (places | 1)).sum(1)
    varied = (bits != bits[:, :1]).any(1) if bits.shape[1] > 1 else torch.ones_like(sums).bool()
    return torch.where(varied, sums, torch.zeros_like(sums)).tolist()


def class_labels(target: Any) -> list[int]:
    """The class labels in a loss's target, one per example; empty for other targets."""
    if not isinstance(target, Tensor) or not is_plain(target):
        return []
    target = target.detach()
    if target.is_floating_point():
        if target.dim() == 2 and target.shape[1] == 1:
            target = target[:, 0]
        if target.dim() == 2 and bool(((target == 0) | (target == 1)).all()):
            return target.argmax(1)[:LABELS].tolist() if bool((target.sum(1) == 1).all()) else []
        head = target[:LABELS]
        if target.dim() != 1 or not bool((head == head.round()).all()) or len(head.unique()) > 20:
            return []
        return head.long().tolist()
    if target.dim() == 2 and target.shape[1] == 1:
        target = target[:, 0]
    return target[:LABELS].long().tolist() if target.dim() == 1 else []


class Neighbours:
    """Collects examples until it can tell whether near inputs have equal labels."""

    def __init__(self) -> None:
        self._inputs: list[Tensor] = []
        self._labels: list[int] = []
        self._shape: torch.Size | None = None
        self.found: dict[str, float] = {}

    def add(self, images: Tensor, labels: list[int]) -> None:
        """Keep a few of these examples."""
        if self.found or not images.is_floating_point() or len(labels) != images.shape[0]:
            return
        small = reduced(images)
        if self._shape is not None and small.shape[1:] != self._shape:
            return
        self._shape = small.shape[1:]
        self._inputs.append(small)
        self._labels += labels
        if len(self._labels) >= NEIGHBOURS:
            self.conclude()

    def conclude(self) -> None:
        """Compare each example with its nearest neighbour, once."""
        if self.found or len(self._labels) < MIN_NEIGHBOURS:
            return
        inputs, labels = torch.cat(self._inputs), torch.tensor(self._labels)
        self._inputs = []
        # The same picture twice (small data sets come round) would always agree with itself.
        kept = _first_of_each(inputs)
        inputs, labels = inputs[kept][:NEIGHBOURS], labels[kept][:NEIGHBOURS]
        counts = labels.unique(return_counts=True)[1].float()
        if len(labels) < MIN_NEIGHBOURS or not 1 < len(counts) <= MAX_CLASSES:
            self._labels = []
            return
        distances = torch.cdist(inputs, inputs)
        mean = float(distances.mean())
        nearest = distances.fill_diagonal_(math.inf).min(1)
        chance = float(((counts / counts.sum()) ** 2).sum())
        self.found = {
            "agreement": float((labels[nearest.indices] == labels).float().mean()),
            "chance": chance,
            "standard_error": math.sqrt(chance * (1 - chance) / len(labels)),
            "count": float(len(labels)),
            "distance_ratio": float(nearest.values.mean()) / mean if mean else 1.0,
        }


def reduced(images: Tensor) -> Tensor:
    """(N, …) → (N, at most ~200) float32 on the CPU: pictures averaged down to 8 by 8."""
    images = images.detach().float()
    if images.dim() == 4 and images.shape[1] <= 4:
        small = F.adaptive_avg_pool2d(images, (min(8, images.shape[2]), min(8, images.shape[3])))
        return small.flatten(1).cpu()
    rows = images.flatten(1)
    return rows[:, :: max(1, rows.shape[1] // 200)].cpu()


def _first_of_each(inputs: Tensor) -> Tensor:
    seen: set[int] = set()
    kept: list[int] = []
    for position, code in enumerate(
        code
        for start in range(0, len(inputs), EXAMPLES)
        for code in fingerprints(inputs[start : start + EXAMPLES])
    ):
        if code not in seen:
            seen.add(code)
            kept.append(position)
    return torch.tensor(kept, dtype=torch.long)


class Repetition:
    """Notices that batches come in the same order again, from a few numbers of each."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._count = 0
        self._matches = 0
        self.period = 0

    def add(self, images: Tensor) -> None:
        """Look at the next training batch; CPU tensors only, on a device it would mean a wait."""
        if images.device.type != "cpu" or not is_plain(images) or self._count > PERIOD_LIMIT:
            return
        size = images.numel()
        rows = images.detach().reshape(-1) if not images.is_contiguous() else images.view(-1)
        code = hash((tuple(rows[:: max(1, size // 24)].tolist()), tuple(images.shape)))
        last = self._seen.get(code)
        self._seen[code] = self._count
        if last is not None:
            distance = self._count - last
            self._matches = self._matches + 1 if distance == self.period else 1
            self.period = distance
        elif self.period:
            self.period = self._matches = 0
        self._count += 1

    def result(self) -> tuple[int, float]:
        """(period, times over it was seen); (0, 0) where batches don't repeat."""
        if not self.period or self._matches < self.period:
            return 0, 0.0
        return self.period, 1 + self._matches / self.period
