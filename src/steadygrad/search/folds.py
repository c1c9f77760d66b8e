"""K-fold validation: which pictures each fold is judged by, and what a trial's folds gave."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from statistics import mean, stdev
from typing import Any

import numpy as np

from steadygrad.errors import InputError
from steadygrad.images.dataset import Images
from steadygrad.images.split import deal
from steadygrad.report.words import percent
from steadygrad.search.stages import Plan
from steadygrad.search.tried import Tried

FEWEST = 2


def fold_images(images: Images, number: int, seed: int) -> tuple[Images, ...]:
    """The same pictures once per fold, each with another part of train and val as its val.

    Dealt out class by class, copies of a picture together; the test split stays what it is. No
    folds for 0. Raises InputError for a number that can't be.
    """
    if number == 0:
        return ()
    if number < FEWEST:
        raise InputError(f"--folds {number} can't be; expected {FEWEST} or more, such as 5.")
    pool = np.sort(np.concatenate([images.splits["train"], images.splits["val"]]))
    parts, smallest = deal(images.source, images.audit, pool, number, f"{seed} fold")
    if smallest[1] < number:
        raise InputError(
            f"--folds {number} is more than the class '{images.classes[smallest[0]]}' has: "
            f"{smallest[1]} different pictures outside the test split. Every fold needs one of "
            f"each class: expected at most {smallest[1]}, or leave --folds out."
        )
    return tuple(
        replace(images, splits={**images.splits, "train": np.setdiff1d(pool, part), "val": part})
        for part in parts
    )


def fold_errors(trial: Tried, plan: Plan) -> list[float]:
    """The validation error in each fold the trial came to the end of.

    Its curve has the mean over the folds so far at each fold's end.

    >>> plan = Plan(9, (1, 3, 9, 27, 54), 0, 0, 8.0, folds=2)
    >>> [round(e, 3) for e in fold_errors(Tried(0, {}, curve={9: 0.3, 27: 0.2, 54: 0.25}), plan)]
    [0.2, 0.3]
    """
    ends = range(plan.run, plan.full + 1, plan.run)
    sums = [0.0]
    for count, part in enumerate(ends, 1):
        if part not in trial.curve:
            break
        sums.append(count * trial.curve[part])
    return [after - before for before, after in pairwise(sums)]


def over_folds(trial: Tried, plan: Plan) -> dict[str, Any] | None:
    """A trial's errors by fold with their mean and standard deviation; None: there are no folds."""
    if plan.folds < FEWEST:
        return None
    errors = fold_errors(trial, plan)
    spread = stdev(errors) if len(errors) >= FEWEST else None
    return {
        "number": plan.folds,
        "errors": errors,
        "mean": mean(errors) if errors else None,
        "spread": spread,
    }


def folds_text(found: dict[str, Any], test_error: float | None) -> str:
    """What the folds say of the winner, and what the test split says, in a sentence or two."""
    errors = found["errors"]
    if not errors:
        return f"No trial came to the end of the first of {found['number']} folds."
    spread = "" if found["spread"] is None else f", standard deviation {percent(found['spread'])}"
    text = (
        f"over {len(errors)} of {found['number']} folds its validation error is "
        f"{percent(found['mean'])} on average ({percent(min(errors))} to "
        f"{percent(max(errors))}{spread}); the choice flatters that"
    )
    if test_error is None:
        return f"{text}, and there is no test split that the choice has not seen"
    return f"{text}, the test split is the honest figure: {percent(test_error)}"
