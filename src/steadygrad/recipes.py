"""Recipes by measurement: what fits the pictures at hand, for everything left open.

The numbers were chosen on validation pictures (docs/recipes.md has the tables). The rules depend
on the number, size and colour of the pictures and on the budget, never on a data set's name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from steadygrad.images.dataset import Images
from steadygrad.preprocess import PER_PIXEL
from steadygrad.record import Recipe

SMALL_PICTURE = 63
"""Up to this side (pixels) pictures are shifted by whole pixels; above, cropped and zoomed."""
LARGEST_BATCH = 512
STEPS_PER_EPOCH = 20
"""A batch is at most this fraction of the data: fewer updates an epoch waste short runs."""
DEFAULT_IMAGES = 600_000
"""Pictures a run without --epochs and --budget looks at, in all its epochs together ..."""
DEFAULT_EPOCHS = (8, 40)
"""... within these bounds of epochs."""
WIDTHS = (64, 48, 32, 24, 16)
"""Of the fast net's first group, for small pictures."""
WIDE, WIDE_EPOCHS, NARROW_EPOCHS = 48, 4.7, 1.3
"""From 48 channels on a run should see its pictures 4.7 times; a narrower net is worth its while
sooner (docs/recipes.md, the table of widths)."""
FEW_IMAGES = 5000
PHOTO_SIZES = (112, 96, 64)
"""Working sizes for photos: multiples of 16, since others lose points (docs/recipes.md)."""
PHOTO_EPOCHS = 12.0
CROP_SOURCE = 1.36
"""Side of the pictures crops are taken from over that of the crops: a mean crop is then shrunk a
little, as pictures are in use, and not enlarged."""
CONVNETS_WITH_NORMS = ("fast",)
"""Networks the Muon recipe was measured on."""


def resolve(recipe: Recipe, images: Images, num_images: int = 0) -> Recipe:
    """Fill in everything the recipe leaves open, for these pictures or (num_images) more like them.

    >>> from steadygrad.images.dataset import load_images
    >>> chosen = resolve(Recipe(lr=0.1), load_images("digits"))
    >>> chosen.model, chosen.lr, chosen.batch_size, chosen.flip
    ('fast', 0.1, 64, 'none')
    """
    recipe = recipe.replace(image_size=images.size, channels=images.channels, resize=images.how)
    return _resolve(recipe, num_images or len(images.train))


def _resolve(recipe: Recipe, num_images: int) -> Recipe:
    recipe = recipe.replace(model="fast" if recipe.model == "auto" else recipe.model)
    for rules in (partial(_length, num_images=num_images), _pictures, _optimisation):
        recipe = _fill(recipe, rules(recipe))
    return recipe


def _fill(recipe: Recipe, rules: dict[str, Any]) -> Recipe:
    """Take from `rules` what the recipe leaves open: fields that still hold their default."""
    defaults = {field.name: field.default for field in fields(Recipe)}
    still_open = {name: v for name, v in rules.items() if getattr(recipe, name) == defaults[name]}
    return recipe.replace(**still_open)


def _length(recipe: Recipe, num_images: int) -> dict[str, Any]:
    """Batch size and epochs, from the number of training pictures."""
    size = 32
    largest = LARGEST_BATCH if recipe.image_size <= SMALL_PICTURE else 64
    while size < largest and 2 * size * STEPS_PER_EPOCH <= num_images:
        size *= 2
    low, high = DEFAULT_EPOCHS
    return {
        "batch_size": size,
        "epochs": max(low, min(high, round(DEFAULT_IMAGES / max(1, num_images)))),
    }


def _pictures(recipe: Recipe) -> dict[str, Any]:
    """Augmentation, from size and colour of the pictures.

    Gray sets are often characters or scans, where a mirror image is another class: no flips.
    """
    small = recipe.image_size <= SMALL_PICTURE
    off = {"erasing": 0.0, "mixup": 0.0, "cutmix": 0.0}
    if small:
        large_enough = recipe.image_size >= 24
        return {
            **off,
            "flip": "alternate" if recipe.channels == 3 else "none",
            "train_size": 0,
            "source_size": 0,
            "shift": 2 if recipe.image_size >= 16 else 1,
            "min_crop": 1.0 if large_enough else 0.8,
            "rotation": 0.0 if large_enough else 10.0,
            "colour": 0.0,
            "low_resolution": 0.4 if large_enough else 0.0,
        }
    train_size = max(32, 16 * round(0.86 * recipe.image_size / 16))
    if recipe.preprocess in PER_PIXEL:  # every pixel has its own statistics: one size only
        train_size = 0
    return {
        **off,
        "flip": "random" if recipe.channels == 3 else "none",
        "shift": 0,
        "min_crop": 0.35,
        "rotation": 15.0,
        "colour": 0.3,
        "train_size": train_size,
        "source_size": 16 * round(CROP_SOURCE * train_size / 16),
        "low_resolution": 0.5,
    }


def _optimisation(recipe: Recipe) -> dict[str, Any]:
    """Update rule, rates and schedule, from the network and the kind of pictures."""
    small = recipe.image_size <= SMALL_PICTURE
    common = {
        "schedule": "linear",
        "label_smoothing": 0.2 if small else 0.1,
        "average_decay": 0.0,
        "bias_lr_factor": 1.0,
        "head_lr_factor": 1.0,
        "warmup": 0.0,
        "momentum": 0.9,
        "optimizer": "muon" if recipe.model in CONVNETS_WITH_NORMS else "nesterov",
    }
    optimizer = common["optimizer"] if recipe.optimizer == "auto" else recipe.optimizer
    if optimizer != "muon":
        return {**common, "warmup": 0.05}
    if small:
        return {
            **common,
            "lr": 0.15 * (recipe.batch_size / LARGEST_BATCH) ** 0.2,
            "momentum": 0.6,
            "bias_lr_factor": 64.0,
            "head_lr_factor": 0.15,
            "weight_decay": 1e-3,
        }
    return {
        **common,
        "lr": 0.045 * math.sqrt(recipe.batch_size / 64),
        "momentum": 0.9,
        "warmup": 0.1,
        "head_lr_factor": 0.5,
        "weight_decay": 1e-3,
    }


@dataclass(frozen=True)
class Rung:
    """One choice of network and resolution for a time budget, resolved."""

    recipe: Recipe
    fewest_epochs: float
    """The run should see every picture at least this often, or a smaller rung does better."""


def ladder(recipe: Recipe, image_size: int, channels: int, num_images: int) -> list[Rung]:
    """The choices for `--model auto` under a budget, the most capable first."""
    recipe = recipe.replace(image_size=image_size, channels=channels, model="fast")
    if image_size <= SMALL_PICTURE:
        widths = [width for width in WIDTHS if num_images >= FEW_IMAGES or width <= 32]
        choices = [
            ({"width": recipe.width or w}, WIDE_EPOCHS if w >= WIDE else NARROW_EPOCHS)
            for w in widths
        ]
    else:
        sizes = [size for size in PHOTO_SIZES if size <= image_size] or [image_size]
        choices = [({"image_size": size}, PHOTO_EPOCHS) for size in sizes]
    rungs: list[Rung] = []
    for choice, fewest in choices:
        rung = Rung(_resolve(recipe.replace(**choice), num_images), fewest)
        if rung.recipe not in [known.recipe for known in rungs]:
            rungs.append(rung)
    return rungs
