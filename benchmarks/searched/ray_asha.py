"""Ray Tune: random points under its ASHA scheduler, with its defaults, one trial at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from steadygrad.search.space import Parameter

from .followed import Clock, Followed, TimeUp, run_once, warm_up
from .tasks import TASKS, load, space_of, training_of, use_one_core, with_looks

RUNGS = (1, 4, 16)
"""Where ASHA halves with its default factor of 4, from one part on."""
OVER = "over"
"""A file by which Ray's worker tells that the time is up."""
Job = Mapping[str, Any]


def ray_asha(job: Job, folder: Path) -> None:
    """Search until the clock in `folder` says that time is up.

    The clock starts when Ray's worker has loaded its pictures, so starting Ray counts for nothing.
    """
    # A trial that diverges before its first look, or is cut off by the clock, reports nothing.
    os.environ["TUNE_DISABLE_STRICT_METRIC_CHECKING"] = "1"
    # Ray lowers its workers' priority: no matter on an idle machine, all the matter on a busy one.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.basic_variant import BasicVariantGenerator

    over = folder / OVER

    class Stop(tune.Stopper):
        def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
            del trial_id, result
            return False

        def stop_all(self) -> bool:
            return over.exists()

    objective = prepared(tuple(sorted(job.items())), str(folder))
    space = space_of(objective.training)
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        tune.Tuner(
            tune.with_parameters(trial, job=dict(job), folder=str(folder)),
            param_space={p.name: domain(p, tune) for p in space.parameters},
            tune_config=tune.TuneConfig(
                metric="error",
                mode="min",
                num_samples=-1,
                scheduler=ASHAScheduler(time_attr="part", max_t=objective.full, grace_period=1),
                search_alg=BasicVariantGenerator(random_state=job["seed"], max_concurrent=1),
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=str(folder / "ray"), verbose=0, stop=Stop()),
        ).fit()
    finally:
        ray.shutdown()


def trial(config: dict[str, Any], job: Job, folder: str) -> None:
    """One trial, in Ray's worker."""
    from ray import tune

    objective = prepared(tuple(sorted(job.items())), folder)
    objective.clock.start()
    fields = space_of(objective.training).fields(config)
    try:
        for look in run_once(objective, fields, job["seed"], tune.get_context().get_trial_id()):
            tune.report({"error": look.value, "part": look.part})
    except TimeUp:
        Path(folder, OVER).touch()


@cache
def prepared(items: tuple[tuple[str, Any], ...], folder: str) -> Followed:
    """Pictures and training, once for each of Ray's processes."""
    job = dict(items)
    use_one_core(job["core"])
    task = TASKS[job["set"]]
    images = load(task, job["seed"], Path(job["root"]), Path(job["cache"]))
    training = with_looks(training_of(task, images, job["seed"], watch=False), RUNGS)
    warm_up(training)
    return Followed(training, Clock(Path(folder), job["seconds"], job["clock"] == "cpu"))


def domain(parameter: Parameter, tune: Any) -> Any:
    """A range in Ray's words."""
    if parameter.choices:
        return tune.choice(list(parameter.choices))
    if parameter.whole:  # Ray leaves the upper end out
        pick = tune.lograndint if parameter.log else tune.randint
        return pick(round(parameter.low), round(parameter.high) + 1)
    return (tune.loguniform if parameter.log else tune.uniform)(parameter.low, parameter.high)
