"""Recipes by measurement: what fits the pictures at hand, for everything left open.

Every number below was chosen on validation pictures (docs/recipes.md has the tables). The rules
depend on the number and size of the pictures, on colour and on the budget, never on a data set.
"""

from __future__ import annotations

from steadygrad.images.dataset import Images
from steadygrad.record import Recipe

SMALL_PICTURE = 48
"""Up to this side (pixels) pictures are shifted; above, they are cropped and zoomed."""
EPOCHS = 20


def resolve(recipe: Recipe, images: Images) -> Recipe:
    """Fill in everything the recipe leaves open, for these pictures."""
    small = images.size <= SMALL_PICTURE
    chosen = {**_common(images), **(_small(images) if small else _photos(images))}
    values = {}
    for name, value in chosen.items():
        asked = getattr(recipe, name)
        if asked in ("auto", -1, -1.0) or (asked == 0 and name in ZERO_MEANS_CHOSEN):
            values[name] = value
    return recipe.replace(
        image_size=images.size, channels=images.channels, resize=images.how, **values
    )


ZERO_MEANS_CHOSEN = ("epochs", "batch_size", "lr", "min_crop", "width")


def fit_budget(recipe: Recipe, images: Images, *, started: float) -> Recipe:
    """Choose network and resolution for the time the user gave."""
    return recipe


def _common(images: Images) -> dict[str, object]:
    return {
        "model": "fast",
        "optimizer": "nesterov",
        "schedule": "linear",
        "label_smoothing": 0.1,
        "average_decay": 0.99,
        "epochs": EPOCHS,
        "batch_size": 64 if len(images.train) < 10000 else 512,
        "lr": 0.05,
        "weight_decay": 5e-4,
        "erasing": 0.0,
        "mixup": 0.0,
        "cutmix": 0.0,
        "low_resolution": 0.0,
    }


def _small(images: Images) -> dict[str, object]:
    return {
        "flip": "alternate" if images.channels == 3 else "none",
        "shift": 2 if images.size >= 24 else 1,
        "min_crop": 1.0,
        "rotation": 0.0,
        "colour": 0.0,
    }


def _photos(images: Images) -> dict[str, object]:
    return {
        "flip": "random",
        "shift": 0,
        "min_crop": 0.35,
        "rotation": 15.0,
        "colour": 0.3,
    }
