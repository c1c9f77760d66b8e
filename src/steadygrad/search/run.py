"""The whole of `steadygrad search`: pictures, plan, workers, winner, its full run."""

from __future__ import annotations

import multiprocessing
import time
from contextlib import suppress
from typing import Any

from steadygrad import fit
from steadygrad.errors import SteadygradError
from steadygrad.fit.job import Job, Show, Silent
from steadygrad.fit.signals import StopSignals
from steadygrad.search.engine import Deaf, Listener, Worker
from steadygrad.search.folds import over_folds
from steadygrad.search.setup import Search, checked, join, make_training, plan_text
from steadygrad.search.trial import Training
from steadygrad.search.written import account_of, write_account


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
        helpers = _helpers(wanted)
        try:
            worker.run()
        except BaseException:
            for helper in helpers:
                helper.terminate()
            with suppress(Exception):  # what went wrong first is what has to be told
                write_account(wanted.folder, _account(wanted, training, worker))
            raise
        finally:
            for helper in helpers:
                helper.join()
        return _conclude(wanted, training, worker, show)


def _helpers(wanted: Search) -> list[Any]:
    """The other jobs on this machine: processes that join the study."""
    context = multiprocessing.get_context("spawn")
    found = [context.Process(target=_help, args=(wanted,)) for _ in range(wanted.jobs - 1)]
    for helper in found:
        helper.start()
    return found


def _help(wanted: Search) -> None:
    with suppress(KeyboardInterrupt):  # the terminal's Ctrl-C reaches every process
        _worker(wanted, make_training(wanted, Silent()), Deaf(), Silent()).run()


def _worker(wanted: Search, training: Training, heard: Listener, show: Show) -> Worker:
    study, plan, space, budget = join(wanted, training)
    show.say(plan_text(plan, space, budget))
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
    found["folds"] = over_folds(worker.study.trials()[found["winner"]], worker.plan)
    found["spent"], found["overhead"] = worker.clock.shares()
    found["seconds"] = time.time() - wanted.began
    write_account(wanted.folder, found)
    return found


def _account(wanted: Search, training: Training, worker: Worker) -> dict[str, Any]:
    """What is known so far."""
    pictures = len(training.images.val)
    found = account_of(worker.study, worker.plan, worker.space, pictures)
    found |= {"data": wanted.data, "folder": str(wanted.folder), "budget": wanted.seconds}
    return found | {"jobs": wanted.jobs, "seconds": time.time() - wanted.began}
