"""Searches to draw: made-up trials, put through the account that `steadygrad search` writes."""

import json
import math
import random
from dataclasses import replace
from functools import cache

from steadygrad.record.store import strict_json
from steadygrad.search.account import account
from steadygrad.search.space import Parameter, Space
from steadygrad.search.stages import make_plan, sobol_points
from steadygrad.search.tried import DONE, ENDED, WAITING, Tried
from steadygrad.search.verdict import decide

LR = Parameter("lr", 1e-4, 1.0, log=True, limits=(0.0, 1e20))
SPACE = Space(
    (
        LR,
        Parameter("weight_decay", 1e-6, 1e-2, log=True, limits=(0.0, 1e10)),
        Parameter("dropout", 0.0, 0.5, limits=(0.0, 0.9)),
    )
)
WIDE = Space(
    (
        *SPACE.parameters,
        Parameter("optimizer", choices=("nesterov", "adamw", "muon")),
        Parameter("momentum@nesterov", 0.5, 0.99, when=("optimizer", "nesterov")),
        Parameter("label_smoothing", 0.0, 0.3),
        Parameter("warmup", 0.0, 0.3),
        Parameter("shift", 0, 4, whole=True),
        Parameter("batch_size", choices=(32, 64, 128)),
        Parameter("schedule", choices=("linear", "cosine", "one-cycle")),
        Parameter("width", 8, 64, log=True, whole=True),
        Parameter("depth", 2, 12, whole=True),
        Parameter("clip_norm", 0.1, 10.0, log=True),
    )
)
HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"
PARTS = (1, 3, 9, 27)


def error(params, noise):
    away = math.log10(params["lr"] / 0.05) ** 2
    decay = 0.3 * math.log10(params["weight_decay"] / 1e-4) ** 2
    slower = 0.1 * (params.get("optimizer") == "muon")
    return 0.02 + 0.03 * away + 0.01 * decay + slower + abs(noise.gauss(0, 0.004))


def trials(space, number, *, cliff=math.inf, seed=0):
    """A third goes on from each rung, as in a real search."""
    noise = random.Random(seed)
    found, age = [], 0.0
    for index, params in enumerate(sobol_points(space, number, seed)):
        longest = PARTS[min(3, sum(index % 3**power == 0 for power in (1, 2, 3)))]
        at_end = error(params, noise)
        curve = {part: min(0.9, at_end + 0.5 * math.exp(-part / 4)) for part in PARTS}
        curve = {part: value for part, value in curve.items() if part <= longest}
        over = params["lr"] > cliff
        if over:
            curve = {1: curve[1]} if index % 2 else {}
        age += 1.3
        rest = {
            "state": ENDED if over else DONE if longest == 27 else WAITING,
            "reason": "its loss became nan in mini-batch 7" if over else "",
            "stage": "coarse" if longest == 1 or over else "halving",
            "times": {part: age + number * 0.4 * place for place, part in enumerate(curve)},
            "seconds": 0.3 * longest,
            "diverged": over,
            "first_loss": 2.3,
            "target": longest,
        }
        found.append(Tried(index, params, curve=curve, **rest))
    return found


def repeated(tried, best, space):
    """The best few with two more seeds each."""
    noise = random.Random(3)
    for trial in best:
        for seed in (1, 2):
            curve = {part: value + noise.gauss(0, 0.003) for part, value in trial.curve.items()}
            times = {part: 400.0 + len(tried) + part for part in curve}
            again = {"stage": "finalists", "seed": seed, "repeats": trial.number, "times": times}
            tried.append(Tried(len(tried), trial.params, DONE, curve, seconds=9.0, **again))


def told_of(tried, space, *, first=None, told=(), runs=5.0, pictures=500, **more):
    """What search.json would hold, read back from its text."""
    plan = make_plan(27, runs, noisy=True, seed=0)
    verdict = decide(tried, plan, pictures)
    found = account(tried, plan, (first or space, space), verdict, list(told))
    found |= {"data": "digits", "folder": "runs/search-digits", "pictures": pictures}
    return json.loads(strict_json(found | {"budget": 600.0, "seconds": 598.2} | more))


FULL_RUN = {"test": {"accuracy": 0.981, "loss": 0.07}, "val": {"accuracy": 0.979}}


@cache
def small():
    """A search that had time for three trials."""
    return told_of(trials(SPACE, 3), SPACE, full_run=FULL_RUN)


@cache
def widened():
    """The range of the rate was widened, and its winner has two rivals over three seeds."""
    space = SPACE.replaced(replace(LR, high=10.0))
    tried = trials(space, 40, cliff=0.6)
    finished = sorted((t for t in tried if t.state == DONE), key=lambda t: t.value)
    repeated(tried, finished[:3], space)
    told = ["lr: the best trials lie at the high end of the range (0.9 of 0.0001 to 1), and the "
            "error still falls there: widened to 10."]  # fmt: skip
    more = {"full_run": FULL_RUN, "overhead": 0.021, "recipe": "runs/x/winner/recipe.json"}
    return told_of(tried, space, first=SPACE, told=told, runs=40.0, **more)


@cache
def many():
    """Three hundred trials of thirteen parameters."""
    return told_of(trials(WIDE, 300, cliff=0.1), WIDE, full_run=FULL_RUN, runs=60.0)


def cut():
    """Cut off before anything was scored."""
    return told_of([Tried(n, p) for n, p in enumerate(sobol_points(SPACE, 9, 0))], SPACE)


def hostile():
    """Names that would be code, were they not text."""
    found = told_of(trials(SPACE, 12), SPACE, data=f"/x/{HOSTILE}", told=[HOSTILE])
    for row in found["trials"]:
        row["reason"], row["stage"], row["values"][HOSTILE] = HOSTILE, HOSTILE, HOSTILE
    found["space"].append({"name": HOSTILE, "choices": [HOSTILE, "b"]})
    return found | {"verdict": HOSTILE, "full_run": {}, "recipe": HOSTILE}


SEARCHES = {
    "small": small, "widened": widened, "many": many, "cut": cut, "hostile": hostile, "empty": dict,
}  # fmt: skip
