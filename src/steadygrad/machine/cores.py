"""The device and the cores: what is there, and how many threads are worth while."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from steadygrad.errors import InputError, choose

DEVICES = ("auto", "cpu", "cuda", "mps")
THREADS_ADVANTAGE = 1.1
"""So much faster must fewer threads be, or a later quiet moment is wasted."""


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


def probe_threads(limit: int, seconds: float = 0.6) -> int:
    """Find how many threads up to `limit` compute fastest at this moment; leaves that number set.

    Where other work shares the cores, every parallel region waits for its slowest thread, and few
    threads beat many: on four busy cores one thread was 35 times as fast as four. Times a small
    convolution with `limit` threads, half of that, and so on, in turn; a number must be a tenth
    faster than the next larger one to replace it.
    """
    counts = [limit]
    while counts[-1] > 1:
        counts.append(counts[-1] // 2)
    if limit == 1:
        torch.set_num_threads(1)
        return 1
    with torch.random.fork_rng(devices=[]):
        images, weight = torch.randn(16, 64, 32, 32), torch.randn(64, 64, 3, 3, requires_grad=True)
    best = dict.fromkeys(counts, math.inf)
    deadline = time.perf_counter() + seconds
    rounds = 0
    while rounds < 2 or time.perf_counter() < deadline:
        for count in counts:
            torch.set_num_threads(count)
            begin = time.perf_counter()
            F.relu(F.conv2d(images, weight, padding=1)).sum().backward()
            # The first round builds kernels and threads. Of the others a running mean: waiting
            # for a core comes in bursts, which the best time alone would hide.
            if rounds > 0:
                taken = time.perf_counter() - begin
                best[count] = taken if math.isinf(best[count]) else 0.7 * best[count] + 0.3 * taken
        rounds += 1
    chosen = limit
    for count in counts[1:]:
        if best[count] < best[chosen] / THREADS_ADVANTAGE:
            chosen = count
    torch.set_num_threads(chosen)
    return chosen


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


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
