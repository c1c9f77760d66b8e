"""Babysitting: what to look at before and during training, and two well-known slips settled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from steadygrad.lab.babysitting_runs import (
    DECADES,
    DECAY,
    EXAMPLES,
    NUM_DRAWS,
    Measured,
    flat_steps,
    measure,
)
from steadygrad.lab.drawing import (
    BLUE,
    GRAY,
    GREEN,
    HATCHES,
    ORANGE,
    VERMILION,
    curve,
    figure,
    label,
    legend_below,
)
from steadygrad.lab.framework import (
    Experiment,
    Option,
    Result,
    Verdict,
    at_least,
    at_most,
    between,
    near,
)
from steadygrad.lab.short_runs import load_study
from steadygrad.lab.training import smoothed

TOP = 10.0
"""Loss in nats up to which the figure goes."""


def table(found: Measured) -> list[dict[str, Any]]:
    """One row a rate of the sweep, then one a rate of the update ratio."""
    rows: list[dict[str, Any]] = [
        {
            "rate": rate,
            "loss at the end": run.last_train[0],
            "training accuracy": run.last_train[1],
            "updates until numbers broke": len(run.losses) if run.broke else None,
        }
        for rate, run in found.sweep.items()
    ]
    rows += [
        {
            "rate": rate,
            "loss at the end": found.ratio_losses[rate],
            "median update ratio": float(np.median(ratios)),
        }
        for rate, ratios in found.ratios.items()
    ]
    return rows


def judge(found: Measured) -> list[Verdict]:
    """The checklist, held against the measurements."""
    return [*_before(found), *_slips(found), *_during(found)]


def _before(found: Measured) -> list[Verdict]:
    loss, accuracy = found.heart.last_train
    return [
        near(
            "Loss of the untrained network against ln C",
            found.start["plain"],
            found.start["guess"],
            relative=0.05,
            why="the head starts small, so that the first answers are nearly even",
        ),
        at_least(
            f"With a weight penalty (decay {DECAY:g}) it is higher, times",
            (found.start["plain"] + found.start["penalty"]) / found.start["plain"],
            1.5,
            why="a penalty that changes nothing is not in the loss",
        ),
        at_most(
            f"{EXAMPLES} examples are learned by heart: training loss",
            loss,
            0.05,
            why="what can't do that has a fault",
        ),
        at_least("with training accuracy", accuracy, 1.0, why="all of them"),
    ]


def _slips(found: Measured) -> list[Verdict]:
    losses = {rate: run.last_train[0] for rate, run in found.sweep.items()}
    best = min(losses, key=lambda rate: losses[rate])
    broken = [rate for rate, run in found.sweep.items() if run.broke]
    below = [rate for rate in broken if rate <= best]
    good, bad = (found.decades[name] for name in found.decades)
    first = float(np.mean(found.sweep[1e-6].losses[:10]))
    even = 1 / len(good)
    return [
        at_least(
            "Rate too small (1e-6): share of the loss that is left",
            losses[1e-6] / first,
            0.95,
            why="the loss barely changes",
        ),
        at_least(
            "A loss that is NaN means the rate is too HIGH: lowest rate that breaks, over the best",
            min(broken, default=math.nan) / best,
            3.0,
            why=f"{len(broken)} of {len(losses)} rates broke",
        ),
        at_most("and rates at or under the best that break", len(below), 0, why="counted"),
        near(
            "Log-uniform is 10**uniform(a, b): share of its draws in the lowest decade",
            float(good[0]),
            even,
            absolute=4 * math.sqrt(even * (1 - even) / NUM_DRAWS),
            why="4 standard errors; every decade the same",
        ),
        near(
            "uniform(10**a, 10**b) is not: share of its draws in the highest decade",
            float(bad[-1]),
            0.9,
            absolute=4 * math.sqrt(0.9 * 0.1 / NUM_DRAWS),
            why="4 standard errors; 0.1 to 1 is nine tenths of 0 to 1",
        ),
    ]


def _during(found: Measured) -> list[Verdict]:
    kaiming, small = found.deep["Kaiming"], found.deep["half of it"]
    rates = sorted(found.ratios)
    best = min(found.ratio_losses, key=lambda rate: found.ratio_losses[rate])
    firsts = [float(found.ratios[rate][0]) for rate in rates]
    return [
        at_least(
            "Flat, then falling is the mark of a bad start: updates before the loss falls, times "
            "those with Kaiming",
            flat_steps(small) / max(1, flat_steps(kaiming)),
            3.0,
            why="five layers with half of Kaiming's deviation: 1/32 of the signal gets through",
        ),
        at_most(
            "and then it does fall: loss at the end over the first",
            small.last_train[0] / small.losses[0],
            0.6,
            why="it was slow, not stuck",
        ),
        near(
            "First update's ratio ‖update‖/‖weights‖ at ten times the rate, over that at the rate",
            firsts[1] / firsts[0],
            10.0,
            relative=0.02,
            why="plain SGD: proportional; small differences of float32 weights",
        ),
        between(
            f"Median update ratio at the best of these rates ({best:g})",
            float(np.median(found.ratios[best])),
            3e-4,
            3e-2,
            why="the rule of thumb, 1e-3, is an order of size: a factor of 30 either way at most",
        ),
        at_most(
            f"and at a rate that crawls ({rates[0]:g}; it ends at "
            f"{found.ratio_losses[rates[0]] / found.ratio_losses[best]:.1f} times the loss)",
            float(np.median(found.ratios[rates[0]])),
            3e-4,
            why="updates far under a thousandth say: raise the rate",
        ),
    ]


def draw_sweep(found: Measured) -> Figure:
    """The rates, and the two starts."""
    drawn, axes = figure(
        1,
        2,
        caption=f"Left: loss at the end by learning rate, {TOP:g} where it is more; crosses at the "
        "top are runs whose numbers broke, all at high rates. Right: the loss of a deep network "
        "with Kaiming's standard deviation and half of it.",
    )
    left, right = axes[0]
    whole = {rate: run.last_train[0] for rate, run in found.sweep.items() if not run.broke}
    broken = [rate for rate, run in found.sweep.items() if run.broke]
    left.plot(list(whole), np.minimum(list(whole.values()), TOP), "o-", color=BLUE)
    left.plot(broken, [TOP] * len(broken), "X", color=VERMILION, markersize=9, label="NaN or ∞")
    left.axhline(math.log(found.num_classes), color=GRAY, linestyle=":", label="ln C")
    left.set_xscale("log")
    left.set_yscale("log")
    label(left, "learning rate", "training loss at the end (nats)", "Rates", legend=True)
    for order, (name, run) in enumerate(found.deep.items()):
        curve(right, smoothed(run.losses, 10), name, order)
    right.set_ylim(0, None)
    label(right, "update", "training loss (nats)", "Flat, then falling")
    right.legend(title="standard deviation")
    return drawn


def draw_ratios(found: Measured) -> Figure:
    """Update ratios by rate, and the two ways of drawing a rate."""
    drawn, axes = figure(
        1,
        2,
        height=3.8,
        caption="Left: size of the updates over that of the weights, by learning rate; the dotted "
        "line is the rule of thumb. Right: where draws of a rate fall, for the right way to draw "
        "and the wrong one.",
    )
    left, right = axes[0]
    for order, (rate, ratios) in enumerate(found.ratios.items()):
        loss = found.ratio_losses[rate]
        curve(left, smoothed(list(ratios), 10), f"{rate:g}: loss {loss:.2f}", order)
    left.axhline(1e-3, color=GRAY, linestyle=":")
    left.set_yscale("log")
    legend_below(left, columns=2, title="rate, and where it ends")
    label(left, "update", "‖update‖ / ‖weights‖", "Size of the updates")
    low, high = DECADES
    places = np.arange(low, high) + 0.5
    for order, (name, shares) in enumerate(found.decades.items()):
        look = {"color": (GREEN, ORANGE)[order], "hatch": HATCHES[order], "edgecolor": "white"}
        right.bar(places + 0.4 * order - 0.2, shares, 0.38, label=name, **look)
    right.set_xticks(range(low, high + 1), [f"1e{e}" for e in range(low, high + 1)])
    legend_below(right)
    label(right, "drawn rate", "share of the draws", "Where draws fall")
    return drawn


def run(values: dict[str, Any]) -> Result:
    """Go through the checklist."""
    seed, num = int(values["seed"]), int(values["pictures"])
    study = load_study("fashion-mnist", num_train=num, num_val=num // 2, seed=seed)
    torch.manual_seed(seed)
    found = measure(study, seed, int(values["epochs"]))
    broken = [rate for rate, run in found.sweep.items() if run.broke]
    text = (
        f"{study.about}. The untrained loss is {found.start['plain']:.3f} (ln C = "
        f"{found.start['guess']:.3f}). {EXAMPLES} examples end at loss "
        f"{found.heart.last_train[0]:.4f}. Numbers broke at the rates "
        f"{', '.join(f'{rate:g}' for rate in broken) or 'none'}."
    )
    figures = {"sweep": draw_sweep(found), "ratios": draw_ratios(found)}
    return Result(table(found), figures, judge(found), text)


EXPERIMENT = Experiment(
    name="babysitting",
    title="Babysitting the training",
    claim="A few cheap looks before and during training tell what is wrong: the first loss, twenty "
    "examples by heart, the rate, the shape of the curve, the size of the updates.",
    explanation="An untrained network knows nothing, so its loss must be that of guessing, ln C; a "
    "weight penalty must raise it. A sound network learns twenty examples by heart; if it can't, "
    "look for the fault before training on thousands. Then the rate: too small and the loss stands "
    "still, too high and it explodes. (It is sometimes written that a NaN means a rate too low. It "
    "never does: run it and see.) A loss that is flat for long and then falls points at the "
    "initial weights. While training, updates of about a thousandth of the weights' own size are "
    "usual. And rates to try are drawn as 10**uniform(a, b), so that each power of ten gets its "
    "share; uniform between the two ends puts nine in ten into the last one.",
    source="Stanford CS231n, Neural Networks part 3 (babysitting); Karpathy 2019, A Recipe for "
    "Training Neural Networks",
    options=(
        Option("epochs", 8, 5, "Passes over the training pictures.", int),
        Option("pictures", 1500, 800, "Training pictures; digits have 1,437 in all.", int),
    ),
    run=run,
)
