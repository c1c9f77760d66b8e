"""The networks the fitting experiment trains: small to large, shallow to very deep, held or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from steadygrad.images.augment import Augmentation
from steadygrad.lab.short_runs import Run, Study, new_classifier, short_run
from steadygrad.models.classifier import num_parameters
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
WEIGHT_DECAY = 1.0
"""AdamW's, times a rate of 3e-3 an update: with some hundred updates as strong as it takes."""
DROPOUT = (0.2, 0.5)
"""Of the pixels and of every hidden layer, the usual ones (Srivastava et al. 2014)."""


@dataclass(frozen=True)
class Repeated:
    """The same training on several draws of the pictures and the weights, and its means."""

    runs: Sequence[Run]

    @property
    def epochs(self) -> np.ndarray:
        """(scored epochs, 4): loss and accuracy on the training, then the validation pictures."""
        return np.mean([run.epochs for run in self.runs], 0)

    @property
    def last_train(self) -> tuple[float, float]:
        """Loss and accuracy on the training pictures at the end."""
        return tuple(np.mean([run.last_train for run in self.runs], 0).tolist())

    @property
    def last_val(self) -> tuple[float, float]:
        """Loss and accuracy on the validation pictures at the end."""
        return tuple(np.mean([run.last_val for run in self.runs], 0).tolist())

    @property
    def lowest_val_loss(self) -> float:
        """Of each run the lowest validation loss on the way; their mean."""
        return float(np.mean([min(epoch[2] for epoch in run.epochs) for run in self.runs]))

    @property
    def gap(self) -> float:
        """Training accuracy over validation accuracy, as a difference."""
        return self.last_train[1] - self.last_val[1]

    @property
    def parameters(self) -> int:
        """Numbers the network learns."""
        return num_parameters(self.runs[0].classifier.network)

    @property
    def weight_norm(self) -> float:
        """L2 norm of all weights, biases left out."""
        return float(np.mean([_weight_norm(run) for run in self.runs]))


@dataclass(frozen=True)
class Measured:
    """All runs, by what was changed."""

    capacity: dict[int, Repeated]
    shapes: dict[str, Repeated]
    depth: dict[str, Repeated]
    held: dict[str, Repeated]


def base_recipe(seed: int, epochs: int) -> Recipe:
    """A multilayer perceptron under Adam, with nothing against overfitting.

    Leaky, so that a single hidden unit can't be a dead one; to rate 0, so that the last loss is no
    accident of the last batches.
    """
    return Recipe(
        seed=seed,
        epochs=epochs,
        batch_size=32,
        model="mlp",
        depth=1,
        width=256,
        activation="leaky-relu",
        init="kaiming-normal",
        optimizer="adamw",
        lr=3e-3,
        weight_decay=0.0,
        schedule="linear",
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


def with_dropout(study: Study, of_pixels: float, of_units: float) -> nn.Module:
    """Two hidden layers of 256 units, with dropout before every linear layer."""
    pixels, width = study.train.pixels[0].size, 256
    layers: list[nn.Module] = [nn.Flatten(), nn.Dropout(of_pixels)]
    for features in (pixels, width):
        layers += [nn.Linear(features, width), nn.LeakyReLU(), nn.Dropout(of_units)]
    return Network(layers, width, len(study.classes))


def repeat(
    studies: Sequence[Study],
    recipe: Recipe,
    network: Callable[[Study], nn.Module] | None = None,
    *,
    augment: Augmentation | None = None,
    score_every: int = 1,
) -> Repeated:
    """Train the recipe's network (or `network`) on every study, each from weights of its own."""
    runs: list[Run] = []
    for draw, study in enumerate(studies):
        drawn = recipe.replace(seed=recipe.seed * len(studies) + draw)
        classifier = new_classifier(study, drawn, network(study) if network else None)
        runs.append(
            short_run(study, drawn, classifier=classifier, augment=augment, score_every=score_every)
        )
    return Repeated(runs)


def measure(studies: Sequence[Study], seed: int, epochs: int) -> Measured:
    """Train everything, on every draw of the pictures."""
    base = base_recipe(seed, epochs)
    first = studies[0]
    inputs, classes = first.train.pixels[0].size, len(first.classes)
    narrow = equal_width(inputs, classes, (inputs + 1 + classes) * WIDE + classes)
    deep = base.replace(lr=1e-3)
    wrong = [with_wrong_labels(study, seed) for study in studies]
    shift = max(1, first.train.pixels.shape[1] // 10)

    def held(
        dropout: tuple[float, float] = (0.0, 0.0),
        decay: float = 0.0,
        augment: Augmentation | None = None,
    ) -> Repeated:
        recipe = base.replace(weight_decay=decay)
        return repeat(wrong, recipe, lambda study: with_dropout(study, *dropout), augment=augment)

    return Measured(
        capacity={
            width: repeat(wrong, base.replace(width=width), score_every=0) for width in WIDTHS
        },
        shapes={
            "wide": repeat(studies, base.replace(width=WIDE), score_every=0),
            "deep": repeat(studies, base.replace(depth=DEEP, width=narrow), score_every=0),
        },
        depth={
            f"{LAYERS} layers, plain": repeat(studies, deep, lambda s: very_deep(s, False)),
            f"{LAYERS} layers, shortcuts": repeat(
                studies, deep.replace(init="auto"), lambda s: very_deep(s, True)
            ),
        },
        held={
            "nothing": held(),
            "weight decay": held(decay=WEIGHT_DECAY),
            "dropout": held(DROPOUT),
            "augmentation": held(augment=Augmentation(shift=shift)),
        },
    )


def _weight_norm(run: Run) -> float:
    squares = (float(w.detach().square().sum()) for w in run.classifier.parameters() if w.ndim > 1)
    return float(np.sqrt(sum(squares)))
