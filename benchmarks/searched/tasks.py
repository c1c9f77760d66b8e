"""What is searched on: small parts of real sets, one short training for everybody."""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from steadygrad import machine, recipes
from steadygrad.images.dataset import Images, decode_and_audit
from steadygrad.images.source import open_source
from steadygrad.images.split import given_split
from steadygrad.record import Recipe
from steadygrad.search.defaults import default_space
from steadygrad.search.space import Space
from steadygrad.search.trial import Training, looks_of

RUNS = 15.0
"""Full-length runs the default budgets are worth; the space is the default one for so many."""


@dataclass(frozen=True)
class Task:
    """A set, how much of it, and how long a full run is."""

    data: str
    size: int
    num_train: int
    num_val: int
    num_held_out: int
    """At most so many further training pictures, which no method sees, score what it chose."""
    epochs: int
    width: int
    seconds: float
    """The budget of one search."""


TASKS = {
    "fashion-mnist": Task("fashion-mnist", 28, 2000, 500, 5000, 6, 8, 75.0),
    "cifar10": Task("cifar10", 32, 2000, 500, 5000, 6, 8, 90.0),
    "flowers-128": Task("flowers-128/splits.csv", 32, 1600, 500, 5000, 6, 8, 75.0),
}
"""A full run takes 5 to 6 seconds of one core. Of the flowers 1,353 pictures are left to score."""


def load(task: Task, seed: int, root: Path, cache: Path) -> Images:
    """The task's pictures for one seed, of the set's training pictures only.

    What scores the outcome in the end stands in for the test split.
    """
    place = root / task.data
    source = open_source(str(place if place.is_file() else task.data), str(root))
    pool = np.flatnonzero(np.array(source.splits) == "train")
    order = np.random.default_rng(seed).permutation(pool)
    wanted = {"train": task.num_train, "val": task.num_val, "test": task.num_held_out}
    names = [name for name, number in wanted.items() for _ in range(number)]
    chosen = order[: len(names)]
    source = replace(
        source,
        names=[source.names[index] for index in chosen],
        labels=source.labels[chosen],
        splits=names[: len(chosen)],
        arrays=None if source.arrays is None else source.arrays[chosen],
    )
    images = decode_and_audit(source, Recipe(image_size=task.size), cache, None)
    images.splits = given_split(source, images.audit)
    return images


def training_of(task: Task, images: Images, seed: int, *, watch: bool) -> Training:
    """One trial of everybody; only ours has the monitor's rules looking on."""
    asked = Recipe(
        seed=seed,
        width=task.width,
        precision="fp32",
        memory_format="channels_last",
        device="cpu",
        threads=1,
    )
    training = Training(images, asked, task.epochs, frozenset(), watch=watch)
    return with_looks(training, (1,))


def with_looks(training: Training, rungs: tuple[int, ...]) -> Training:
    """Looks at every ninth of a full run and where the method halves."""
    return replace(training, looks=looks_of(training.epochs, rungs))


def space_of(training: Training) -> Space:
    """The default space for a budget of RUNS full runs: the same for every method."""
    resolved = recipes.resolve(training.asked, training.images)
    return default_space(Recipe(), resolved, RUNS)


def use_one_core(core: int) -> None:
    """Pin this process, and all it starts, to one core with one compute thread."""
    import torch

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    machine.keep_memory()


def unpack(root: Path, folder: Path) -> Path:
    """A data root with cifar10 in it: `root` itself, or `folder` with its archive unpacked."""
    parts = sorted(root.glob("cifar10-part*.tar.xz"))
    if (root / "cifar10").is_dir() or not parts:
        return root
    folder.mkdir(parents=True, exist_ok=True)
    for other in root.iterdir():
        if other.is_dir() and not (folder / other.name).exists():
            (folder / other.name).symlink_to(other.resolve())
    if not (folder / "cifar10").is_dir():
        for part in parts:
            with tarfile.open(part) as archive:
                archive.extractall(folder / "cifar10.part", filter="data")
        (folder / "cifar10.part").rename(folder / "cifar10")
    return folder
