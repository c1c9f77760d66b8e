"""What a training run is between two steps: network, optimiser, average, place in the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from steadygrad.errors import InputError, choose
from steadygrad.machine import MEMORY_FORMATS, choose_device
from steadygrad.modes import evaluation_mode
from steadygrad.optim import Average, make_optimizer, scaled_lr
from steadygrad.record import Recipe
from steadygrad.schedules import SCHEDULES, advance

AUTO_SCHEDULE = "linear"
PRECISIONS: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
CLASS_WEIGHTS = ("none", "balanced")
LOW_RESOLUTION_SCALE = 0.75
"""Side of the early, smaller pictures: 44 % fewer pixels, and about as much less time."""
LOW_RESOLUTION_MULTIPLE = 4
LOWEST_SIDE = 16
"""Below this many pixels nothing is made smaller: too little would be left to see."""


@dataclass
class TrainingState:
    """Everything training changes. `checkpoint` saves it; the recipe and the data are not in it."""

    classifier: nn.Module
    """With the attributes `preprocess` (pixels 0–255 → input) and `network` (input → logits)."""
    optimizer: Optimizer
    average: Average | None
    """Moving average of the classifier's weights; None with averaging off."""
    lr: float
    """Peak learning rate, scaled to the batch size."""
    steps_per_epoch: int
    total_steps: int
    """Updates in the whole run. May be changed between two steps to end sooner or later."""
    step: int = 0
    """Updates done."""
    progress: float = 0.0
    """Share of the run done, in [0, 1]; the schedule's clock. Never jumps, see `advance`."""
    class_weights: Tensor | None = None
    """(K,) float32, 1 on average over the training pictures; None: all pictures count 1."""

    @property
    def epoch(self) -> int:
        """Epoch the next step belongs to, from 0."""
        return self.step // self.steps_per_epoch

    @property
    def steps_left(self) -> int:
        """Updates still to do."""
        return max(0, self.total_steps - self.step)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.classifier.parameters()).device

    def advance(self) -> None:
        """Count one update."""
        self.progress = advance(self.progress, self.steps_left)
        self.step += 1


def start(
    classifier: nn.Module,
    recipe: Recipe,
    steps_per_epoch: int,
    class_counts: Sequence[int] | None = None,
) -> TrainingState:
    """Make ready to train `classifier`: on its device, in its memory format, at step 0.

    `class_counts` are the training pictures per class, needed for `class_weights="balanced"`.
    What the recipe leaves open ("auto", -1) takes a plain value: Nesterov momentum, linear
    schedule, no smoothing, no averaging, fp32, channels_last. `recipes.resolve` chooses better.
    Raises InputError for a number or name that can't be trained with.
    """
    recipe = settled(recipe)
    check_recipe(recipe)
    if steps_per_epoch < 1 or recipe.epochs < 1:
        raise InputError(
            f"A run of {recipe.epochs} epochs of {steps_per_epoch} steps has nothing to do; "
            "say at least --epochs 1."
        )
    device = choose_device(recipe.device)
    memory_format = choose("memory format", recipe.memory_format, MEMORY_FORMATS)
    classifier.to(device=device)
    classifier.to(memory_format=memory_format)  # pyright: ignore[reportCallIssue] (torch's stub)
    if recipe.low_resolution:
        check_low_resolution(classifier)
    state = TrainingState(
        classifier=classifier,
        optimizer=make_optimizer(classifier, recipe),
        average=Average(classifier, recipe.average_decay) if recipe.average_decay else None,
        lr=scaled_lr(recipe)[0],
        steps_per_epoch=steps_per_epoch,
        total_steps=recipe.epochs * steps_per_epoch,
    )
    if recipe.class_weights == "balanced":
        state.class_weights = balanced_weights(class_counts).to(device)
    return state


def settled(recipe: Recipe) -> Recipe:
    """The recipe with plain values in place of those left open for `recipes.resolve`.

    >>> settled(Recipe()).schedule, settled(Recipe(label_smoothing=0.1)).label_smoothing
    ('linear', 0.1)
    """
    return recipe.replace(
        schedule=AUTO_SCHEDULE if recipe.schedule == "auto" else recipe.schedule,
        label_smoothing=0.0 if recipe.label_smoothing < 0 else recipe.label_smoothing,
        average_decay=0.0 if recipe.average_decay < 0 else recipe.average_decay,
        warmup=0.0 if recipe.warmup < 0 else recipe.warmup,
        momentum=0.9 if recipe.momentum < 0 else recipe.momentum,
        bias_lr_factor=1.0 if recipe.bias_lr_factor < 0 else recipe.bias_lr_factor,
        head_lr_factor=1.0 if recipe.head_lr_factor < 0 else recipe.head_lr_factor,
        low_resolution=0.0 if recipe.low_resolution < 0 else recipe.low_resolution,
        precision="fp32" if recipe.precision == "auto" else recipe.precision,
        memory_format=("channels_last" if recipe.memory_format == "auto" else recipe.memory_format),
    )


def check_recipe(recipe: Recipe) -> None:
    """Refuse names and numbers training has no use for, before anything is built."""
    choose("schedule", recipe.schedule, SCHEDULES)
    choose("precision", recipe.precision, PRECISIONS)
    choose("class weighting", recipe.class_weights, dict.fromkeys(CLASS_WEIGHTS, True))
    shares = ("warmup", "final_lr_fraction", "label_smoothing", "freeze", "low_resolution")
    for name in shares:
        if not 0.0 <= getattr(recipe, name) <= 1.0:
            option = name.replace("_", "-")
            raise InputError(f"--{option} is {getattr(recipe, name):g}; expected 0 to 1.")
    if not recipe.clip_norm > 0:
        raise InputError(f"--clip-norm is {recipe.clip_norm:g}; expected a number above 0.")
    if recipe.lr < 0:
        raise InputError(f"--lr is {recipe.lr:g}; expected a rate above 0, or 0: chosen.")


class LowResolution(nn.Module):
    """A classifier as it sees pictures in the low-resolution share of a run, to be scored so.

    At full resolution its validation accuracy would lag far behind what it has learned: the objects
    are larger there than any it was shown.
    """

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels (N, C, H, W) 0–255 → logits (N, K)."""
        inputs = self.classifier.get_submodule("preprocess")(pixels)
        return self.classifier.get_submodule("network")(shrink(inputs))


def shrink(inputs: Tensor) -> Tensor:
    """Make (N, C, H, W) a quarter smaller each way, to whole multiples of 4 pixels.

    >>> shrink(torch.zeros(1, 3, 32, 28)).shape, shrink(torch.zeros(1, 1, 8, 8)).shape
    (torch.Size([1, 3, 24, 20]), torch.Size([1, 1, 8, 8]))
    """
    unit = LOW_RESOLUTION_MULTIPLE
    sides = [int(side * LOW_RESOLUTION_SCALE / unit) * unit for side in inputs.shape[2:]]
    if min(sides) < LOWEST_SIDE:
        return inputs
    return F.interpolate(inputs, size=sides, mode="bilinear", antialias=True)


def balanced_weights(class_counts: Sequence[int] | None) -> Tensor:
    """Weight of a picture by its class, so that all classes present count the same in the loss.

    N / (K n_c): 1 on average over the N pictures, K the number of classes with any picture.

    >>> balanced_weights([30, 10]).tolist()
    [0.666..., 2.0]
    """
    if class_counts is None or not sum(class_counts):
        raise InputError("Balanced class weights need the number of training pictures per class.")
    counts = torch.tensor(list(class_counts), dtype=torch.float32)
    weights = counts.sum() / (int((counts > 0).sum()) * counts)
    return torch.where(counts > 0, weights, torch.ones(()))


def check_low_resolution(classifier: nn.Module) -> None:
    """Refuse to train at a lower resolution a network that takes one size of picture only."""
    preprocess, network = (classifier.get_submodule(name) for name in ("preprocess", "network"))
    weight = next(classifier.parameters())
    inputs = shrink(torch.zeros(2, *getattr(preprocess, "shape"), device=weight.device))  # noqa: B009
    try:
        with evaluation_mode(classifier), torch.no_grad():
            network(inputs)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"The network does not take pictures of {inputs.shape[2]}×{inputs.shape[3]}, the lower "
            "resolution early epochs were to use; train it with --low-resolution 0."
        ) from error
