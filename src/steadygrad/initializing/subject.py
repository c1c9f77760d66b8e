"""What MODEL and DATA mean to `steadygrad init`: a network and a batch to measure it on."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steadygrad.build import sample_pixels
from steadygrad.errors import InputError
from steadygrad.images.dataset import Images, load_images
from steadygrad.images.randomness import derived_seed
from steadygrad.images.randomness import generator as generator_of
from steadygrad.initializing.shape import Shape
from steadygrad.models.build import build_network, load_callable
from steadygrad.models.classifier import Classifier
from steadygrad.nn.initialize import Sample
from steadygrad.preprocess import Preprocess
from steadygrad.record import Recipe

NUM_SAMPLED = 128
"""Pictures of DATA that are measured on."""
NUM_NOISE = 32
"""Examples of noise where --input asks for one: a norm needs more, and so does a statistic."""
DEFAULT_SHAPE = (NUM_NOISE, 3, 32, 32)
NUM_CLASSES = 10
"""Without DATA."""


@dataclass(frozen=True)
class Subject:
    """A network, a batch for it and, where there are labels, those."""

    name: str
    network: nn.Module
    sample: Sample
    targets: Tensor | None
    words: str
    """What the batch is, for people."""

    @property
    def shape(self) -> list[Any]:
        """Sizes of the batch; of several arguments a list of those."""
        if isinstance(self.sample, Tensor):
            return list(self.sample.shape)
        return [list(tensor.shape) for tensor in self.sample]


@dataclass(frozen=True)
class Question:
    """What the user asked for, beside the scheme."""

    recipe: Recipe
    """Its model, seed and the network's options count."""
    data: str | None = None
    data_root: str | None = None
    inputs: tuple[str, ...] = ()
    """Of `Shape.parse`: one for each argument of the network."""


def subject_of(question: Question) -> Subject:
    """Build or load the network, and make or read the batch.

    A run folder brings its weights and preprocessing; a name of ours and the user's own
    "file.py:Net" or "module:callable" are built anew. Raises InputError for what can't be used.
    """
    name = question.recipe.model
    if name.endswith(".py"):
        raise InputError(f"'{name}' is a file; name the class or function in it: {name}:Net.")
    images = _images(question)
    loaded = Classifier.load(name) if _is_run(name) else None
    if images is None:
        shapes = _shapes(question, loaded)
        network = loaded.network if loaded else _build(question, shapes[0].sizes, NUM_CLASSES)
        generator = generator_of(question.recipe.seed, "noise")
        batches = [shape.make(generator, network) for shape in shapes]
        sample = tuple(batches) if len(batches) > 1 else batches[0]
        targets, words = None, f"{' and '.join(_sizes(s.sizes) for s in shapes)} noise"
    else:
        pixels, targets = _sampled(images, question.recipe.seed)
        preprocess = _preprocess(loaded, images, question.recipe)
        shape = (len(pixels), *preprocess(pixels[:1]).shape[1:])
        network = loaded.network if loaded else _build(question, shape, len(images.classes))
        sample = preprocess(pixels)
        words = f"{len(pixels)} pictures of {images.source.name}, {_sizes(shape[1:])}"
    return Subject(name, network, sample, targets, words)


def _is_run(name: str) -> bool:
    return ":" not in name and (Path(name).is_dir() or name.endswith(".safetensors"))


def _images(question: Question) -> Images | None:
    if question.data is None:
        return None
    recipe = Recipe(seed=question.recipe.seed)
    if _is_run(question.recipe.model):
        loaded = Classifier.load(question.recipe.model)
        recipe = recipe.replace(
            image_size=loaded.image_size, channels=loaded.channels, resize=loaded.resize
        )
    elif question.inputs:
        given = [Shape.parse(text) for text in question.inputs]
        sizes = given[0].sizes
        fits = len(given) == 1 and not given[0].below and len(sizes) == 4
        if not fits or sizes[2] != sizes[3] or sizes[1] not in (1, 3):
            raise InputError(
                f"--input '{' '.join(question.inputs)}' does not fit pictures; expected one, "
                "Nx3xSxS or Nx1xSxS, beside --data."
            )
        recipe = recipe.replace(image_size=sizes[2], channels=sizes[1])
    return load_images(question.data, recipe, data_root=question.data_root, allow_broken=True)


def _sampled(images: Images, seed: int) -> tuple[Tensor, Tensor]:
    """The pictures `build` gives a scheme that looks at data, and their labels."""
    order = torch.randperm(len(images.train), generator=generator_of(seed, "sample"))
    positions = np.sort(order[:NUM_SAMPLED].numpy())
    pixels = sample_pixels(images.train, NUM_SAMPLED, seed)
    return pixels, torch.from_numpy(images.train.labels_of(positions))


def _preprocess(loaded: Classifier | None, images: Images, recipe: Recipe) -> Preprocess:
    if loaded is not None:
        return loaded.preprocess
    return Preprocess.fit(recipe.preprocess, images.train.pixels, images.train.indices)


def _shapes(question: Question, loaded: Classifier | None) -> list[Shape]:
    usual = Shape(DEFAULT_SHAPE)
    if loaded is not None:
        usual = Shape((NUM_NOISE, loaded.channels, loaded.image_size, loaded.image_size))
    shapes = [Shape.parse(text) for text in question.inputs] or [usual]
    alone = all(shape.sizes[0] == 1 for shape in shapes)
    return [shape.of(NUM_NOISE) for shape in shapes] if alone else shapes


def _build(question: Question, shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """The network with the weights its own code draws, the same ones for one seed."""
    recipe, name = question.recipe, question.recipe.model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(recipe.seed, "network"))
        if ":" in name:
            return _call(name, load_callable(name), shape, num_classes)
        if len(shape) != 4 or shape[2] != shape[3]:
            raise InputError(
                f"The model '{name}' takes square pictures; expected --input Nx3xSxS, not "
                f"{'x'.join(map(str, shape))}."
            )
        return build_network(recipe, num_classes, shape[1], shape[2])


def _call(
    name: str, function: Callable[..., Any], shape: tuple[int, ...], num_classes: int
) -> nn.Module:
    """Call the user's function or class with what it takes of the usual; any output will do."""
    if isinstance(function, nn.Module):
        return function
    given = {"num_classes": num_classes}
    if len(shape) == 4:
        given |= {"in_channels": shape[1], "image_size": shape[2]}
    try:
        parameters = inspect.signature(function).parameters
        network = function(**{key: value for key, value in given.items() if key in parameters})
    except Exception as error:
        raise InputError(
            f"The model '{name}' can't be built: {type(error).__name__}: {error}. Give its "
            "parameters defaults, or name a function without any."
        ) from error
    if not isinstance(network, nn.Module):
        raise InputError(
            f"The model '{name}' returned {type(network).__name__}; expected an nn.Module."
        )
    return network


def _sizes(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
