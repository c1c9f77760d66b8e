"""The machine: its memory, its device, its cores, and what is fast on it, found by trying."""

from __future__ import annotations

import copy
import ctypes
import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadygrad.errors import InputError, choose

# glibc, malloc.h; the values are part of its ABI.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
TOP_PAD_BYTES = 256 * 2**20

DEVICES = ("auto", "cpu", "cuda", "mps")
MEMORY_FORMATS: dict[str, torch.memory_format] = {
    "channels_last": torch.channels_last,
    "contiguous": torch.contiguous_format,
}
BF16_ADVANTAGE = 1.1
"""bf16 has 8 bits of mantissa: it must be at least a tenth faster to be chosen."""
PROBE_IMAGES = 8
"""The first trial, which says how many images a timed step can afford."""


def keep_memory() -> bool:
    """Tell glibc to keep freed memory for the next step instead of handing it back to the kernel.

    Large tensors are otherwise unmapped and faulted in anew at every step: up to half the time of a
    small network. Call it before the first large tensor. The process keeps its peak memory (up to
    1.5 times as much was seen). Returns False, with nothing changed, where the C library is not
    glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt: Any = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # A threshold of -1 is the largest there is: memory at the top of the heap is never given back.
    accepted = True
    for name, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, TOP_PAD_BYTES)):
        accepted = mallopt(name, value) == 1 and accepted
    return accepted


def choose_device(name: str = "auto") -> torch.device:
    """Find the device to train on: "cpu", "cuda", "mps", or "auto", the fastest kind present.

    Raises InputError when the machine has no such device.

    >>> choose_device("cpu")
    device(type='cpu')
    """
    kind = name.split(":")[0]
    choose("device", kind, dict.fromkeys(DEVICES, True))
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if kind == "auto":
        return torch.device(next(kind for kind, here in present.items() if here))
    if not present[kind]:
        raise InputError(f"There is no {kind} device here for torch; use --device cpu or auto.")
    return torch.device(name)


def choose_threads(threads: int = 0) -> int:
    """Say how many compute threads to use: `threads`, or for 0 the cores this process may use.

    That is the smaller of its affinity mask and its container's quota of CPU time, or
    OMP_NUM_THREADS where that is set. More threads than cores are several times slower than fewer.

    >>> choose_threads(2)
    2
    """
    if threads < 0:
        raise InputError(f"--threads is {threads}; expected 0 (all usable cores) or more.")
    if threads:
        return threads
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, cpu_quota())))


def cpu_quota(root: str | Path = "/sys/fs/cgroup", own: str | Path = "/proc/self/cgroup") -> float:
    """Cores' worth of CPU time this process's control group may use; infinity without a limit.

    Reads cgroup v2 (cpu.max of the group and of all above it) and v1 (cpu.cfs_quota_us).
    """
    root, folders = Path(root), [Path(root), Path(root) / "cpu"]
    for line in _read(Path(own)).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "cpu" in controllers.split(","):
            base = root if controllers == "" else root / "cpu"
            parts = [part for part in path.split("/") if part and part != ".."]
            folders += [base.joinpath(*parts[:end]) for end in range(1, len(parts) + 1)]
    limits = [math.inf]
    for folder in folders:
        quota = (_read(folder / "cpu.max") or "max 100000").split()
        old = (
            _read(folder / "cpu.cfs_quota_us").strip(),
            _read(folder / "cpu.cfs_period_us").strip(),
        )
        if quota[0].isdigit():
            limits.append(int(quota[0]) / int(quota[1]))
        if old[0].isdigit() and old[1].isdigit():
            limits.append(int(old[0]) / int(old[1]))
    return min(limits)


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
            if time.perf_counter() > deadline and round_number > 0:
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


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
