"""Searches side by side on real pictures: the same seconds, cores, space and training for all.

    STEADYGRAD_DATA=FOLDER python benchmarks/search_real.py [--seeds 5] [--cores 2,3] [--summary]

Random search, Optuna's TPE with Hyperband, Ray Tune's ASHA and ours. Every search is one process
on one core; the results are kept line by line, and an interrupted benchmark goes on.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from searched.figures import TITLES, tables
from searched.tasks import TASKS, unpack
from side_by_side.tables import cpu_name, load, versions, write_section

METHODS = tuple(TITLES)
QUICK_SECONDS = 20.0
CLOCK_HELP = "cpu: budgets in CPU seconds of the searching process, for a machine that others use"


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped; the same command goes on."))
    options = read_options()
    options.out.mkdir(parents=True, exist_ok=True)
    results = options.out / "results.jsonl"
    if not options.summary:
        missing = jobs(options, read(results))
        print(f"{len(missing)} searches to run", file=sys.stderr)
        run_all(missing, results, options.cores)
    text = summary(read(results), options)
    print(text)
    if options.write:
        write_section(Path(__file__).with_name("RESULTS.md"), "search-real", text)


def jobs(options: argparse.Namespace, done: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is still to run: all methods of a seed near each other, so that they meet one load."""
    data_root = Path(options.data_root or os.environ["STEADYGRAD_DATA"]).resolve()
    out = options.out.resolve()
    root = unpack(data_root, out / "data")
    known = {identity(row) for row in done}
    wanted = [
        {
            "set": name,
            "method": method,
            "seed": seed,
            "seconds": seconds_of(name, options),
            "clock": options.clock,
            "root": str(root),
            "cache": str(out / "cache"),
            "scratch": str(out),
        }
        for seed in range(options.seeds)
        for name in options.sets
        for method in options.methods
    ]
    return [job for job in wanted if identity(job) not in known]


def identity(row: dict[str, Any]) -> tuple[Any, ...]:
    """What makes two searches the same."""
    return row["set"], row["method"], row["seed"], row["seconds"], row["clock"]


def seconds_of(name: str, options: argparse.Namespace) -> float:
    """The budget of one search on this set."""
    return QUICK_SECONDS if options.quick else options.seconds or TASKS[name].seconds


def run_all(missing: list[dict[str, Any]], results: Path, cores: list[int]) -> None:
    """Each core takes the next search when it is free."""
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    for job in missing:
        waiting.put(job)
    lock = threading.Lock()

    running: set[subprocess.Popen[str]] = set()

    def work(core: int) -> None:
        while True:
            try:
                job = {**waiting.get_nowait(), "core": core}
            except queue.Empty:
                return
            row = search(job, running)
            with lock:
                if row is not None:
                    with open(results, "a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")
                print(told(job, row, waiting.qsize()), file=sys.stderr, flush=True)

    threads = [threading.Thread(target=work, args=(core,), daemon=True) for core in cores]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        for process in list(running):
            process.terminate()


def search(job: dict[str, Any], running: set[subprocess.Popen[str]]) -> dict[str, Any] | None:
    """One search in a process of its own; None where it failed, with its last words shown."""
    process = subprocess.Popen(
        [sys.executable, "-m", "searched.worker", json.dumps(job)],
        cwd=Path(__file__).parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running.add(process)
    said, complaints = process.communicate()
    running.discard(process)
    if process.returncode == 0:
        return json.loads(said.splitlines()[-1])
    print(complaints[-2000:], file=sys.stderr)
    return None


def told(job: dict[str, Any], row: dict[str, Any] | None, left: int) -> str:
    """One line on a search that ended."""
    what = f"{job['set']}, {job['method']}, seed {job['seed']}"
    if row is None:
        return f"{what}: failed"
    end = row["curve"][-1] if row["curve"] else {"val": 1.0, "held_out": 1.0}
    return (
        f"{what}: held-out {end['held_out']:.4f}, val {end['val']:.4f}, "
        f"{row['parts'] / row['full']:.1f} full runs trained; {left} left"
    )


def read(results: Path) -> list[dict[str, Any]]:
    """All results so far; a line that was cut off is left out."""
    rows: list[dict[str, Any]] = []
    for line in results.read_text(encoding="utf-8").splitlines() if results.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def summary(rows: list[dict[str, Any]], options: argparse.Namespace) -> str:
    """Markdown on the searches asked for."""
    rows = [
        row
        for row in rows
        if row["set"] in options.sets
        and (row["seconds"], row["clock"]) == (seconds_of(row["set"], options), options.clock)
    ]
    unit = "s" if options.clock == "wall" else "CPU-s"
    budgets = ", ".join(f"{name} {seconds_of(name, options):g} {unit}" for name in options.sets)
    packages = versions(("steadygrad", "torch", "optuna", "ray"))
    loads = [row["load"] for row in rows]
    busy = f"{min(loads):.1f} to {max(loads):.1f}" if loads else load()
    head = [
        "## Searches side by side on real pictures",
        "",
        f"{cpu_name()}, one core and one thread per search; {', '.join(packages)}; load average "
        f"after the searches {busy} on {os.cpu_count()} cores. "
        f"`python benchmarks/search_real.py --write`. Budgets: {budgets}.",
        "",
    ]
    return "\n".join([*head, tables(rows, options.methods, options.sets)])


def read_options() -> argparse.Namespace:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0, 1]
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sets", type=several(TASKS), default=list(TASKS), help="comma-separated")
    parser.add_argument("--methods", type=several(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cores", type=lambda text: [int(c) for c in text.split(",")],
                        default=cores[-2:], help="one search at a time on each")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=0.0, help="budget (0: each set's own)")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help=CLOCK_HELP)
    parser.add_argument("--quick", action="store_true", help="shows that all works, no figures")
    parser.add_argument("--out", type=Path, default=Path("runs/search-real"))
    parser.add_argument("--data-root", help="folder with the sets (default: STEADYGRAD_DATA)")
    parser.add_argument("--summary", action="store_true", help="run nothing, show what is there")
    parser.add_argument("--write", action="store_true", help="put the tables into RESULTS.md")
    options = parser.parse_args()
    if "ray-asha" in options.methods and importlib.util.find_spec("ray") is None:
        print("Ray is not installed: its ASHA is left out", file=sys.stderr)
        options.methods = [method for method in options.methods if method != "ray-asha"]
    return options


def several(known):
    """Reads "all" or names with commas between."""

    def read_names(text: str) -> list[str]:
        names = list(known) if text == "all" else text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r}; expected all or {', '.join(known)}")
        return names

    return read_names


if __name__ == "__main__":
    main()
