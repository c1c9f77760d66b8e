"""The whole of `steadygrad search`: pictures, plan, workers, winner, its full run."""

from __future__ import annotations

import multiprocessing
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from steadygrad import fit, machine, recipes
from steadygrad.build import build, make_batches
from steadygrad.errors import InputError, SteadygradError
from steadygrad.fit.job import Job, Show, Silent, with_absolute_paths
from steadygrad.fit.prepare import load_pictures, use_machine
from steadygrad.images.dataset import Images
from steadygrad.record import Recipe
from steadygrad.search.budget import Budget
from steadygrad.search.defaults import default_point, default_space
from steadygrad.search.engine import Deaf, Listener, Worker
from steadygrad.search.space import Space, parse_space
from steadygrad.search.stages import Plan, make_plan, sobol_points
from steadygrad.search.study import Study
from steadygrad.search.trial import LOOKS, Training, num_parts, seconds_per_epoch
from steadygrad.search.written import STUDY_NAME, account_of, write_account

DEFAULT_SECONDS = 600.0
RUNS_WANTED = 12
"""A full-length run is at most this share of the budget: the stages need so many."""
RESERVE_SECONDS = 8.0
"""Export, proof and report of the winner's run ..."""
RESERVE_RUNS = 1.15
"""... and its training, on a machine whose speed wanders."""


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
    data_root: str | None = None
    allow_broken: bool = False
    began: float = field(default_factory=time.time)
    """Wall clock: workers started later on this machine end together."""

    @property
    def folder(self) -> Path:
        """Where everything goes."""
        name = Path(self.data).resolve().name if os.path.exists(self.data) else self.data
        return Path(self.out or f"runs/search-{name}")


def search(
    wanted: Search, *, show: Show | None = None, listener: Listener | None = None
) -> dict[str, Any]:
    """Search, train the winner to a full run, and give the account (also as search.json).

    Raises InputError for a space, data or a storage that can't be used.
    """
    show = show or Silent()
    wanted = _checked(wanted)
    training = _training(wanted, show)
    worker = _worker(wanted, training, listener or Deaf(), show)
    helpers = _helpers(wanted)
    try:
        worker.run()
    except BaseException:
        with suppress(Exception):  # what went wrong first is what has to be told
            write_account(wanted.folder, _account(wanted, training, worker))
        raise
    finally:
        for helper in helpers:
            helper.join()
    return _conclude(wanted, training, worker, show)


def _checked(wanted: Search) -> Search:
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
    if (wanted.folder / "winner" / "summary.json").exists():
        raise InputError(
            f"The search in '{wanted.folder}' is finished; its winner is in "
            f"'{wanted.folder / 'winner'}'. Give another --out for another search."
        )
    wanted.folder.mkdir(parents=True, exist_ok=True)
    return replace(wanted, asked=with_absolute_paths(wanted.asked))


def _training(wanted: Search, show: Show) -> Training:
    """Pictures and the usual recipe, with the machine's ways settled once for all trials."""
    asked = wanted.asked
    if wanted.jobs > 1 and not asked.threads:
        asked = asked.replace(threads=max(1, machine.choose_threads(0) // wanted.jobs))
    asked = use_machine(asked, to_train=True)
    job = Job(wanted.data, data_root=wanted.data_root, allow_broken=wanted.allow_broken)
    images = load_pictures(job, asked, show)
    if not len(images.val):
        raise InputError("A search needs validation pictures: give --val-fraction above 0.")
    show.stage("choosing")
    return Training(images, _with_precision(asked, images), 1, frozenset())


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


def _join(wanted: Search, training: Training) -> tuple[Study, Plan, Space, float]:
    """Join the study, or begin it; the training gets the length of run all workers share.

    Also the seconds one part takes here.
    """
    epoch = seconds_per_epoch(training)
    study = Study(wanted.storage or str(wanted.folder / "study.journal"), STUDY_NAME)
    about = {
        "data": training.images.fingerprint,
        "recipe": wanted.asked.to_dict(),
        "space": wanted.space,
    }
    joined = study.join(about)
    if joined is None:
        plan, space = _new_plan(wanted, training, epoch)
        points = sobol_points(space, plan.starts, plan.seed)
        points[0] = default_point(space, recipes.resolve(training.asked, training.images))
        joined = study.begin(plan, space, points, about)
    plan, space = joined
    training.epochs = plan.epochs
    ninths = {round(plan.full * share / LOOKS) for share in range(1, LOOKS + 1)}
    training.looks = frozenset(ninths | set(plan.rungs))
    return study, plan, space, epoch * plan.epochs / plan.full


def _new_plan(wanted: Search, training: Training, epoch: float) -> tuple[Plan, Space]:
    """How long a full run is, and what is searched, for this budget on this machine."""
    resolved = recipes.resolve(training.asked, training.images)
    seconds = (wanted.seconds - RESERVE_SECONDS) * wanted.jobs
    epochs = int(max(1, min(resolved.epochs, seconds / epoch / RUNS_WANTED)))
    runs = max(1.0, seconds / (epoch * epochs) - RESERVE_RUNS)
    plan = make_plan(num_parts(epochs), runs, noisy=True, seed=wanted.asked.seed)
    if wanted.space:
        space = parse_space(wanted.space)
    else:
        space = default_space(wanted.asked, resolved, runs)
    return replace(plan, epochs=epochs), space


def _plan_text(plan: Plan, space: Space, seconds_per_run: float) -> str:
    shares = " → ".join(f"{rung / plan.full:.0%}" for rung in plan.rungs)
    return (
        f"{space}\n{plan.starts} starts, {shares} of a full run of {plan.epochs} epochs "
        f"({seconds_per_run:.1f} s), about {plan.runs:.0f} full runs in all"
    )


def _helpers(wanted: Search) -> list[Any]:
    """The other jobs on this machine: processes that join the study."""
    context = multiprocessing.get_context("spawn")
    found = [context.Process(target=_help, args=(wanted,)) for _ in range(wanted.jobs - 1)]
    for helper in found:
        helper.start()
    return found


def _help(wanted: Search) -> None:
    _worker(wanted, _training(wanted, Silent()), Deaf(), Silent()).run()


def _worker(wanted: Search, training: Training, heard: Listener, show: Show) -> Worker:
    study, plan, space, part = _join(wanted, training)
    full = part * plan.full
    show.say(_plan_text(plan, space, full))
    left = wanted.seconds - study.age - (time.time() - wanted.began) - RESERVE_SECONDS
    budget = Budget(seconds=left, seconds_per_part=part, kept_parts=RESERVE_RUNS * plan.full)
    return Worker(study, training, space, plan, budget, wanted.folder, heard)


def _conclude(wanted: Search, training: Training, worker: Worker, show: Show) -> dict[str, Any]:
    """Name the winner, train it to a full run folder, write the account down."""
    found = _account(wanted, training, worker)
    write_account(wanted.folder, found)  # what follows may fail, and takes a while
    if found["winner"] is None:
        raise SteadygradError(
            f"The search found nothing. {found['verdict']} Give a longer --budget."
        )
    recipe = training.recipe(found["values"], wanted.asked.seed)
    folder = wanted.folder / "winner"
    show.say("Training the winner to a full run; its test pictures are scored once, now.")
    if (folder / "recipe.json").exists():  # a search that was interrupted in its last stretch
        summary = fit.resume(str(folder), show=show)
    else:
        job = Job(wanted.data, str(folder), True, wanted.data_root, wanted.allow_broken)
        summary = fit.run(job, recipe, show=show)
    found |= {"recipe": str(folder / "recipe.json"), "full_run": summary}
    found["overhead"] = worker.overhead_seconds / max(worker.budget.age, 1e-9)
    found["seconds"] = time.time() - wanted.began
    write_account(wanted.folder, found)
    return found


def _account(wanted: Search, training: Training, worker: Worker) -> dict[str, Any]:
    """What is known so far."""
    pictures = len(training.images.val)
    found = account_of(worker.study, worker.plan, worker.space, pictures)
    found |= {"data": wanted.data, "folder": str(wanted.folder), "budget": wanted.seconds}
    return found | {"jobs": wanted.jobs, "seconds": time.time() - wanted.began}
