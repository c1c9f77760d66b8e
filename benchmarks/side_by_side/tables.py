"""Results as Markdown: what ran where, who was how fast."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Results = dict[str, list[dict[str, Any]]]
"""What each row was measured at, one result per round."""
PACKAGES = ("steadygrad", "torch", "numpy", "lightning", "keras", "jax")


def machine_lines(threads: int, workers: int, cores: Sequence[int]) -> list[str]:
    """CPU, cores, load and versions, as a list."""
    return [
        f"- CPU: {cpu_name()}; {os.cpu_count()} cores, everything pinned to {len(cores)} of them "
        f"(threads: {threads}; workers of a DataLoader: {workers})",
        f"- Python {platform.python_version()}, " + ", ".join(versions()),
        f"- Load average over 1, 5 and 15 minutes, at the start: {load()}",
    ]


def load() -> str:
    """How busy the machine is; above the number of its cores nothing measured here holds."""
    return ", ".join(f"{value:.1f}" for value in os.getloadavg())


def cpu_name() -> str:
    """The processor's own name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def versions(packages: Sequence[str] = PACKAGES) -> list[str]:
    """Names and versions of the packages that are installed."""
    found = []
    for name in packages:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


def speed_table(results: Results, titles: dict[str, str], baseline: str) -> list[str]:
    """Images per second of every row, and how many times as fast the baseline was."""

    def ratio(ours: dict[str, Any], other: dict[str, Any]) -> float:
        return ours["images_per_second"] / other["images_per_second"]

    lines = ["| | computes in | images/s | steadygrad, times as fast |", "|---|---|--:|--:|"]
    for name, rounds in results.items():
        speeds = [result["images_per_second"] for result in rounds]
        precisions = sorted({result["precision"] for result in rounds})
        lines.append(
            f"| {titles[name]} | {' or '.join(precisions)} | {spread(speeds, ',.0f')} | "
            f"{_ratios(results, name, baseline, ratio)} |"
        )
    return lines


def accuracy_table(results: Results, titles: dict[str, str], baseline: str) -> list[str]:
    """Seconds to the target of every row, and how many times as soon the baseline was there."""

    def ratio(ours: dict[str, Any], other: dict[str, Any]) -> float | None:
        if ours["seconds"] is None or other["seconds"] is None:
            return None
        return other["seconds"] / ours["seconds"]

    lines = [
        "| | computes in | seconds | pictures seen | steadygrad, times as soon |",
        "|---|---|--:|--:|--:|",
    ]
    for name, rounds in results.items():
        seconds = [result["seconds"] for result in rounds if result["seconds"] is not None]
        missed = len(rounds) - len(seconds)
        cell = spread(seconds, ".1f") if seconds else ""
        cell += f" (not reached in {missed} of {len(rounds)})" if missed else ""
        images = [result["images"] for result in rounds]
        precisions = sorted({result["precision"] for result in rounds})
        lines.append(
            f"| {titles[name]} | {' or '.join(precisions)} | {cell} | {spread(images, ',.0f')} | "
            f"{_ratios(results, name, baseline, ratio)} |"
        )
    return lines


def _ratios(
    results: Results,
    name: str,
    baseline: str,
    ratio: Callable[[dict[str, Any], dict[str, Any]], float | None],
) -> str:
    """Ratios within a round: what troubled the machine then troubled both."""
    if name == baseline:
        return ""
    pairs = zip(results[baseline], results[name], strict=False)  # parts have fewer rounds
    ratios = [value for value in (ratio(*pair) for pair in pairs) if value is not None]
    return f"**{spread(ratios, '.2f')}**" if ratios else ""


def spread(values: Sequence[float], how: str) -> str:
    """The median, and from which to which where there are several.

    >>> spread([1.0, 4.0, 2.0], ".1f"), spread([3.0], ".0f")
    ('2.0 (1.0–4.0)', '3')
    """
    middle = format(statistics.median(values), how)
    if len(values) == 1:
        return middle
    return f"{middle} ({format(min(values), how)}–{format(max(values), how)})"


def command(name: str) -> str:
    """The command as typed, without places on this machine."""
    return " ".join([name, *("FILE" if Path(a).is_absolute() else a for a in sys.argv[1:])])


def write_section(path: Path, name: str, text: str) -> None:
    """Put a section between its two marks in a Markdown file; the rest stays as it is."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n{text.strip()}\n{end}\n"
    old = path.read_text(encoding="utf-8") if path.exists() else "# Results\n"
    if begin in old and end in old:
        before, rest = old.split(begin, 1)
        new = before + section + rest.split(end, 1)[1].removeprefix("\n")
    else:
        new = f"{old.rstrip()}\n\n{section}"
    path.write_text(new, encoding="utf-8")
