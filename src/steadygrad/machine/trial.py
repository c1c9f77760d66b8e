"""What is fast for one network on this machine, found by trying."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadygrad.errors import choose

MEMORY_FORMATS: dict[str, torch.memory_format] = {
    "channels_last": torch.channels_last,
    "contiguous": torch.contiguous_format,
}
BF16_ADVANTAGE = 1.1
"""bf16 has 8 bits of mantissa: it must be at least a tenth faster to be chosen."""
FEWEST_ROUNDS = 3
"""Each way is timed at least so often: on a busy machine one time says nothing."""
PROBE_IMAGES = 8
"""The first trial, which says how many images a timed step can afford."""


def arrange(inputs: Tensor, memory_format: str) -> Tensor:
    """Lay (N, C, H, W) out in memory as asked, copying only where needed.

    One channel is the trap: such a tensor counts as both layouts, and convolutions go by its
    strides, so these are spelled out.

    >>> arrange(torch.zeros(2, 1, 4, 4), "channels_last").stride()
    (16, 1, 4, 1)
    """
    inputs = inputs.contiguous(memory_format=MEMORY_FORMATS[memory_format])
    if inputs.shape[1] != 1:
        return inputs
    _, _, height, width = inputs.shape
    between = 1 if memory_format == "channels_last" else height * width
    return inputs.as_strided(inputs.shape, (height * width, between, width, 1))


@dataclass
class Probe:
    """What a short trial found: the fastest way to train this network on this device."""

    precision: str
    memory_format: str
    images_per_second: float
    """Of forward, backward and a plain update, in the way chosen, data not included."""
    table: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """One row per way tried: precision, memory_format, images_per_second."""
    sentence: str = ""


def probe(
    classifier: nn.Module,
    images: Tensor,
    device: torch.device | str = "cpu",
    *,
    precision: str = "auto",
    memory_format: str = "auto",
    seconds: float = 3.0,
) -> Probe:
    """Time a few training steps in fp32 and bf16, contiguous and channels_last; pick the fastest.

    `images` is a batch as training gets it (B, C, H, W), pixels 0–255. The trials run on a copy of
    the network with made-up labels; the network and torch's generators stay as they were. A
    `precision` or `memory_format` other than "auto" is kept, the rest probed. Takes about
    `seconds`, more only where 20 training steps of 8 pictures do.
    """
    device = torch.device(device)
    precisions = ("fp32", "bf16") if precision == "auto" else (precision,)
    formats = ("contiguous", "channels_last") if memory_format == "auto" else (memory_format,)
    deadline = time.perf_counter() + seconds
    gpus = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        trials = [_Trial(classifier, images, device, *way) for way in product(precisions, formats)]
        for trial in trials:
            trial.time(PROBE_IMAGES)  # the first step also builds kernels
        first = min(trial.time(PROBE_IMAGES) for trial in trials)
        # Four rounds of every trial in what is left, and no step shorter than timing is exact.
        step_seconds = max(0.0, deadline - time.perf_counter()) / (4 * len(trials))
        num_images = int(step_seconds / first * PROBE_IMAGES)
        num_images = min(len(images), max(PROBE_IMAGES, num_images))
        best = [math.inf] * len(trials)
        for round_number in range(100):
            for index, trial in enumerate(trials):
                taken = trial.time(num_images)
                if round_number > 0:  # nor does the first at a new size count
                    best[index] = min(best[index], taken)
            if time.perf_counter() > deadline and round_number >= FEWEST_ROUNDS:
                break
    return _verdict(trials, [num_images / taken for taken in best], device)


class _Trial:
    """One way of training, on a copy of the network of its own."""

    def __init__(
        self,
        classifier: nn.Module,
        images: Tensor,
        device: torch.device,
        precision: str,
        memory_format: str,
    ) -> None:
        self.precision, self.memory_format = precision, memory_format
        layout = (
            torch.channels_last if memory_format == "channels_last" else torch.contiguous_format
        )
        model = copy.deepcopy(classifier).to(device).train()
        layout = choose("memory format", memory_format, MEMORY_FORMATS)
        model.to(memory_format=layout)  # pyright: ignore[reportCallIssue] (torch's stub)
        self._model = model
        self._images = images.to(device)
        self._device, self._bf16 = device, precision == "bf16"

    def time(self, num_images: int) -> float:
        """Seconds of one training step on the first `num_images`; infinity where it can't run."""
        _wait(self._device)
        begin = time.perf_counter()
        try:
            inputs = self._model.get_submodule("preprocess")(self._images[:num_images])
            inputs = arrange(inputs, self.memory_format)
            with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16):
                logits = self._model.get_submodule("network")(inputs)
            labels = torch.arange(len(logits), device=self._device) % logits.shape[1]
            F.cross_entropy(logits.float(), labels).backward()
        except (RuntimeError, NotImplementedError):
            if self._bf16:  # a device without bf16 kernels: this way is out, the others stand
                return math.inf
            raise
        with torch.no_grad():
            for parameter in self._model.parameters():
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=0.0)
                    parameter.grad = None
        _wait(self._device)
        return time.perf_counter() - begin


def _verdict(trials: list[_Trial], speeds: list[float], device: torch.device) -> Probe:
    rows = [
        {
            "precision": trial.precision,
            "memory_format": trial.memory_format,
            "images_per_second": round(speed, 1),
        }
        for trial, speed in zip(trials, speeds, strict=True)
    ]

    def worth(row: dict[str, Any]) -> float:
        return row["images_per_second"] / (BF16_ADVANTAGE if row["precision"] == "bf16" else 1.0)

    chosen = max(rows, key=worth)
    plain = next((r for r in rows if r["precision"] == "fp32"), rows[0])
    ratio = chosen["images_per_second"] / max(plain["images_per_second"], 1e-9)
    sentence = (
        f"{chosen['precision']} and {chosen['memory_format']} on {device.type}: "
        f"{chosen['images_per_second']:,.0f} images/s"
    )
    if chosen is not plain:
        name = f"{plain['precision']} {plain['memory_format']}"
        sentence += f", {ratio:.2f} times {name} ({plain['images_per_second']:,.0f})"
    return Probe(
        chosen["precision"],
        chosen["memory_format"],
        chosen["images_per_second"],
        rows,
        sentence + ".",
    )


def _wait(device: torch.device) -> None:
    waits: dict[str, Callable[[], None]] = {
        "cuda": torch.cuda.synchronize,
        "mps": torch.mps.synchronize,
    }
    if device.type in waits:
        waits[device.type]()
