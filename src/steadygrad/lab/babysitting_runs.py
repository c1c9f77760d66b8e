"""What the babysitting experiment looks at: first losses, a sweep of rates, two starts, updates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from steadygrad.lab.short_runs import (
    Run,
    Study,
    new_classifier,
    pixels_and_labels,
    plain_recipe,
    score,
    short_run,
)
from steadygrad.lab.training import descend, smoothed
from steadygrad.models.classifier import Classifier
from steadygrad.optim import make_optimizer
from steadygrad.record import Recipe

DECAY = 1.0
"""Far too much on purpose, so that the loss must follow."""
EXAMPLES = 20
EXPONENTS = tuple(range(-6, 7))
"""The lecture's own sweep, 1e-6 to 1e6."""
RATIO_RATES = (1e-4, 1e-3, 1e-2, 1e-1)
SMALL_START = 0.5
"""Of Kaiming's standard deviation, so that each of five layers lets half of the signal through;
a fixed deviation would be small for some pictures' number of pixels and large for others'."""
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
    """The plain one, its network started as the library starts it."""
    return plain_recipe(seed, epochs).replace(init="auto", momentum=0.0)


def start_losses(study: Study, recipe: Recipe) -> dict[str, float]:
    """Cross entropy of the untrained network, and with a weight penalty on top."""
    classifier = new_classifier(study, recipe)
    plain, _ = score(classifier, *pixels_and_labels(study.train))
    squares = sum(float(w.detach().square().sum()) for w in classifier.parameters() if w.ndim > 1)
    return {"plain": plain, "penalty": 0.5 * DECAY * squares, "guess": math.log(len(study.classes))}


@torch.no_grad()
def small_start(study: Study, recipe: Recipe) -> Classifier:
    """The recipe's network with every weight SMALL_START times what its initialisation gave."""
    classifier = new_classifier(study, recipe)
    for weight in classifier.parameters():
        weight *= SMALL_START
    return classifier


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
            "half of it": short_run(
                study, deep, classifier=small_start(study, deep), score_every=0
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
