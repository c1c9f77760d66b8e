"""Learning rates: too low, good, too high; schedules; rate against batch size; what an epoch is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from steadygrad.lab.framework import (
    Experiment,
    Option,
    Result,
    Verdict,
    at_least,
    at_most,
)
from steadygrad.lab.learning_rate_figures import draw_epochs, draw_rates, draw_schedules
from steadygrad.lab.learning_rate_runs import (
    RATES,
    TIMES,
    Measured,
    curve_distance,
    measure,
    schedule_error,
    settled_loss,
)
from steadygrad.lab.short_runs import load_study


def table(found: Measured) -> list[dict[str, Any]]:
    """One row a run."""
    groups = {
        "rate": {f"{rate:g}": run for rate, run in found.rates.items()},
        "schedule": found.schedules,
        "batch size": found.batches,
        "epoch": found.doubled,
    }
    return [
        {
            "part": part,
            "run": name,
            "steps taken": len(run.losses),
            "training loss": run.last_train[0],
            "training accuracy": run.last_train[1],
            "validation accuracy": run.last_val[1],
            "broke": run.broke,
        }
        for part, runs in groups.items()
        for name, run in runs.items()
    ]


def judge(found: Measured) -> list[Verdict]:
    """The claims against the runs."""
    return [*_rates(found), *_schedules(found), *_batches(found)]


def _rates(found: Measured) -> list[Verdict]:
    losses = {rate: run.last_train[0] for rate, run in found.rates.items()}
    best = min(losses, key=lambda rate: losses[rate])
    guess = math.log(found.num_classes)
    lowest = found.rates[RATES[0]]
    return [
        at_least(
            f"Too low ({RATES[0]:g}): share of the first loss that is left at the end",
            lowest.last_train[0] / float(np.mean(lowest.losses[:5])),
            0.85,
            why="it hardly moves",
        ),
        at_most(
            f"Good ({best:g}, the best of a sweep by decades): loss over that of guessing, ln C",
            losses[best] / guess,
            0.3,
            why="it has learned",
        ),
        at_least(
            "A hundredth of the best rate ends at so many times its loss",
            losses.get(min(losses, key=lambda rate: abs(math.log(rate * 100 / best))), math.nan)
            / losses[best],
            2.0,
            why="slower",
        ),
        at_least(
            "Too high (a hundred times the best and more): lowest loss over ln C",
            min(loss for rate, loss in losses.items() if rate >= 99 * best) / guess,
            0.9,
            why="no better than guessing, or numbers broke (∞)",
        ),
    ]


def _schedules(found: Measured) -> list[Verdict]:
    settled = {name: settled_loss(run) for name, run in found.schedules.items()}
    errors = [schedule_error(name, run, found.peak) for name, run in found.schedules.items()]
    return [
        at_most(
            "Rates of the training loop against the schedules' formulas, largest difference",
            max(errors),
            1e-9,
            why="double precision, thousands of small steps of the clock",
        ),
        at_most(
            "Decay settles what noise keeps in motion: loss over the last tenth of the run, linear "
            "decay over the constant rate with the same peak",
            settled["linear"] / settled["constant"],
            0.8,
            why="a fifth lower is more than another seed changes",
        ),
    ]


def _batches(found: Measured) -> list[Verdict]:
    base, scaled, unscaled = found.batches.values()
    longer, twice = found.doubled.values()
    once = longer.epochs[len(twice.epochs) - 1][0]
    return [
        at_most(
            f"Batch × {TIMES} with rate × {TIMES} against batch × {TIMES} alone: distance of the "
            "curve, per epoch, from that of the small batch",
            curve_distance(base, scaled) / curve_distance(base, unscaled),
            1 / 3,
            why="mean |log ratio| of the losses; equal curves would give 0",
        ),
        at_most(
            "Data doubled by copies: E epochs of it against 2 E epochs of it once (|log ratio|)",
            abs(math.log(twice.last_train[0] / longer.last_train[0])),
            0.1,
            why="as many updates; only their order differs",
        ),
        at_least(
            "and against E epochs of it once: times lower loss",
            once / twice.last_train[0],
            1.2,
            why="an epoch is a number of updates, and it has twice as many",
        ),
    ]


def run(values: dict[str, Any]) -> Result:
    """Train with every rate, schedule, batch size and length."""
    seed = int(values["seed"])
    num = int(values["pictures"])
    study = load_study("fashion-mnist", num_train=num, num_val=num // 2, seed=seed)
    found = measure(study, seed, int(values["epochs"]))
    losses = {rate: run.last_train[0] for rate, run in found.rates.items()}
    best = min(losses, key=lambda rate: losses[rate])
    broken = [rate for rate, run in found.rates.items() if run.broke]
    text = (
        f"{study.about}. Of the rates {RATES[0]:g} to {RATES[-1]:g} the best was {best:g} "
        f"(loss {losses[best]:.3f})"
        + (f"; from {min(broken):g} on numbers broke." if broken else ".")
    )
    figures = {
        "rates": draw_rates(found),
        "schedules": draw_schedules(found),
        "epochs": draw_epochs(found),
    }
    return Result(table(found), figures, judge(found), text)


EXPERIMENT = Experiment(
    name="learning-rates",
    title="Learning rates",
    claim="Too low a rate crawls, too high a one stalls or breaks. Decay settles what noise "
    "keeps in motion. A batch N times as large wants a rate N times as large.",
    explanation="The learning rate is the setting to get right first. Each update goes a step "
    "against the gradient. Short steps need many updates; long ones jump over the valley and out "
    "of it. A sweep by factors of ten shows all of this within a minute. With small batches the "
    "gradient is noisy, so at a constant rate the loss hovers over the minimum. Schedules lower "
    "the rate towards the end and let it settle; a warm-up raises it gently at the start, when a "
    "network is most easily thrown off. A batch eight times as large makes an eighth of the "
    "updates per epoch. With a rate eight times as large the curves per epoch coincide, as long "
    "as the rate stays far from where training breaks. And an epoch is no unit of work: with "
    "every picture twice it holds twice the updates, and drawn over the updates the two curves "
    "are one.",
    source="Goyal et al. 2017 (scaling, warm-up); Loshchilov, Hutter 2017 (cosine); Smith 2017 "
    "(cyclic); Vaswani et al. 2017 (inverse square root)",
    options=(
        Option("epochs", 10, 6, "Passes over the training pictures.", int),
        Option("pictures", 2000, 800, "Training pictures; of digits at most 958.", int, least=64),
    ),
    run=run,
)
