"""Training speed and time to accuracy: Steadygrad beside the plain idiom, Lightning and Keras.

    python benchmarks/training.py [--quick] [--write]

Every measurement runs in a process of its own, pinned to the same cores with the same number of
threads; in each round everybody takes a turn, every other round in reverse. benchmarks/README.md
says what is compared and how to install the peers.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from side_by_side.measure import ARRAYS, IMAGES, NEEDS, PARTS, PEERS, TASKS, Measurement
from side_by_side.tables import (
    Results,
    accuracy_table,
    load,
    machine_lines,
    speed_table,
    write_section,
)
from steadygrad import InputError, Recipe, load_images

HERE = Path(__file__).resolve().parent
OURS, SHORT = "steadygrad", "steadygrad-short"
TITLES = {
    OURS: "steadygrad",
    "plain": "the plain idiom",
    "lightning": "Lightning",
    "keras-torch": "Keras on torch",
    "keras-jax": "Keras on jax",
}
RACE_TITLES = {
    **TITLES,
    SHORT: "steadygrad's own recipe (`steadygrad train fashion-mnist --epochs 2`)",
    OURS: "steadygrad with the plain network, Adam 1e-3, batches of 64",
}
WITHOUT = {f"without {text}": (part,) for part, text in PARTS.items()}
WITHOUT["without all three"] = tuple(PARTS)
TITLES |= {row: row for row in WITHOUT}
SECTIONS = ["speed", "parts", "race"]
"""Parts belong to speed."""
Rows = dict[str, Measurement]


@dataclass
class Bench:
    """Runs measurements, each in a fresh process."""

    options: argparse.Namespace
    folder: Path
    """Temporary: decoded pictures and caches."""

    def rounds(self, rows: Rows, num_rounds: int, parts_rounds: int = 0) -> Results:
        """Measure every row once a round; every other round in reverse.

        Rows of WITHOUT take part in the first `parts_rounds` only.
        """
        results: Results = {name: [] for name in rows}
        for number in range(num_rounds):
            names = [name for name in rows if name not in WITHOUT or number < parts_rounds]
            for name in names if number % 2 == 0 else reversed(names):
                began = time.perf_counter()
                result = self.measure(replace(rows[name], seed=number))
                results[name].append(result)
                took = time.perf_counter() - began
                say(f"  round {number + 1}, {name} ({took:.0f} s in all): {result}")
        return results

    def measure(self, measurement: Measurement) -> dict[str, Any]:
        """Run one measurement."""
        racing = measurement.goal == "accuracy"
        pictures = self.pictures(measurement.task, measurement.seed if racing else 0)
        # In the race everybody pays for reading and decoding, every time.
        cache = tempfile.mkdtemp(dir=self.folder) if racing else str(self.folder)
        threads = str(measurement.threads)
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "side_by_side.worker",
                json.dumps(asdict(replace(measurement, folder=str(pictures)))),
            ],
            cwd=HERE,
            env={
                **os.environ,
                "OMP_NUM_THREADS": threads,
                "MKL_NUM_THREADS": threads,
                "STEADYGRAD_CACHE": cache,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"Measuring {measurement.way} failed:\n{done.stderr[-3000:]}")
        return json.loads(done.stdout.splitlines()[-1])

    def pictures(self, name: str, seed: int) -> Path:
        """The folder with a task's pictures, decoded and split; made when first asked for."""
        folder, task = self.folder / f"{name}-{seed}", TASKS[name]
        if folder.exists():
            return folder
        say(f"reading {task.data} (split {seed})")
        images = load_images(
            task.data,
            Recipe(seed=seed),
            data_root=self.options.data_root,
            cache_dir=self.folder,
        )
        arrays = {}
        for split, subset in (("train", images.train), ("val", images.val)):
            everything = np.arange(len(subset))
            arrays[f"{split}_images"] = subset.take(everything)
            arrays[f"{split}_labels"] = subset.labels_of(everything)
        folder.mkdir()
        np.savez(folder / ARRAYS, **arrays)
        (folder / IMAGES).write_bytes(pickle.dumps(images))
        return folder


def speed(bench: Bench, name: str) -> list[str]:
    """Images per second of a task's training steps, and what each part of ours gives."""
    options = bench.options
    base = basis(options, name, "speed")
    ways = [OURS, *(peer for peer in options.peers if peer in TASKS[name].peers)]
    rows = {way: replace(base, way=way) for way in ways}
    if "parts" in options.only:
        rows |= {row: replace(base, without=parts) for row, parts in WITHOUT.items()}
    results = bench.rounds(rows, options.rounds, options.parts_rounds)
    sizes = {result["parameters"] for rounds in results.values() for result in rounds}
    if len(sizes) != 1:
        sys.exit(f"The networks differ: they have {sorted(sizes)} parameters.")
    lines = [f"### Speed: {TASKS[name].title}", "", f"{sizes.pop():,} parameters.", ""]
    lines += speed_table({way: results[way] for way in ways}, TITLES, OURS)
    if "parts" in options.only:
        lines += ["", "Where it comes from: ours with parts of it taken away.", ""]
        lines += speed_table({row: results[row] for row in (OURS, *WITHOUT)}, TITLES, OURS)
    return [*lines, ""]


def speeds(bench: Bench) -> list[str]:
    """The tables of every network asked for."""
    return [line for name in bench.options.tasks for line in speed(bench, name)]


def race(bench: Bench) -> list[str]:
    """Seconds to the same validation accuracy on Fashion-MNIST."""
    options = bench.options
    base = basis(options, "convnet", "accuracy")
    ways = [SHORT, OURS, *(peer for peer in options.race_peers if peer in options.peers)]
    results = bench.rounds({way: replace(base, way=way) for way in ways}, options.race_rounds)
    lines = [
        f"### Time to {options.target:.1%} validation accuracy: Fashion-MNIST",
        "",
        "From the first read of the data, imports excluded; the 6,000 validation pictures are "
        f"scored every {base.check_every:,} training pictures, with the clock stopped.",
        "",
    ]
    return [*lines, *accuracy_table(results, RACE_TITLES, SHORT), ""]


def basis(options: argparse.Namespace, task: str, goal: str) -> Measurement:
    """What all measurements of a section have in common."""
    return Measurement(
        OURS,
        task,
        goal,
        data_root=options.data_root,
        threads=options.threads,
        workers=options.workers,
        seconds=options.seconds,
        target=options.target,
        check_every=options.check_every,
    )


def say(text: str) -> None:
    """Progress goes to standard error."""
    print(text, file=sys.stderr, flush=True)


def read_options() -> argparse.Namespace:
    """The command line, with peers that are not installed left out."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add, several = parser.add_argument, {"nargs": "*"}
    add("--only", choices=SECTIONS, default=SECTIONS, **several, help="sections (all)")
    add("--tasks", choices=TASKS, default=["convnet", "resnet18"], **several, help="networks")
    add("--peers", choices=PEERS, default=list(PEERS), **several, help="whom to run beside us")
    add("--race-peers", choices=PEERS, default=["plain"], **several, help="who races to accuracy")
    add("--rounds", type=int, default=3, help="rounds of speed (3)")
    add("--parts-rounds", type=int, default=1, help="rounds that measure parts, too (1)")
    add("--race-rounds", type=int, default=2, help="rounds of the race (2), each with its own seed")
    add("--threads", type=int, default=2, help="cores and compute threads (2)")
    add("--workers", type=int, default=2, help="worker processes of a DataLoader (2)")
    add("--seconds", type=float, default=2.5, help="measured per process, after 1 s (2.5)")
    add("--target", type=float, default=0.9, help="validation accuracy to reach (0.9)")
    add("--check-every", type=int, default=6750, help="pictures between two looks at it (6750)")
    add("--data-root", help="folder with the sets (default: STEADYGRAD_DATA)")
    add("--quick", action="store_true", help="one short round of everything: does it run?")
    add("--write", action="store_true", help="put the tables into benchmarks/RESULTS.md")
    options = parser.parse_args()
    if options.quick:
        options.rounds = options.parts_rounds = options.race_rounds = 1
        options.seconds, options.target, options.check_every = 0.5, 0.6, 1500
    for peer in [name for name in NEEDS if not all(find_spec(need) for need in NEEDS[name])]:
        if peer in options.peers:
            say(f"{peer} is left out: not installed (see benchmarks/README.md)")
            options.peers.remove(peer)
    # Measurements run in another folder.
    options.data_root = options.data_root or os.environ.get("STEADYGRAD_DATA")
    if options.data_root:
        options.data_root = str(Path(options.data_root).resolve())
    return options


def pin(threads: int) -> list[int]:
    """Keep this process and its children on that many of the cores it may use, the last ones."""
    if not hasattr(os, "sched_setaffinity"):  # Linux only
        return list(range(threads))
    cores = sorted(os.sched_getaffinity(0))[-threads:]
    os.sched_setaffinity(0, cores)
    return cores


def main() -> None:
    """Measure what was asked for, print it as Markdown, put it into RESULTS.md."""
    options = read_options()
    cores = pin(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        try:
            if "speed" in options.only:
                report(options, cores, "speed", lambda: speeds(bench))
            if "race" in options.only:
                report(options, cores, "race", lambda: race(bench))
        except InputError as error:
            say(str(error))
            sys.exit(error.exit_status)


def report(
    options: argparse.Namespace, cores: list[int], name: str, measure: Callable[[], list[str]]
) -> None:
    """Measure one section and print it under what it was measured on."""
    machine, began = machine_lines(options.threads, options.workers, cores), time.monotonic()
    tables = measure()
    minutes = (time.monotonic() - began) / 60
    lines = [
        f"## Training: {name}",
        "",
        f"`{command()}`",
        "",
        *machine,
        f"- Load average at the end: {load()}; {minutes:.0f} minutes in all",
        "",
        *tables,
    ]
    text = "\n".join(lines)
    print(text, flush=True)
    if options.write:
        write_section(HERE / "RESULTS.md", f"training-{name}", text)


def command() -> str:
    """The command as typed, without the data's place."""
    typed = sys.argv[1:]
    if "--data-root" in typed:
        at = typed.index("--data-root")
        typed = [*typed[:at], "--data-root", "FOLDER", *typed[at + 2 :]]
    return " ".join(["python benchmarks/training.py", *typed])


if __name__ == "__main__":
    main()
