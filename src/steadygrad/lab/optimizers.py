"""Experiment: optimisers in a ravine, at a saddle and in noise, and against their formulas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from steadygrad.lab.framework import Experiment, Option, Result, Verdict, at_least, at_most, near
from steadygrad.lab.landscape_figures import START_STEPS, draw_paths, draw_start
from steadygrad.lab.landscapes import (
    Path,
    best_sgd_rate,
    best_walk,
    bowl,
    decay_factor,
    heavy_ball_factor,
    noisy_spread,
    noisy_walk,
    predicted_spread,
    ravine,
    rotated,
    saddle,
    sgd_steps,
    walk,
)
from steadygrad.lab.update_rules import (
    MOMENTUM,
    RULES,
    adam_start,
    largest_difference,
    uncorrected_start,
)

SHARE = 1e-6  # of the start's height: there a walk has arrived
RAVINE_START = (10.0, 1.0)
LOWEST_RATE, DECADES = 1e-3, 3.5  # 0.001 to 3.2
SADDLE_START = (1.0, 1e-5)  # almost on the ridge
SADDLE_HEIGHT = -0.2  # of -0.25 in the minima
SADDLE_RATE = 0.05
MOST_STEPS = 1000
NOISE_RATE, NOISE_STEPS = 0.1, 100
NOISE_START, NOISE_NEAR = (2.0, 1.5), 0.5
FIT_SKIP, FIT_STEPS = 30, 230  # a straight line before float64 ends
FORMULA_STEPS, FORMULA_SIZE = 200, 20
ADAPTIVE = ("rmsprop", "adam")
RAVINE_CAPTION = (
    "Paths down the ravine, turned by 45 degrees, each optimiser at the best of the rates tried."
)
SADDLE_CAPTION = "Paths off the saddle at (0, 0), started next to its ridge, all at one rate."
NOISE_CAPTION = (
    f"Paths in a round bowl whose gradients are noisy, {NOISE_STEPS} steps at rate {NOISE_RATE:g}; "
    f"counted are the steps until the minimum is first nearer than {NOISE_NEAR:g}."
)


def measure_ravine(condition: float, degrees: float, num_rates: int) -> dict[str, Path]:
    """Each optimiser's quickest walk down the ravine, turned by `degrees`."""
    landscape = rotated(ravine(condition), degrees)
    turn = math.radians(degrees)
    x, y = RAVINE_START
    start = (x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn))
    target = SHARE * 0.5 * (x**2 + condition * y**2)
    rates = tuple(LOWEST_RATE * 10**exponent for exponent in np.linspace(0, DECADES, num_rates))
    return {name: best_walk(name, rates, landscape, start, target, MOST_STEPS) for name in RULES}


def measure_saddle() -> dict[str, Path]:
    """Each optimiser's walk off the ridge, all with the same rate."""
    return {
        name: walk(name, SADDLE_RATE, saddle, SADDLE_START, SADDLE_HEIGHT, MOST_STEPS)
        for name in RULES
    }


def rate_verdicts(condition: float) -> list[Verdict]:
    """Gradient descent and momentum against the theory of quadratic bowls."""
    lr, height = best_sgd_rate(condition), ravine(condition)
    start = RAVINE_START
    target = SHARE * 0.5 * (start[0] ** 2 + condition * start[1] ** 2)
    plain = walk("sgd", lr, height, start, target, 20 * int(condition))
    fitted = walk("momentum", 1.0 / condition, height, start, 0.0, FIT_STEPS)
    return [
        near(
            f"ravine of {condition:g} : 1: steps of gradient descent at its best rate 2/(1 + κ)",
            float(plain.arrived or math.inf),
            sgd_steps(condition, SHARE),
            absolute=2,
            why="whole steps",
        ),
        near(
            "ravine: what a step of momentum 0.9 leaves of the distance",
            decay_factor(fitted, FIT_SKIP),
            heavy_ball_factor(condition, 1.0 / condition),
            relative=0.01,
            why="the wave on the way down tilts the fitted line",
        ),
    ]


def walk_verdicts(straight: dict[str, Path], turned: dict[str, Path]) -> list[Verdict]:
    """Who is quicker down the ravine, each at its best rate."""
    steps = {name: path.arrived or MOST_STEPS for name, path in straight.items()}
    slanted = {name: path.arrived or MOST_STEPS for name, path in turned.items()}
    return [
        at_least(
            "ravine: gradient descent needs this many times the steps of momentum",
            steps["sgd"] / steps["momentum"],
            2.0,
            why="theory: about √κ / 2 for momentum fitted to κ; it is held at 0.9 here",
        ),
        at_least(
            "ravine: gradient descent needs this many times the steps of Nesterov's momentum",
            steps["sgd"] / steps["nesterov"],
            2.0,
            why="as for momentum",
        ),
        at_most(
            "turned by 45°, gradient descent needs as many steps as before (ratio)",
            max(slanted["sgd"] / steps["sgd"], steps["sgd"] / slanted["sgd"]),
            1.02,
            why="its path turns with the ravine; rounding may cost a step",
        ),
        at_least(
            "turned by 45°, AdaGrad loses what scaling each axis gave it (ratio of steps)",
            slanted["adagrad"] / steps["adagrad"],
            4.0,
            why="one rate per weight can't follow a slanted ravine",
        ),
    ]


def saddle_verdicts(paths: dict[str, Path]) -> list[Verdict]:
    """Who gets off the ridge first."""
    steps = {name: path.arrived or math.inf for name, path in paths.items()}
    growth = math.log(1.0 / SADDLE_START[1]) / math.log1p(SADDLE_RATE)
    adaptive = max(steps[name] for name in ADAPTIVE)
    return [
        near(
            "saddle: steps of gradient descent are what growing by 1 + lr a step takes",
            steps["sgd"],
            growth,
            relative=0.1,
            why="near the minimum the slope is no longer y",
        ),
        at_least(
            "saddle: gradient descent needs this many times the steps of RMSProp and Adam",
            steps["sgd"] / adaptive,
            3.0,
            why="they step as far however small the slope is",
        ),
    ]


def noise_verdicts(spreads: dict[str, float], chains: int) -> list[Verdict]:
    """The spread around the minimum against theory, for the rules that have one."""
    why = f"4 standard errors of {chains} runs"
    return [
        near(
            f"noisy gradient: variance around the minimum, {name}",
            spreads[name],
            predicted_spread(NOISE_RATE, 1.0, momentum),
            relative=4 * math.sqrt(2 / chains),
            why=why,
        )
        for name, momentum in (("sgd", 0.0), ("momentum", MOMENTUM))
    ]


def formula_verdicts(gradients: torch.Tensor) -> list[Verdict]:
    """The library's optimisers against the papers' formulas, and Adam's start."""
    found = [
        at_most(
            f"{name}: the library's weights equal the formula's over {len(gradients)} steps",
            largest_difference(name, gradients),
            1e-12,
            why="rounding of float64, relative to the way gone",
        )
        for name in RULES
    ]
    plain, corrected = adam_start(START_STEPS, False), adam_start(START_STEPS, True)
    worst = max(abs(size / uncorrected_start(step) - 1) for step, size in enumerate(plain, start=1))
    return [
        *found,
        near(
            "Adam without bias correction: the first step, in units of the rate",
            plain[0],
            0.1 / math.sqrt(0.001),
            relative=1e-5,
            why="its epsilon, 1e-8",
        ),
        at_most(
            "Adam without bias correction: steps against (1 − 0.9^t) / √(1 − 0.999^t), relative",
            worst,
            1e-5,
            why="its epsilon, 1e-8",
        ),
        near(
            "Adam with bias correction: the largest of its first steps, in units of the rate",
            max(corrected),
            1.0,
            relative=1e-6,
            why="its epsilon, 1e-8",
        ),
    ]


def rows_of(found: dict[str, dict[str, Path]]) -> list[dict[str, Any]]:
    """One row for each landscape and optimiser."""
    return [
        {
            "landscape": landscape,
            "optimizer": name,
            "rate": path.lr,
            "steps": path.arrived,
            "height at the end": path.heights[-1],
        }
        for landscape, paths in found.items()
        for name, path in paths.items()
    ]


def run(values: dict[str, Any]) -> Result:
    """Walk, count, compare with theory and with the formulas."""
    condition, seed, chains = values["condition"], values["seed"], values["chains"]
    straight, turned = (
        measure_ravine(condition, degrees, values["num_rates"]) for degrees in (0.0, 45.0)
    )
    ridge = measure_saddle()
    spreads = {name: noisy_spread(name, NOISE_RATE, 1.0, chains, 300, seed) for name in RULES}
    noisy = {
        name: noisy_walk(name, NOISE_RATE, NOISE_START, NOISE_NEAR, NOISE_STEPS, seed)
        for name in RULES
    }
    draws = torch.Generator().manual_seed(seed)
    gradients = torch.randn(FORMULA_STEPS, FORMULA_SIZE, generator=draws, dtype=torch.float64)
    return Result(
        [
            *rows_of(
                {"ravine": straight, "ravine at 45°": turned, "saddle": ridge, "noise": noisy}
            ),
            *({"noisy gradient": name, "variance": spreads[name]} for name in spreads),
        ],
        {
            "ravine": draw_paths(
                rotated(ravine(condition), 45.0), turned, (12, 12), [(0, 0)], RAVINE_CAPTION
            ),
            "saddle": draw_paths(saddle, ridge, (1.3, 1.3), [(0, 1), (0, -1)], SADDLE_CAPTION),
            "noise": draw_paths(bowl, noisy, (2.6, 2.6), [(0, 0)], NOISE_CAPTION),
            "start": draw_start(spreads, NOISE_RATE),
        },
        [
            *rate_verdicts(condition),
            *walk_verdicts(straight, turned),
            *saddle_verdicts(ridge),
            *noise_verdicts(spreads, chains),
            *formula_verdicts(gradients),
        ],
        f"Fewest steps down a ravine of {condition:g} : 1, each at the best of the rates tried: "
        f"{_told(straight)}. The same ravine turned by 45 degrees: {_told(turned)}.",
    )


def _told(paths: dict[str, Path]) -> str:
    return ", ".join(f"{name} {path.arrived or 'never'}" for name, path in paths.items())


EXPERIMENT = Experiment(
    name="optimizers",
    title="Optimisers",
    claim="Momentum shortens the way along a ravine, scaling each weight's step leaves saddles "
    "sooner, each is exactly its formula, and Adam needs its bias correction at the start.",
    explanation="In a ravine the slope across is many times the slope along, and plain gradient "
    "descent can't go faster along than the walls allow. Momentum adds up what keeps its sign and "
    "cancels what swings. AdaGrad, RMSProp and Adam divide each weight's step by the size of its "
    "gradients, so a tiny slope at a saddle no longer means tiny steps; but weight by weight only: "
    "turn the ravine by 45 degrees and part of that gain is gone. What speeds up on a slope also "
    "gathers noise: around the minimum, momentum 0.9 spreads ten times as wide as plain descent at "
    "the same rate. Adam's averages start at zero; left uncorrected, its first step is √10 rates "
    "long.",
    source="Polyak 1964; Duchi et al. 2011; Tieleman, Hinton 2012; Sutskever et al. 2013; Kingma, "
    "Ba 2015",
    options=(
        Option("condition", 100.0, None, "How many times steeper across than along.", least=2),
        Option("num_rates", 15, 8, "Learning rates tried for each, 0.001 to 3.2.", int, least=2),
        Option("chains", 16384, 4096, "Runs with noise, to take a variance over.", int, least=64),
    ),
    run=run,
)
