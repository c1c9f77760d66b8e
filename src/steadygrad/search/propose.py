"""The fine stage's next point: Optuna's Gaussian process, or TPE where parameters hang on choices.

The sampler gets a study of its own, made anew in memory for each question: all trials so far, under
the ranges as they stand now. A sampler asked in a study whose ranges changed falls back to random
points without a word; this one never sees a change.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import optuna
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from steadygrad.search.forecast import full_length_estimates
from steadygrad.search.space import Space, Value
from steadygrad.search.tried import LOST, RUNNING, Tried


def propose(space: Space, tried: list[Tried], full: int, seed: int) -> dict[str, Value]:
    """The point that most likely improves on the best, given all that was seen."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = optuna.create_study(sampler=_sampler(space, seed))
            for trial in seen(space, tried, full):
                study.add_trial(trial)
            return _ask(space, study.ask())
    finally:
        optuna.logging.set_verbosity(verbosity)


def seen(space: Space, tried: list[Tried], full: int) -> list[FrozenTrial]:
    """All trials as Optuna's, under the ranges as they stand now; running ones without a value."""
    estimates = full_length_estimates(tried, full)
    found: list[FrozenTrial] = []
    for trial in tried:
        if trial.state == LOST or trial.repeats is not None or not space.contains(trial.params):
            continue
        kinds = space.distributions(trial.params)
        if trial.number in estimates:
            value = estimates[trial.number]
            found.append(create_trial(params=trial.params, distributions=kinds, value=value))
        elif trial.state == RUNNING:
            state = TrialState.RUNNING
            found.append(create_trial(state=state, params=trial.params, distributions=kinds))
    return found


def _sampler(space: Space, seed: int) -> BaseSampler:
    if space.is_conditional:
        return TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)
    return GPSampler(seed=seed, n_startup_trials=1, deterministic_objective=False)


def _ask(space: Space, trial: optuna.Trial) -> dict[str, Value]:
    params: dict[str, Any] = {}
    for parameter in space.parameters:
        if parameter.when is not None and params.get(parameter.when[0]) != parameter.when[1]:
            continue
        if parameter.choices:
            value = trial.suggest_categorical(parameter.name, parameter.choices)
        elif parameter.whole:
            low, high = round(parameter.low), math.ceil(parameter.high)
            value = trial.suggest_int(parameter.name, low, high, log=parameter.log)
        else:
            low, high = parameter.low, parameter.high
            value = trial.suggest_float(parameter.name, low, high, log=parameter.log)
        params[parameter.name] = value
    return params
