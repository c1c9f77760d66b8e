"""The methods side by side; each searches until the clock says that time is up."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import optuna

from steadygrad.search.budget import Budget
from steadygrad.search.engine import Worker
from steadygrad.search.listener import Deaf
from steadygrad.search.setup import MEASURED_SECONDS, MEASURED_SHARE, STARTED
from steadygrad.search.space import Space
from steadygrad.search.stages import Plan, make_plan, sobol_points
from steadygrad.search.study import Study
from steadygrad.search.trial import seconds_per_epoch, seconds_per_start
from steadygrad.search.tried import Tried
from steadygrad.search.verdict import decide

from .followed import Clock, Followed, TimeUp, run_once
from .tasks import with_looks


def count_cpu_seconds() -> None:
    """Our search counts this process's CPU seconds from now on, as `followed.Clock` does."""
    clock = SimpleNamespace(**{**vars(time), "monotonic": time.process_time})
    for name, module in list(sys.modules.items()):
        if name.startswith("steadygrad.search.") and getattr(module, "time", None) is time:
            setattr(module, "time", clock)  # noqa: B010


def random_search(objective: Followed, space: Space, seed: int) -> None:
    """Uniform points of the space, every one to its full length."""
    rng = np.random.default_rng(seed)
    for number in count():
        point = space.point([float(share) for share in rng.random(len(space.parameters))])
        try:
            for _ in run_once(objective, space.fields(point), seed, f"trial-{number}"):
                pass
        except TimeUp:
            return


def tpe_hyperband(objective: Followed, space: Space, seed: int) -> None:
    """Optuna's TPE sampler and Hyperband pruner with their defaults; a step is a part."""
    pruner = optuna.pruners.HyperbandPruner(
        min_resource=1, max_resource=objective.full, reduction_factor=3
    )
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner)
    ranges = {parameter.name: parameter.distribution() for parameter in space.parameters}
    while True:
        asked = study.ask(ranges)
        fields = space.fields(asked.params)
        last = None
        try:
            for look in run_once(objective, fields, seed, f"trial-{asked.number}"):
                last = look
                asked.report(look.value, look.part)
                if asked.should_prune():
                    break
        except TimeUp:
            return
        if last is not None and last.part == objective.full:
            study.tell(asked, last.value)
        else:
            study.tell(asked, state=optuna.trial.TrialState.PRUNED)


@dataclass
class Chosen(Deaf):
    """Writes down what our search would hand over, whenever a trial was left."""

    clock: Clock
    plan: Plan

    def left(self, trial: Tried, tried: list[Tried], parts_left: float) -> None:
        """Ask for the winner as things stand."""
        del trial, parts_left
        self.write(tried)

    def decided(self, text: str) -> None:
        """Keep the decision for whoever reads the events."""
        self.clock.write({"seconds": self.clock.age, "decided": text})

    def write(self, tried: list[Tried]) -> None:
        """Only what was trained to the full length can be handed over."""
        winner = decide(tried, self.plan).winner
        if winner is not None and winner.parts == self.plan.full:
            name = f"trial-{winner.number}"
            self.clock.write({"seconds": self.clock.age, "chosen": name})


def ours(objective: Followed, space: Space, seed: int) -> None:
    """The engine of `steadygrad search`, set up as that command does.

    Timing an epoch and a start counts: the others need none. Nothing is kept back for training the
    winner anew: what is handed over here is the trial itself. The usual recipe is not the first
    point.
    """
    clock, training = objective.clock, objective.training
    measured = min(MEASURED_SECONDS, MEASURED_SHARE * clock.seconds)
    run = seconds_per_epoch(training, measured) * training.epochs
    part = run / training.full
    starts = STARTED * seconds_per_start(training, part)
    runs = max(1.0, (clock.seconds - clock.age - starts) / run)
    plan = make_plan(training.full, runs, noisy=True, seed=seed)
    plan = replace(plan, epochs=training.epochs)
    objective.training = with_looks(training, plan.rungs)
    study = Study(str(clock.folder / "study.journal"), "search-real")
    study.begin(plan, space, sobol_points(space, plan.starts, seed), {})
    left = clock.seconds - clock.age
    limit = Budget(seconds=left, seconds_per_part=part, began=clock.now())
    heard = Chosen(clock, plan)
    Worker(study, objective, space, plan, limit, clock.folder, heard).run()
    heard.write(study.trials())
