"""The beginning of a search: what was asked, the pictures, the plan all workers follow."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from steadygrad import machine, recipes
from steadygrad.build import build, make_batches
from steadygrad.errors import InputError
from steadygrad.fit.job import Job, Show, with_absolute_paths
from steadygrad.fit.plan import RESERVE_EVALUATIONS, RESERVE_SECONDS
from steadygrad.fit.prepare import load_pictures, use_machine
from steadygrad.images.dataset import Images
from steadygrad.record import Recipe
from steadygrad.search.budget import Budget
from steadygrad.search.defaults import default_point, default_space
from steadygrad.search.folds import fold_images
from steadygrad.search.space import Space, parse_space
from steadygrad.search.stages import Plan, make_plan, sobol_points
from steadygrad.search.study import Study
from steadygrad.search.trial import (
    Training,
    looks_of,
    num_parts,
    seconds_per_epoch,
    seconds_per_start,
)
from steadygrad.search.written import STUDY_NAME, kept_account

DEFAULT_SECONDS = 600.0
HALVING_RUNS = 8
RUNS_PER_FOLD = 4
"""A training run is at most one part of the budget in 8 + 4 for each fold: the stages need so
many, and with folds only the few that get far are trained on all of them."""
RESERVE_RUNS = 1.1
"""Runs kept back to train the winner, on a machine whose speed wanders."""
STARTED = 40
"""Times a trial is begun or taken up before the fine stage: 27, 9, 3 and 1."""
MEASURED_SHARE = 0.02
MEASURED_SECONDS = 3.0
"""Spent on measuring the speed: so much of the budget, at most so long."""


@dataclass(frozen=True)
class Search:
    """What was asked for; the same command joins or continues the same search."""

    data: str
    asked: Recipe
    seconds: float = DEFAULT_SECONDS
    space: str = ""
    """As on the command line; empty: what usually matters (`defaults`)."""
    out: str = ""
    storage: str = ""
    """A file or a database's URL; empty: study.journal in the folder."""
    jobs: int = 1
    folds: int = 0
    """Full-length trials are judged by the mean over so many folds; 0: by the validation split."""
    data_root: str | None = None
    allow_broken: bool = False
    began: float = field(default_factory=time.time)
    """Wall clock: workers started later on this machine end together."""

    @property
    def folder(self) -> Path:
        """Where everything goes."""
        name = Path(self.data).resolve().name if os.path.exists(self.data) else self.data
        return Path(self.out or f"runs/search-{name}")

    @property
    def place(self) -> str:
        """Where the study is kept."""
        return self.storage or str(self.folder / "study.journal")

    @property
    def left(self) -> float:
        """Seconds of the budget, now, as far as this process knows."""
        return self.seconds - (time.time() - self.began)


def checked(wanted: Search) -> Search:
    """The same with what can be refused without the pictures refused."""
    wanted.asked.check()
    if wanted.space:
        parse_space(wanted.space)
    if wanted.asked.budget_seconds or wanted.asked.patience:
        raise InputError("A search has one --budget and no --patience: it gives up by itself.")
    if wanted.seconds <= RESERVE_SECONDS:
        raise InputError(
            f"--budget is {wanted.seconds:g} s; expected more than {RESERVE_SECONDS:g} s, which "
            "the winner's report alone takes."
        )
    if "full_run" in kept_account(wanted.folder):
        raise InputError(
            f"The search in '{wanted.folder}' is finished; its winner is in "
            f"'{wanted.folder / 'winner'}'. Give another --out for another search."
        )
    wanted.folder.mkdir(parents=True, exist_ok=True)
    return replace(wanted, asked=with_absolute_paths(wanted.asked))


def make_training(wanted: Search, show: Show) -> Training:
    """Pictures and the usual recipe, with the machine's ways settled once for all trials."""
    asked = wanted.asked
    if wanted.jobs > 1 and not asked.threads:
        asked = asked.replace(threads=max(1, machine.choose_threads(0) // wanted.jobs))
    asked = use_machine(asked, to_train=True)
    job = Job(wanted.data, data_root=wanted.data_root, allow_broken=wanted.allow_broken)
    began = time.monotonic()
    images = load_pictures(job, asked, show)
    seconds = time.monotonic() - began
    if not len(images.val) and not wanted.folds:
        raise InputError("A search needs validation pictures: give --val-fraction above 0.")
    folds = fold_images(images, wanted.folds, asked.seed)
    show.stage("choosing")
    asked = _with_precision(asked, images)
    return Training(images, asked, 1, frozenset(), folds=folds, load_seconds=seconds)


def _with_precision(asked: Recipe, images: Images) -> Recipe:
    if "auto" not in (asked.precision, asked.memory_format):
        return asked
    recipe = recipes.resolve(asked, images)
    found = machine.probe(
        build(recipe, images),
        make_batches(recipe, images).batch(0, 0).images,
        recipe.device,
        precision=recipe.precision,
        memory_format=recipe.memory_format,
        seconds=2.0,
    )
    return asked.replace(precision=found.precision, memory_format=found.memory_format)


def join(wanted: Search, training: Training) -> tuple[Study, Plan, Space, Budget]:
    """Join the study, or begin it; the training gets the length of run all workers share."""
    measured = min(MEASURED_SECONDS, MEASURED_SHARE * wanted.seconds)
    epoch = seconds_per_epoch(training, measured)
    study = Study(wanted.place, STUDY_NAME)
    about = {
        "data": training.images.fingerprint,
        "recipe": wanted.asked.to_dict(),
        "space": wanted.space,
        "folds": wanted.folds,
    }
    joined = study.join(about)
    if joined is None:
        plan, space = _new_plan(wanted, training, epoch)
        points = sobol_points(space, plan.starts, plan.seed)
        points[0] = default_point(space, recipes.resolve(training.asked, training.images))
        joined = study.begin(plan, space, points, about)
    plan, space = joined
    training.epochs = plan.epochs
    training.looks = looks_of(plan.epochs, plan.rungs)
    part = epoch * plan.epochs / num_parts(plan.epochs)
    left = wanted.left - study.age - _reserve(training, epoch)
    budget = Budget(seconds=left, seconds_per_part=part, kept_parts=RESERVE_RUNS * plan.run)
    return study, plan, space, budget


def _reserve(training: Training, epoch: float) -> float:
    """Seconds the winner's run takes beside its training: reading, scoring, export, report."""
    images = training.images
    per_picture = epoch / max(1, len(images.train))
    scored = len(images.val) + len(images.test)
    return RESERVE_SECONDS + training.load_seconds + RESERVE_EVALUATIONS * per_picture * scored


def _new_plan(wanted: Search, training: Training, epoch: float) -> tuple[Plan, Space]:
    """How long a full run is, and what is searched, for this budget on this machine."""
    resolved = recipes.resolve(training.asked, training.images)
    folds = max(1, wanted.folds)
    seconds = (wanted.left - _reserve(training, epoch)) * wanted.jobs
    runs_wanted = HALVING_RUNS + RUNS_PER_FOLD * folds
    epochs = int(max(1, min(resolved.epochs, seconds / epoch / runs_wanted)))
    training.epochs, training.looks = epochs, looks_of(epochs)
    seconds -= STARTED * seconds_per_start(training, epoch * epochs / num_parts(epochs))
    runs = max(1.0, seconds / (epoch * epochs) - RESERVE_RUNS)
    plan = make_plan(num_parts(epochs), runs, noisy=True, seed=wanted.asked.seed, folds=folds)
    if wanted.space:
        space = parse_space(wanted.space)
    else:
        space = default_space(wanted.asked, resolved, runs)
    return replace(plan, epochs=epochs), space


def plan_text(plan: Plan, space: Space, budget: Budget) -> str:
    """What is about to be searched, and how, in two lines."""
    shares = " → ".join(f"{rung / plan.run:.0%}" for rung in plan.rungs if rung <= plan.run)
    seconds = budget.seconds_per_part * plan.run
    on_all = f", those that get so far on all {plan.folds} folds" if plan.folds > 1 else ""
    return (
        f"{space}\n{plan.starts} starts, {shares} of a full run of {plan.epochs} epochs "
        f"({seconds:.1f} s){on_all}; about {plan.runs:.0f} full runs in all"
    )
