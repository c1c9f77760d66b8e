"""The whole of `steadygrad search`: pictures, plan, workers, winner, its full run."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from steadygrad import fit
from steadygrad.errors import SteadygradError
from steadygrad.fit.job import Job, Show, Silent
from steadygrad.fit.signals import StopSignals
from steadygrad.record import Recipe
from steadygrad.search.engine import Deaf, Listener, Worker
from steadygrad.search.folds import over_folds
from steadygrad.search.helpers import Helpers
from steadygrad.search.setup import Search, checked, join, make_training, plan_text
from steadygrad.search.trial import Training
from steadygrad.search.tried import Tried
from steadygrad.search.winner import Winner
from steadygrad.search.written import STUDY_NAME, account_of, write_account

USUAL = -1
"""In place of a trial's number: the recipe that is usual without a search."""
SHORTEST_SECONDS = 5.0
"""The budget of a run that has none left."""
SUMMARY = "summary.json"
"""Of the winner's run: written last."""


def search(
    wanted: Search, *, show: Show | None = None, listener: Listener | None = None
) -> dict[str, Any]:
    """Search, train the winner to a full run, and give the account (also as search.json).

    Raises InputError for a space, data or a storage that can't be used.
    """
    show = show or Silent()
    wanted = checked(wanted)
    with StopSignals() as signals:
        signals.message = f"Stopped before anything was tried in '{wanted.folder}'."
        training = make_training(wanted, show)
        worker = _worker(wanted, training, listener or Deaf(), show)
        signals.message = (
            f"Stopped. Every trial so far is kept in '{wanted.folder}', paused ones where they "
            f"stand; the same command goes on, with what is left of its budget. So far: "
            f"steadygrad report {wanted.folder}"
        )
        winner = Winner(wanted.place, STUDY_NAME)
        try:
            if not winner.is_named:
                words = (wanted, training.asked)
                with Helpers(wanted.jobs - 1, _help, words, show.say):
                    worker.run()
        except BaseException:
            with suppress(Exception):  # what went wrong first is what has to be told
                write_account(wanted.folder, _account(wanted, training, worker))
            raise
        return _conclude(wanted, training, worker, winner, show)


def _help(wanted: Search, chosen: Recipe) -> None:
    """Another job here; `chosen`: its threads and precision, as those of the first job."""
    training = make_training(replace(wanted, asked=chosen), Silent())
    _worker(wanted, training, Deaf(), Silent()).run()


def _worker(wanted: Search, training: Training, heard: Listener, show: Show) -> Worker:
    study, plan, space, budget = join(wanted, training)
    show.say(plan_text(plan, space, budget))
    return Worker(study, training, space, plan, budget, wanted.folder, heard)


def _conclude(
    wanted: Search, training: Training, worker: Worker, winner: Winner, show: Show
) -> dict[str, Any]:
    """Name the winner, have it trained to a full run folder, write the account down."""
    found = _account(wanted, training, worker)
    tried = worker.study.trials()
    named = USUAL if found["winner"] is None else found["winner"]
    if named == USUAL:
        _excuse(found, tried)
    write_account(wanted.folder, found)  # what follows may fail, and takes a while

    def train(number: int) -> dict[str, Any]:
        if number == USUAL:
            left = max(SHORTEST_SECONDS, wanted.left)
            return _train_winner(wanted, training.asked.replace(budget_seconds=left), show)
        recipe = training.recipe(worker.space.fields(tried[number].params), wanted.asked.seed)
        return _train_winner(wanted, recipe, show)

    number, full_run = winner.train_once(named, train, show.say)
    if number != named:  # another worker named it, before the last trials were through
        values = None if number == USUAL else worker.space.fields(tried[number].params)
        found |= {"winner": None if number == USUAL else number, "values": values}
        found["verdict"] = f"Trial {number} was named by the worker whose time was over first."
    found |= {"recipe": str(Path(full_run["folder"]) / "recipe.json"), "full_run": full_run}
    found["folds"] = None if number == USUAL else over_folds(tried[number], worker.plan)
    found["spent"], found["overhead"] = worker.clock.shares()
    found["seconds"] = time.time() - wanted.began
    write_account(wanted.folder, found)
    return found


def _excuse(found: dict[str, Any], tried: list[Tried]) -> None:
    """Nothing was scored: where nothing went wrong either, the usual recipe has to do."""
    if any(trial.reason for trial in tried):
        raise SteadygradError(f"The search found nothing. {found['verdict']}")
    found["verdict"] = (
        "The budget was too short to score a single trial, so nothing was searched: the usual "
        "recipe was trained for what was left. Give a longer --budget."
    )


def _train_winner(wanted: Search, recipe: Recipe, show: Show) -> dict[str, Any]:
    """The winner's run folder, begun or, where a search was cut off in it, ended."""
    folder = wanted.folder / "winner"
    if (folder / SUMMARY).exists():  # cut off between its end and the account's
        return json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    show.say("Training the winner to a full run; its test pictures are scored once, now.")
    if (folder / "recipe.json").exists():
        return fit.resume(str(folder), show=show)
    job = Job(wanted.data, str(folder), True, wanted.data_root, wanted.allow_broken)
    return fit.run(job, recipe, show=show)


def _account(wanted: Search, training: Training, worker: Worker) -> dict[str, Any]:
    """What is known so far."""
    pictures = len(training.images.val)
    if worker.plan.folds > 1:  # each picture is held out once
        pictures += len(training.images.train)
    found = account_of(worker.study, worker.plan, worker.space, pictures)
    found |= {"data": wanted.data, "folder": str(wanted.folder), "budget": wanted.seconds}
    return found | {"jobs": wanted.jobs, "seconds": time.time() - wanted.began}
