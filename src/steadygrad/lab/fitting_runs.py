"""The networks the fitting experiment trains: small to large, shallow to very deep, held or not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from steadygrad.images.augment import Augmentation
from steadygrad.lab.short_runs import Run, Study, new_classifier, short_run
from steadygrad.nn.blocks import Network, Residual
from steadygrad.record import Recipe

WIDTHS = (1, 2, 4, 16, 64, 256)
WIDE = 64
DEEP = 4
LAYERS = 40
"""Of the very deep networks, half of them inside each shortcut's blocks of two."""
LAYERS_WIDTH = 32
WRONG_LABELS = 0.4
"""Share of the training labels drawn anew: a network that learns those by heart overfits."""


@dataclass(frozen=True)
class Measured:
    """All runs, by what was changed, and the parameters of two of them."""

    capacity: dict[int, Run]
    shapes: dict[str, Run]
    depth: dict[str, Run]
    held: dict[str, Run]


def base_recipe(seed: int, epochs: int) -> Recipe:
    """A multilayer perceptron under Adam, with nothing against overfitting."""
    return Recipe(
        seed=seed,
        epochs=epochs,
        batch_size=32,
        model="mlp",
        depth=1,
        width=256,
        init="kaiming-normal",
        optimizer="adamw",
        lr=3e-3,
        weight_decay=0.0,
        schedule="constant",
    )


def with_wrong_labels(study: Study, seed: int) -> Study:
    """A study with a share of its training labels drawn anew; the validation labels stay right."""
    generator = np.random.default_rng([seed, 15])
    labels = study.train.labels.copy()
    chosen = study.train.indices[generator.random(len(study.train)) < WRONG_LABELS]
    labels[chosen] = generator.integers(0, len(study.classes), len(chosen))
    return replace(study, train=replace(study.train, labels=labels))


def equal_width(inputs: int, classes: int, parameters: int) -> int:
    """Width of a perceptron of DEEP hidden layers that has about so many parameters."""

    def count(width: int) -> int:
        return (inputs + 1 + classes + (DEEP - 1) * (width + 1)) * width + classes

    return min(range(1, 4 * WIDE), key=lambda width: abs(count(width) - parameters))


def very_deep(study: Study, shortcuts: bool) -> nn.Module:
    """LAYERS hidden layers, plain or in residual blocks of two; the same number of parameters."""
    pixels = study.train.pixels[0].size
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(pixels, LAYERS_WIDTH), nn.ReLU()]
    for _ in range(LAYERS // 2):
        first, second = (nn.Linear(LAYERS_WIDTH, LAYERS_WIDTH) for _ in range(2))
        if shortcuts:
            branch = nn.Sequential(first, nn.ReLU(), second)
            layers.append(Residual(branch, nn.Identity(), nn.ReLU()))
        else:
            layers += [first, nn.ReLU(), second, nn.ReLU()]
    return Network(layers, LAYERS_WIDTH, len(study.classes))


def measure(study: Study, seed: int, epochs: int) -> Measured:
    """Train everything."""
    base = base_recipe(seed, epochs)
    wrong = with_wrong_labels(study, seed)
    inputs, classes = study.train.pixels[0].size, len(study.classes)
    parameters = (inputs + 1 + classes) * WIDE + classes
    narrow = equal_width(inputs, classes, parameters)

    def deep(shortcuts: bool) -> Run:
        recipe = base.replace(init="auto" if shortcuts else "kaiming-normal", lr=1e-3)
        classifier = new_classifier(study, recipe, very_deep(study, shortcuts))
        return short_run(study, recipe, classifier=classifier)

    heavy = base.replace(depth=2)
    shift = max(1, study.train.pixels.shape[1] // 10)
    return Measured(
        capacity={
            width: short_run(wrong, base.replace(width=width), score_every=0) for width in WIDTHS
        },
        shapes={
            "wide": short_run(study, base.replace(width=WIDE)),
            "deep": short_run(study, base.replace(depth=DEEP, width=narrow)),
        },
        depth={f"{LAYERS} layers, plain": deep(False), f"{LAYERS} layers, shortcuts": deep(True)},
        held={
            "nothing": short_run(wrong, heavy),
            "weight decay": short_run(wrong, heavy.replace(weight_decay=1.0)),
            "dropout": short_run(wrong, heavy.replace(dropout=0.7)),
            "augmentation": short_run(wrong, heavy, augment=Augmentation(shift=shift)),
        },
    )


def gap(run: Run) -> float:
    """Training accuracy over validation accuracy, as a difference."""
    return run.last_train[1] - run.last_val[1]


def weight_norm(run: Run) -> float:
    """L2 norm of all weights, biases left out."""
    squares = (float(w.detach().square().sum()) for w in run.classifier.parameters() if w.ndim > 1)
    return float(np.sqrt(sum(squares)))
