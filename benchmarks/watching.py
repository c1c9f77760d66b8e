"""What watching costs: whole-script time and peak memory, watched, unwatched and with peers.

    python benchmarks/watching.py [--quick] [--write]

The same training script runs unwatched and another way, in turn, each time in a fresh process with
as many threads; what is reported is the median of the pairs' ratios. benchmarks/README.md says how
to install the peers.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from side_by_side.tables import command, load, machine_lines, spread, versions, write_section

HERE = Path(__file__).resolve().parent
PLAIN, WITH_PEER = HERE / "watched" / "plain.py", HERE / "watched" / "with_peer.py"

WATCHED = "watched"
TITLES = {
    WATCHED: "`steadygrad watch --quiet`",
    "wandb": "W&B `watch(log='all')`, offline",
    "tensorboard": "TensorBoard histograms of weights and gradients",
    "lightning-bare": "Lightning, no monitor (its own loop)",
    "lightning": "Lightning, LearningRateMonitor and DeviceStatsMonitor",
    "torch-audit": "torch-audit, autopatch",
    "training-doctor": "training-doctor, asked every step",
}
NEEDS = {
    "wandb": ("wandb",),
    "tensorboard": ("tensorboard",),
    "lightning-bare": ("lightning",),
    "lightning": ("lightning", "psutil"),
    "torch-audit": ("torch_audit",),
    "training-doctor": ("training_doctor",),
}
PEER_PACKAGES = ("wandb", "tensorboard", "lightning", "torch-audit", "training-doctor")


@dataclass(frozen=True)
class Task:
    """A network and how long it is trained."""

    title: str
    steps: int
    every: int
    """Steps between two looks of the peers that have such a setting."""
    target: float
    """The ratio of times issue 3 asks for."""


TASKS = {
    "cnn": Task("small CNN, 28×28, batches of 64", 2000, 50, 1.05),
    "resnet18": Task("ResNet-18, 32×32, batches of 32", 60, 10, 1.03),
}
MEMORY_TARGET = 1.05
WARM_STEPS = 3
"""Of the first run of every way, which is not counted: it fills caches of files and bytecode."""


@dataclass(frozen=True)
class Run:
    """One script from start to end."""

    seconds: float
    """From before the process starts until it has ended."""
    cpu_seconds: float
    """User and system time of the process and those it waited for: less troubled by others."""
    megabytes: float
    """Peak resident memory of the largest single process."""
    weights: str
    """Fingerprint of the weights at the end."""


def command_of(way: str, network: str, steps: int, every: int) -> list[str]:
    """What a user would type."""
    script = [network, "--steps", str(steps), "--every", str(every)]
    if way == "plain":
        return [sys.executable, str(PLAIN), *script]
    if way == WATCHED:
        return [sys.executable, "-m", "steadygrad", "watch", "--quiet", str(PLAIN), *script]
    return [sys.executable, str(WITH_PEER), *script, "--peer", way]


def run(way: str, network: str, steps: int, options: argparse.Namespace) -> Run:
    """Run a script in an empty folder and wait for it."""
    threads = str(options.threads)
    paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths)),
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "WANDB_SILENT": "true",
        "WANDB_MODE": "offline",
    }
    line = command_of(way, network, steps, TASKS[network].every)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            line, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode(errors="replace")
    if process.returncode:
        sys.exit(f"{' '.join(line)} failed with {process.returncode}:\n{said[-3000:]}")
    last = [text for text in said.splitlines() if text.startswith("steps: ")][-1]
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB on Linux
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit, last.split()[-1])


def pairs(way: str, network: str, count: int, options: argparse.Namespace) -> list[tuple[Run, Run]]:
    """Unwatched and another way in turn: neighbours in time share what troubles the machine."""
    steps = options.steps or TASKS[network].steps
    for first in ("plain", way):
        run(first, network, min(WARM_STEPS, steps), options)
    measured = []
    for number in range(count):
        pair = run("plain", network, steps, options), run(way, network, steps, options)
        measured.append(pair)
        texts = [
            f"{r.seconds:.1f} s, {r.cpu_seconds:.1f} s CPU, {r.megabytes:.0f} MB" for r in pair
        ]
        say(f"  {network}, {way}, pair {number + 1} of {count}: {texts[0]} → {texts[1]}")
    return measured


def table(network: str, results: dict[str, list[tuple[Run, Run]]], steps: int) -> list[str]:
    """One row for every way, with its ratios to the unwatched runs beside it."""
    task = TASKS[network]
    lines = [
        f"### {task.title}, {steps:,} steps",
        "",
        "| | pairs | unwatched, s | so, s | time | CPU time | memory | the same weights |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for way, measured in results.items():
        ratios = {
            name: spread([getattr(b, name) / getattr(a, name) for a, b in measured], ".3f")
            for name in ("seconds", "cpu_seconds", "megabytes")
        }
        same = all(a.weights == b.weights for a, b in measured)
        lines.append(
            f"| {TITLES[way]} | {len(measured)} | {middle(measured, 0):.1f} | "
            f"{middle(measured, 1):.1f} | **{ratios['seconds']}** | {ratios['cpu_seconds']} | "
            f"{ratios['megabytes']} | {'yes' if same else 'no'} |"
        )
    if WATCHED in results and steps == task.steps:
        lines += ["", target_line(task, results[WATCHED])]
    return [*lines, ""]


def middle(measured: list[tuple[Run, Run]], which: int) -> float:
    return statistics.median(pair[which].seconds for pair in measured)


def target_line(task: Task, measured: list[tuple[Run, Run]]) -> str:
    """Whether watching is as cheap as it has to be."""
    time_ratio = statistics.median(b.seconds / a.seconds for a, b in measured)
    memory_ratio = statistics.median(b.megabytes / a.megabytes for a, b in measured)
    met = time_ratio <= task.target and memory_ratio <= MEMORY_TARGET
    return (
        f"Watched: time ×{time_ratio:.3f} (target {task.target}), memory ×{memory_ratio:.3f} "
        f"(target {MEMORY_TARGET}): {'met' if met else 'NOT MET'}."
    )


def say(text: str) -> None:
    """Progress goes to standard error."""
    print(text, file=sys.stderr, flush=True)


def read_options() -> argparse.Namespace:
    """The command line, with peers that are not installed left out."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add, several = parser.add_argument, {"nargs": "*"}
    add("--only", choices=TITLES, default=list(TITLES), **several, help="ways to measure (all)")
    add("--tasks", choices=TASKS, default=list(TASKS), **several, help="networks (both)")
    add("--pairs", type=int, default=7, help="pairs of unwatched and watched runs (7)")
    add("--peer-pairs", type=int, default=3, help="pairs for each of the others (3)")
    add("--threads", type=int, default=2, help="compute threads and cores (2)")
    add("--steps", type=int, help="instead of the tasks' own: figures worth nothing")
    add("--quick", action="store_true", help="one pair of 4 steps each: does it run?")
    add("--out", type=Path, metavar="FILE", help="every run as JSON")
    add("--write", action="store_true", help="put the tables into benchmarks/RESULTS.md")
    options = parser.parse_args()
    if options.quick:
        options.pairs = options.peer_pairs = 1
        options.steps = options.steps or 4
    for way in [name for name in options.only if not all(map(find_spec, NEEDS.get(name, ())))]:
        say(f"{way} is left out: it takes {' and '.join(NEEDS[way])}, not installed here")
        options.only.remove(way)
    return options


def pin(threads: int) -> list[int]:
    """Keep this process and its children on that many of the cores it may use, the last ones."""
    if not hasattr(os, "sched_setaffinity"):  # Linux only
        return list(range(threads))
    cores = sorted(os.sched_getaffinity(0))[-threads:]
    os.sched_setaffinity(0, cores)
    return cores


def main() -> None:
    """Measure, print as Markdown, put it into RESULTS.md if asked to."""
    options = read_options()
    machine = machine_lines(options.threads, 0, pin(options.threads))
    began, tables, runs = time.monotonic(), [], {}
    for network in options.tasks:
        results = {}
        for way in options.only:
            count = options.pairs if way == WATCHED else options.peer_pairs
            results[way] = pairs(way, network, count, options)
            runs[f"{network} {way}"] = [[vars(r) for r in pair] for pair in results[way]]
        tables += table(network, results, options.steps or TASKS[network].steps)
    lines = [
        "## Watching: what it costs",
        "",
        f"`{command('python benchmarks/watching.py')}`",
        "",
        *machine,
        "- Peers: " + (", ".join(versions(PEER_PACKAGES)) or "none installed"),
        f"- Load average at the end: {load()}; {(time.monotonic() - began) / 60:.0f} minutes",
        "",
        *tables,
    ]
    print("\n".join(lines), flush=True)
    if options.out:
        options.out.write_text(json.dumps(runs, indent=1), encoding="utf-8")
    if options.write:
        write_section(HERE / "RESULTS.md", "watching", "\n".join(lines))


if __name__ == "__main__":
    main()
