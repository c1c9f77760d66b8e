"""Short training runs on a few real pictures, through the library's own loop."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadygrad.images.augment import Augmentation
from steadygrad.images.batches import Batches
from steadygrad.images.dataset import Subset
from steadygrad.lab.pictures import load_pictures
from steadygrad.models.build import build_network, describe
from steadygrad.models.classifier import Classifier
from steadygrad.modes import evaluation_mode
from steadygrad.nn.initialize import initialize
from steadygrad.preprocess import Preprocess
from steadygrad.record import Recipe
from steadygrad.train import Diverged, train
from steadygrad.training_state import start


@dataclass(frozen=True)
class Run:
    """What a short run left behind."""

    losses: list[float]
    """Of each step's batch, before its update; shorter than planned where numbers broke."""
    rates: list[float]
    epochs: list[tuple[float, float, float, float]]
    """After each scored epoch: loss and accuracy on the training, then the validation pictures."""
    classifier: Classifier
    broke: bool = False

    @property
    def last_train(self) -> tuple[float, float]:
        """Loss and accuracy on the training pictures at the end; infinite where numbers broke."""
        return (math.inf, 0.0) if self.broke or not self.epochs else self.epochs[-1][:2]

    @property
    def last_val(self) -> tuple[float, float]:
        """Loss and accuracy on the validation pictures at the end."""
        return (math.inf, 0.0) if self.broke or not self.epochs else self.epochs[-1][2:]


@dataclass(frozen=True)
class Study:
    """Real pictures to learn from and others to validate with; none of a set's test pictures."""

    name: str
    classes: tuple[str, ...]
    train: Subset
    val: Subset

    @property
    def about(self) -> str:
        """Which pictures they are, for the reader."""
        size = self.train.pixels.shape[1]
        return (
            f"{self.name}, {size}×{size}: {len(self.train)} pictures to learn from, "
            f"{len(self.val)} others to validate with"
        )

    def fewer(self, num_train: int) -> Study:
        """The same with only the first so many training pictures."""
        return replace(self, train=replace(self.train, indices=self.train.indices[:num_train]))


def load_study(*names: str, num_train: int, num_val: int, seed: int = 0) -> Study:
    """Pictures of the first set that lies on this machine, else digits; drawn at random."""
    found = load_pictures(*names, num_train=num_train + num_val, num_test=1, seed=seed)
    # Digits are few: where the set runs short, both parts shrink alike.
    num_train = min(num_train, len(found.train) * num_train // (num_train + num_val))
    order = np.arange(len(found.train))

    def part(indices: np.ndarray) -> Subset:
        return Subset(found.train, found.train_labels, indices, len(found.classes))

    return Study(found.name, found.classes, part(order[:num_train]), part(order[num_train:]))


def plain_recipe(seed: int, epochs: int) -> Recipe:
    """Plain stochastic gradient descent on a small multilayer perceptron, nothing else."""
    return Recipe(
        seed=seed,
        epochs=epochs,
        batch_size=32,
        model="mlp",
        depth=2,
        width=64,
        init="kaiming-normal",
        optimizer="sgd",
        lr=0.1,
        weight_decay=0.0,
        schedule="constant",
    )


def pixels_and_labels(subset: Subset) -> tuple[Tensor, Tensor]:
    """All pictures of a subset: (n, C, H, W) uint8 and (n,) int64."""
    everything = np.arange(len(subset))
    pixels = torch.from_numpy(subset.take(everything)).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.from_numpy(subset.labels_of(everything))


def new_classifier(study: Study, recipe: Recipe, network: nn.Module | None = None) -> Classifier:
    """The recipe's network (or `network`), initialised, behind preprocessing fitted on `study`."""
    train = study.train
    preprocess = Preprocess.fit(recipe.preprocess, train.pixels, train.indices)
    size, channels = train.pixels.shape[2:]
    network = network or build_network(recipe, len(study.classes), channels, size)
    draws = torch.Generator().manual_seed(recipe.seed)
    initialize(network, recipe.init, std=recipe.init_std, generator=draws)
    return Classifier(
        preprocess, network, study.classes, size, channels, "squash", describe(recipe)
    )


def short_run(
    study: Study,
    recipe: Recipe,
    *,
    classifier: Classifier | None = None,
    score_every: int = 1,
    augment: Augmentation | None = None,
    steps: int = 0,
) -> Run:
    """Train as the recipe says and score every few epochs (0: never but at the end).

    `steps` ends the run earlier than the recipe's epochs do.
    """
    classifier = classifier or new_classifier(study, recipe)
    batches = Batches(
        study.train,
        recipe.batch_size,
        seed=recipe.seed,
        augment=augment,
        num_classes=len(study.classes),
    )
    state = start(classifier, recipe, len(batches))
    state.total_steps = steps or state.total_steps
    run = Run([], [], [], classifier)
    seen, unseen = pixels_and_labels(study.train), pixels_and_labels(study.val)
    try:
        for step in train(state, batches, recipe):
            run.losses.append(step.loss)
            run.rates.append(step.lr)
            done = state.steps_left == 0
            epochs, rest = divmod(state.step, len(batches))
            if done or (score_every and rest == 0 and epochs % score_every == 0):
                run.epochs.append((*score(classifier, *seen), *score(classifier, *unseen)))
    except Diverged:
        return Run(run.losses, run.rates, run.epochs, classifier, broke=True)
    return run


@torch.no_grad()
def score(classifier: nn.Module, pixels: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean cross entropy in nats (infinite for NaN) and accuracy, in evaluation mode."""
    with evaluation_mode(classifier):
        logits = torch.cat([classifier(chunk) for chunk in pixels.split(512)]).float()
    loss = float(F.cross_entropy(logits, labels))
    accuracy = float((logits.argmax(1) == labels).float().mean())
    return (loss if math.isfinite(loss) else math.inf), accuracy
