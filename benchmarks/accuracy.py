"""Test accuracy within a time budget, on real sets: `steadygrad train` as users run it.

    STEADYGRAD_DATA=FOLDER python benchmarks/accuracy.py --runs runs/accuracy --write

Runs what is missing in the folder of runs, one after the other, and writes the table from all that
is there; interrupted, it goes on where it stopped. Pin it to the cores to be measured.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from side_by_side.tables import cpu_name, load, write_section

JOBS = {
    "digits": ("", range(4, 10)),
    "fashion-mnist": ("5m", range(1)),
    "cifar10": ("10m", range(1)),
    "flowers-128": ("5m", range(3)),
    "trashnet-small": ("5m", range(3)),
    "caltech101-20": ("5m", range(3)),
}
"""Set → time budget ("" for none) and seeds. A seed of digits is a split of its own; those of seeds
0 to 3 helped to choose its recipe."""
TARGETS = {
    "digits": 0.985,
    "fashion-mnist": 0.93,
    "cifar10": 0.90,
    "flowers-128": 0.78,
    "trashnet-small": 0.83,
    "caltech101-20": 0.82,
}


def main() -> None:
    options = read_options()
    root = options.data_root or os.environ.get("STEADYGRAD_DATA", "")
    for name in options.sets:
        budget, seeds = JOBS[name]
        for seed in seeds[: options.seeds]:
            out = options.runs / f"{name}-{seed}"
            if not (out / "summary.json").exists():
                train(name, budget, seed, out, root)
    text = table(options.runs)
    print(text)
    if options.write:
        write_section(Path(__file__).with_name("RESULTS.md"), "accuracy", text)


def train(name: str, budget: str, seed: int, out: Path, root: str) -> None:
    """One run of the command line, in a process of its own."""
    folder = Path(root) / name
    data = str(folder) if folder.is_dir() else name
    command = [sys.executable, "-m", "steadygrad", "train", data, "--seed", str(seed)]
    command += ["--out", str(out), "--overwrite", "--quiet"]
    command += ["--budget", budget] if budget else []
    command += ["--data-root", root] if root else []
    print(f"{name}, seed {seed} …", file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def table(runs: Path) -> str:
    """Markdown: one row per set, all seeds found."""
    lines = [
        "## Accuracy within a budget",
        "",
        f"{cpu_name()}, {threads_of(runs)} threads, load {load()} at the end; "
        "`python benchmarks/accuracy.py --write`. "
        "Test pictures were scored once a run, after the weights were chosen on validation "
        "pictures; the budget is for the whole command, start to report.",
        "",
        "| set | budget | test accuracy by seed | mean | aimed at | epochs | images/s | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, (budget, _) in JOBS.items():
        found = sorted(runs.glob(f"{name}-*/summary.json"))
        if not found:
            continue
        every = [json.loads(path.read_text(encoding="utf-8")) for path in found]
        scores = [summary["test"]["accuracy"] for summary in every]
        lines.append(
            f"| {name} | {budget or 'none'} | {' '.join(f'{score:.3f}' for score in scores)} "
            f"| **{statistics.mean(scores):.3f}** | {TARGETS[name]:.3f} "
            f"| {span(summary['epochs'] for summary in every)} "
            f"| {span(summary['images_per_second'] for summary in every)} "
            f"| {span(summary['seconds']['total'] for summary in every)} |"
        )
    return "\n".join(lines)


def threads_of(runs: Path) -> str:
    """The threads the runs used, from their recipes."""
    found = {
        json.loads(path.read_text(encoding="utf-8"))["recipe"]["threads"]
        for path in runs.glob("*/recipe.json")
    }
    return " or ".join(str(threads) for threads in sorted(found))


def span(values) -> str:
    """Smallest to largest, in whole numbers."""
    numbers = sorted(values)
    low, high = round(numbers[0]), round(numbers[-1])
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--sets", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--seeds", type=int, help="the first so many seeds only")
    parser.add_argument("--data-root", help="folder with the sets (default: STEADYGRAD_DATA)")
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
