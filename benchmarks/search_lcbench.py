"""Side by side on real learning curves: ours, Optuna's TPE with Hyperband, plain random search.

    STEADYGRAD_DATA=… python benchmarks/search_lcbench.py [--datasets 10] [--seeds 3]

The LCBench surrogate (Apache-2.0, from YAHPO Gym) answers how a real network stood after each of 52
epochs. Normalised regret = (best of 3,000 random configurations - found) / (best - their median),
after 3, 5 and 10 full runs' worth of epochs: lower is better, and below 0 is better than the best
of 3,000.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Generator, Mapping
from functools import cache
from pathlib import Path
from statistics import mean, median

import numpy as np
import onnxruntime
import optuna

from steadygrad.search.budget import Budget
from steadygrad.search.engine import Deaf, Worker
from steadygrad.search.objective import Look, Report
from steadygrad.search.space import Parameter, Space, Value
from steadygrad.search.stages import make_plan, sobol_points
from steadygrad.search.study import Study
from steadygrad.search.trial import looks_of

FULL = 52
BUDGETS = (3, 5, 10)
VAL_ACCURACY = 1
"""Of the surrogate's outputs: time, validation accuracy, ..."""
TASKS = ("3945", "7593", "34539", "126025", "146212", "167104", "167149", "167168", "168329",
         "189866")  # fmt: skip
SPACE = Space(
    (
        Parameter("lr", 1e-4, 1e-1, log=True, limits=(1e-4, 1e-1)),
        Parameter("weight_decay", 1e-5, 1e-1, log=True, limits=(1e-5, 1e-1)),
        Parameter("batch_size", 16, 512, log=True, whole=True, limits=(16, 512)),
        Parameter("momentum", 0.1, 0.99, limits=(0.1, 0.99)),
        Parameter("depth", 1, 5, whole=True, limits=(1, 5)),
        Parameter("width", 64, 1024, log=True, whole=True, limits=(64, 1024)),
        Parameter("dropout", 0.0, 1.0, limits=(0.0, 1.0)),
    )
)
ORDER = ("batch_size", "lr", "momentum", "weight_decay", "depth", "width", "dropout")
"""Of the surrogate's numbers, after the epoch."""


def curves(task: str, points: list[Mapping[str, Value]]) -> np.ndarray:
    """Validation error after each epoch, (points, 52)."""
    session, codes = surrogate()
    epochs = np.arange(1, FULL + 1, dtype=np.float32)
    rows = np.array([[float(p[name]) for name in ORDER] for p in points], np.float32)
    numbers = np.concatenate(
        [np.tile(epochs, len(points))[:, None], np.repeat(rows, FULL, axis=0)], axis=1
    )
    names = np.full((len(numbers), 1), codes[task], np.int32)
    answer = session.run(None, {"x_cat": names, "x_cont": numbers})[0]
    return 1.0 - np.asarray(answer)[:, VAL_ACCURACY].reshape(len(points), FULL) / 100.0


@cache
def surrogate() -> tuple[onnxruntime.InferenceSession, dict[str, int]]:
    folder = Path(os.environ["STEADYGRAD_DATA"]) / "lcbench"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "model.onnx", options)
    return session, json.loads((folder / "encoding.json").read_text())["OpenML_task_id"]


def random_points(number: int, seed: int) -> list[Mapping[str, Value]]:
    shares = np.random.default_rng(seed).random((number, len(SPACE.parameters)))
    return [SPACE.point([float(share) for share in row]) for row in shares]


@cache
def scale(task: str) -> tuple[float, float]:
    """Best and median validation error of 3,000 random configurations at the full length."""
    last = np.concatenate([curves(task, random_points(300, 10_000 + i)) for i in range(10)])[:, -1]
    return float(last.min()), float(np.median(last))


RUNGS = (2, 6, 17)
LOOKS = looks_of(FULL, RUNGS)
"""Where the command looks: at the ninths of a run and the rungs."""


class Curves:
    """The surrogate as an objective: every epoch asked for is counted."""

    full = FULL
    noisy = False

    def __init__(self, task: str) -> None:
        self.task = task
        self.found: list[float] = []
        """The best validation error after each epoch trained."""

    def train(
        self, fields: Mapping[str, Value], seed: int, stop: int, folder: Path
    ) -> Generator[Report, None, None]:
        del seed  # the surrogate has no noise
        curve = curves(self.task, [fields])[0]
        folder.mkdir(parents=True, exist_ok=True)
        for part in range(self.done(folder) + 1, stop + 1):
            self.count(float(curve[part - 1]))
            (folder / "done").write_text(str(part))
            if part == stop or part in LOOKS:
                yield Look(part, float(curve[part - 1]))

    def done(self, folder: Path) -> int:
        file = folder / "done"
        return int(file.read_text()) if file.exists() else 0

    def count(self, value: float) -> None:
        self.found.append(min([value, *self.found[-1:]]))


def ours(task: str, runs: int, seed: int) -> list[float]:
    objective = Curves(task)
    plan = make_plan(FULL, runs, noisy=False, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        study = Study(f"{folder}/study.journal", "search")
        study.begin(plan, SPACE, sobol_points(SPACE, plan.starts, seed), {})
        budget = Budget(parts=FULL * runs)
        Worker(study, objective, SPACE, plan, budget, Path(folder), Deaf()).run()
    return objective.found


def tpe_hyperband(task: str, runs: int, seed: int) -> list[float]:
    objective = Curves(task)
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=FULL, reduction_factor=3)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner)

    def run(trial: optuna.Trial) -> float:
        params: dict[str, Value] = {}
        for p in SPACE.parameters:
            suggest = trial.suggest_int if p.whole else trial.suggest_float
            params[p.name] = suggest(p.name, p.low, p.high, log=p.log)  # type: ignore[arg-type]
        curve = curves(task, [params])[0]
        for epoch, value in enumerate(curve):
            if len(objective.found) >= FULL * runs:
                study.stop()
                raise optuna.TrialPruned
            objective.count(float(value))
            trial.report(float(value), epoch + 1)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(curve[-1])

    study.optimize(run)
    return objective.found


def random_search(task: str, runs: int, seed: int) -> list[float]:
    objective = Curves(task)
    for curve in curves(task, random_points(runs, seed)):
        for value in curve:
            objective.count(float(value))
    return objective.found


METHODS: dict[str, Callable[[str, int, int], list[float]]] = {
    "ours": ours,
    "Optuna TPE + Hyperband": tpe_hyperband,
    "random": random_search,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=list(METHODS))
    asked = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    print(f"Mean normalised regret, {asked.datasets} data sets, median of {asked.seeds} seeds")
    print("method".ljust(26) + "".join(f"{b} runs".rjust(10) for b in BUDGETS) + "   seconds")
    for name, method in METHODS.items():
        if asked.only in (None, name):
            began = time.monotonic()
            row = [regret(method, runs, asked) for runs in BUDGETS]
            seconds = time.monotonic() - began
            print(name.ljust(26) + "".join(f"{r:10.3f}" for r in row) + f"{seconds:10.0f}")


def regret(method: Callable[[str, int, int], list[float]], runs: int, asked: argparse.Namespace):
    regrets: list[float] = []
    for task in TASKS[: asked.datasets]:
        best, middle = scale(task)
        found = [method(task, runs, seed)[: FULL * runs][-1] for seed in range(asked.seeds)]
        regrets.append(median((value - best) / (middle - best) for value in found))
    return mean(regrets)


if __name__ == "__main__":
    main()
