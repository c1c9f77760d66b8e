"""Recipes: names agree with the tables, choices fit the pictures, what is asked for is kept."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadygrad import recipes
from steadygrad.errors import InputError
from steadygrad.images.augment.geometry import FLIPS
from steadygrad.images.dataset import load_images
from steadygrad.models.networks import MODELS
from steadygrad.nn.activations import ACTIVATIONS
from steadygrad.nn.initialize import SCHEMES
from steadygrad.nn.norms import NORMS
from steadygrad.optim import OPTIMIZERS
from steadygrad.preprocess import PREPROCESS
from steadygrad.record import Recipe
from steadygrad.record.choices import CHOICES, RANGES
from steadygrad.schedules import SCHEDULES
from steadygrad.training_state import (
    CLASS_WEIGHTS,
    MEMORY_FORMATS,
    PRECISIONS,
    check_recipe,
    settled,
)

TABLES = {
    "activation": ACTIVATIONS,
    "norm": NORMS,
    "init": SCHEMES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "preprocess": PREPROCESS,
    "model": MODELS,
    "flip": FLIPS,
    "class_weights": CLASS_WEIGHTS,
    "precision": PRECISIONS,
    "memory_format": MEMORY_FORMATS,
    "resize": ("squash", "crop", "pad"),
}


def test_choices_are_what_the_tables_hold():
    assert set(CHOICES) == set(TABLES)
    for name, table in TABLES.items():
        assert set(CHOICES[name]) - {"auto"} == set(table) - {"auto"}, name


def test_every_number_has_a_range_that_holds_its_default():
    for field in dataclasses.fields(Recipe):
        if isinstance(field.default, int | float) and field.name not in ("seed", "channels"):
            low, high = RANGES[field.name]
            assert low <= field.default <= high, field.name
    Recipe().check()


@pytest.mark.parametrize("name", CHOICES)
def test_a_mistyped_name_is_answered_with_the_nearest(name):
    right = next(choice for choice in CHOICES[name] if len(choice) > 3 and choice != "auto")
    with pytest.raises(InputError, match=f"Did you mean '{right}'"):
        Recipe(**{name: right[:-1]}).check()


@pytest.mark.parametrize("name", RANGES)
def test_a_number_out_of_range_names_its_option(name):
    low, _ = RANGES[name]
    with pytest.raises(InputError, match="expected"):
        Recipe(**{name: low - 1}).check()


def test_json_round_trip_and_unknown_fields():
    recipe = Recipe(lr=0.3, clip_norm=1.5, model="vgg")
    assert Recipe.from_json(json.dumps({"recipe": recipe.to_dict()})) == recipe
    assert Recipe.from_json(json.dumps(Recipe().to_dict())) == Recipe()
    with pytest.raises(InputError, match="Did you mean 'lr'"):
        Recipe.from_dict({"lrr": 1})
    with pytest.raises(InputError, match="expected float"):
        Recipe.from_dict({"lr": "fast"})


@pytest.fixture(scope="module")
def digits():
    return load_images("digits")


def test_nothing_is_left_open(digits):
    chosen = recipes.resolve(Recipe(), digits)
    check_recipe(settled(chosen))
    for name in ("model", "flip", "resize", "optimizer", "schedule"):
        assert getattr(chosen, name) != "auto"
    for field in dataclasses.fields(Recipe):
        value = getattr(chosen, field.name)
        assert field.default != -1 or value >= 0, field.name
    assert min(chosen.epochs, chosen.batch_size, chosen.lr, chosen.min_crop) > 0


def test_what_is_asked_for_is_kept(digits):
    asked = {
        "model": "lenet",
        "optimizer": "adam",
        "lr": 0.007,
        "momentum": 0.5,
        "warmup": 0.0,
        "flip": "random",
        "shift": 0,
        "erasing": 0.5,
        "epochs": 3,
        "batch_size": 17,
        "label_smoothing": 0.0,
        "low_resolution": 0.0,
        "train_size": 0,
        "source_size": 0,
    }
    chosen = recipes.resolve(Recipe(**asked), digits)
    assert {name: getattr(chosen, name) for name in asked} == asked


def test_gray_pictures_are_not_mirrored_and_photos_are_cropped(digits):
    assert recipes.resolve(Recipe(), digits).flip == "none"
    photo = recipes.ladder(Recipe(), 112, 3, 3000)[0].recipe
    assert (photo.flip, photo.min_crop < 1, photo.train_size) == ("random", True, 96)
    small = recipes.ladder(Recipe(), 32, 3, 45000)[0].recipe
    assert (small.flip, small.min_crop, small.shift) == ("alternate", 1.0, 2)


def test_whitening_by_pixel_keeps_one_size():
    photo = recipes.ladder(Recipe(preprocess="mean-image"), 112, 3, 3000)[0].recipe
    assert (photo.train_size, photo.source_size) == (0, 0)


@given(st.integers(2, 10**7), st.sampled_from([8, 28, 32, 64, 112]), st.sampled_from([1, 3]))
def test_ladders_fall_and_batches_fit(num_images, size, channels):
    rungs = recipes.ladder(Recipe(), size, channels, num_images)
    costs = [(rung.recipe.image_size, rung.recipe.width) for rung in rungs]
    assert costs == sorted(costs, reverse=True)
    for rung in rungs:
        assert 32 <= rung.recipe.batch_size <= 512
        assert np.log2(rung.recipe.batch_size).is_integer()
        assert 8 <= rung.recipe.epochs <= 40
