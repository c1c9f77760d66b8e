"""Babysitting: what to look at before and during training, and two well-known slips settled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from steadygrad.lab.drawing import BLUE, GRAY, GREEN, ORANGE, VERMILION, curve, figure, label
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
from steadygrad.lab.short_runs import (
    Run,
    Study,
    load_study,
    new_classifier,
    pixels_and_labels,
    score,
    short_run,
)
from steadygrad.lab.training import descend, smoothed
from steadygrad.optim import make_optimizer
from steadygrad.record import Recipe

DECAY = 1.0
"""Far too much on purpose, so that the loss must follow."""
EXAMPLES = 20
EXPONENTS = tuple(range(-6, 7))
"""The lecture's own sweep, 1e-6 to 1e6."""
RATIO_RATES = (1e-4, 1e-3, 1e-2, 1e-1)
SMALL_STD = 0.1
"""Kaiming's for 64 inputs is 0.18: each of five layers lets half of the signal through."""
NUM_DRAWS = 100_000
DECADES = (-6, 0)


@dataclass(frozen=True)
class Measured:
    """Everything the experiment looked at."""

    num_classes: int
    start: dict[str, float]
    heart: Run
    sweep: dict[float, Run]
    deep: dict[str, Run]
    ratios: dict[float, np.ndarray]
    """Rate to ‖update‖ / ‖weights‖ of every step, the middle one of the layers."""
    ratio_losses: dict[float, float]
    decades: dict[str, np.ndarray]
    """Way of drawing to the share of draws in each decade."""


def base_recipe(seed: int, epochs: int) -> Recipe:
    """Plain stochastic gradient descent on a small multilayer perceptron."""
    return Recipe(
        seed=seed,
        epochs=epochs,
        batch_size=32,
        model="mlp",
        depth=2,
        width=64,
        init="auto",
        optimizer="sgd",
        lr=0.1,
        momentum=0.0,
        weight_decay=0.0,
        schedule="constant",
    )


def start_losses(study: Study, recipe: Recipe) -> dict[str, float]:
    """Cross entropy of the untrained network, and with a weight penalty on top."""
    classifier = new_classifier(study, recipe)
    plain, _ = score(classifier, *pixels_and_labels(study.train))
    squares = sum(float(w.detach().square().sum()) for w in classifier.parameters() if w.ndim > 1)
    return {"plain": plain, "penalty": 0.5 * DECAY * squares, "guess": math.log(len(study.classes))}


def update_ratios(study: Study, recipe: Recipe, num_steps: int) -> tuple[np.ndarray, float]:
    """‖update‖ / ‖weights‖ of each step (the median of the layers), and the loss at the end."""
    classifier = new_classifier(study, recipe)
    examples = pixels_and_labels(study.train)
    weights = [weight for weight in classifier.parameters() if weight.ndim > 1]
    before = [weight.detach().clone() for weight in weights]
    found: list[float] = []
    steps = descend(
        classifier,
        make_optimizer(classifier, recipe),
        examples,
        num_steps=num_steps,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
    )
    for _ in steps:
        now = [weight.detach().clone() for weight in weights]
        layers = [float((new - old).norm() / old.norm()) for new, old in zip(now, before)]
        found.append(float(np.median(layers)))
        before = now
    return np.asarray(found), score(classifier, *examples)[0]


def shares_by_decade(seed: int) -> dict[str, np.ndarray]:
    """Of many draws from 1e-6 to 1, the share in each decade, for two ways of drawing."""
    generator = np.random.default_rng([seed, 14])
    low, high = DECADES
    ways = {
        "10**uniform(a, b)": 10.0 ** generator.uniform(low, high, NUM_DRAWS),
        "uniform(10**a, 10**b)": generator.uniform(10.0**low, 10.0**high, NUM_DRAWS),
    }
    edges = 10.0 ** np.arange(low, high + 1)
    return {name: np.histogram(draws, edges)[0] / NUM_DRAWS for name, draws in ways.items()}


def measure(study: Study, seed: int, epochs: int) -> Measured:
    """Look at everything once."""
    base = base_recipe(seed, epochs)
    deep = base.replace(depth=5, init="kaiming-normal", lr=0.05, epochs=4 * epochs)
    heart = base.replace(batch_size=EXAMPLES, epochs=300)
    ratios = {
        rate: update_ratios(study, base.replace(lr=rate), 20 * epochs) for rate in RATIO_RATES
    }
    return Measured(
        num_classes=len(study.classes),
        start=start_losses(study, base),
        heart=short_run(study.fewer(EXAMPLES), heart, score_every=0),
        sweep={
            10.0**e: short_run(study, base.replace(lr=10.0**e), score_every=0) for e in EXPONENTS
        },
        deep={
            "Kaiming": short_run(study, deep, score_every=0),
            "too small": short_run(
                study, deep.replace(init="normal", init_std=SMALL_STD), score_every=0
            ),
        },
        ratios={rate: found[0] for rate, found in ratios.items()},
        ratio_losses={rate: found[1] for rate, found in ratios.items()},
        decades=shares_by_decade(seed),
    )


def flat_steps(run: Run) -> int:
    """Updates until the smoothed loss is a tenth under the first; all of them if it never is."""
    losses = smoothed(run.losses, 10)
    limit = 0.9 * float(np.mean(run.losses[:5]))
    return next((step for step, loss in enumerate(losses) if loss < limit), len(losses))


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
    kaiming, small = found.deep["Kaiming"], found.deep["too small"]
    rates = sorted(found.ratios)
    best = min(found.ratio_losses, key=lambda rate: found.ratio_losses[rate])
    firsts = [float(found.ratios[rate][0]) for rate in rates]
    return [
        at_least(
            "Flat, then falling is the mark of a bad start: updates before the loss falls, times "
            "those with Kaiming",
            flat_steps(small) / max(1, flat_steps(kaiming)),
            3.0,
            why="five layers of weights drawn too small",
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
        caption="Left: loss at the end by learning rate; crosses at the top are runs whose numbers "
        "broke, all at high rates. Right: the loss of a deep network from a good and a bad start.",
    )
    left, right = axes[0]
    top = 10.0
    whole = {rate: run.last_train[0] for rate, run in found.sweep.items() if not run.broke}
    broken = [rate for rate, run in found.sweep.items() if run.broke]
    left.plot(list(whole), np.minimum(list(whole.values()), top), "o-", color=BLUE)
    left.plot(broken, [top] * len(broken), "X", color=VERMILION, markersize=9, label="NaN or ∞")
    left.axhline(math.log(found.num_classes), color=GRAY, linestyle=":", label="ln C")
    left.set_xscale("log")
    left.set_yscale("log")
    label(left, "learning rate", "training loss at the end (nats)", legend=True)
    for order, (name, run) in enumerate(found.deep.items()):
        curve(right, smoothed(run.losses, 10), name, order)
    right.set_ylim(0, None)
    label(right, "update", "training loss (nats)", "Flat, then falling", legend=True)
    return drawn


def draw_ratios(found: Measured) -> Figure:
    """Update ratios by rate, and the two ways of drawing a rate."""
    drawn, axes = figure(
        1,
        2,
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
    left.legend(title="rate, and where it ends", fontsize=9)
    label(left, "update", "‖update‖ / ‖weights‖")
    low, high = DECADES
    places = np.arange(low, high) + 0.5
    for offset, (name, shares), colour in zip((-0.2, 0.2), found.decades.items(), (GREEN, ORANGE)):
        right.bar(places + offset, shares, 0.38, label=name, color=colour)
    right.set_xticks(range(low, high + 1), [f"1e{e}" for e in range(low, high + 1)])
    label(right, "drawn rate", "share of the draws", legend=True)
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
