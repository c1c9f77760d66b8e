"""One search in a process of its own: `python -m searched.worker JOB` prints its result as JSON."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import optuna

from steadygrad.search.trial import Training

from .followed import Clock, Followed, held_out_error, warm_up
from .methods import count_cpu_seconds, ours, random_search, tpe_hyperband
from .tasks import TASKS, load, space_of, training_of, use_one_core

IN_THIS_PROCESS = {"random": random_search, "tpe-hyperband": tpe_hyperband, "ours": ours}


def run(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Search, then score what would have been handed over at each moment."""
    use_one_core(job["core"])
    task, method = TASKS[job["set"]], job["method"]
    images = load(task, job["seed"], Path(job["root"]), Path(job["cache"]))
    training = training_of(task, images, job["seed"], watch=method == "ours")
    clock = Clock(folder, job["seconds"], job["clock"] == "cpu")
    if method == "ray-asha":
        from .ray_asha import ray_asha

        ray_asha(job, folder)
    else:
        warm_up(training)
        space = space_of(training)
        if clock.cpu:
            count_cpu_seconds()
        clock.start()
        IN_THIS_PROCESS[method](Followed(training, clock), space, job["seed"])
    return {**job, **outcome(training, clock, method)}


def outcome(training: Training, clock: Clock, method: str) -> dict[str, Any]:
    """The curve of what would be handed over, and how the time was spent."""
    events = [row for row in clock.events() if row["seconds"] <= clock.seconds or "chosen" in row]
    full = {row["trial"]: row for row in events if row.get("part") == training.full}
    curve: list[dict[str, Any]] = []
    for seconds, name in choices(events, training.full, method == "ours"):
        if name not in full or (curve and curve[-1]["trial"] == name):
            continue
        row = full[name]
        held_out = held_out_error(training, row, clock.folder / "kept")
        moment = min(max(seconds, row["seconds"]), clock.seconds)
        curve.append({"seconds": round(moment, 2), "trial": name, "val": row["error"],
                      "held_out": held_out, "fields": row["fields"]})  # fmt: skip
    reached: dict[str, int] = {}
    for row in events:
        if "part" in row:
            reached[row["trial"]] = max(row["part"], reached.get(row["trial"], 0))
    return {
        "curve": curve,
        "trials": len(reached),
        "parts": sum(reached.values()),
        "full": training.full,
        "full_runs": len(full),
        "decided": [row["decided"] for row in events if "decided" in row],
        "looks": [[round(r["seconds"], 2), r["trial"], r["part"], r["error"]]
                  for r in events if "part" in r],
        "load": os.getloadavg()[0],
    }  # fmt: skip


def choices(events: list[dict[str, Any]], full: int, told: bool) -> list[tuple[float, str]]:
    """Moment and trial, whenever the choice may have changed.

    Ours says what it would hand over; of the others it is the lowest validation error so far.
    """
    if told:
        return [(row["seconds"], row["chosen"]) for row in events if "chosen" in row]
    found: list[tuple[float, str]] = []
    best = float("inf")
    for row in events:
        if row.get("part") == full and row["error"] < best:
            best = row["error"]
            found.append((row["seconds"], row["trial"]))
    return found


def main() -> None:
    job = json.loads(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the folder is removed on the way out
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    folder = Path(tempfile.mkdtemp(prefix="search-", dir=job["scratch"]))
    try:
        print(json.dumps(run(job, folder)), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
