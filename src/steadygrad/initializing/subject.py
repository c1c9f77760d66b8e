"""What MODEL and DATA mean to `steadygrad init`: a network and a batch to measure it on."""

from __future__ import annotations

import inspect
import re
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
from steadygrad.models.build import build_network, load_callable
from steadygrad.models.classifier import Classifier
from steadygrad.preprocess import Preprocess
from steadygrad.record import Recipe

NUM_SAMPLED = 128
"""Pictures of DATA that are measured on."""
NUM_NOISE = 32
"""Examples of noise where --input asks for one: a norm needs more, and so does a statistic."""
DEFAULT_SHAPE = (NUM_NOISE, 3, 32, 32)
NUM_CLASSES = 10
"""Without DATA."""
SHAPE_WORD = re.compile(r"(\d+(?:x\d+)*)(:int)?")


@dataclass(frozen=True)
class Subject:
    """A network, a batch for it and, where there are labels, those."""

    name: str
    network: nn.Module
    sample: Tensor
    targets: Tensor | None
    words: str
    """What the batch is, for people."""


@dataclass(frozen=True)
class Question:
    """What the user asked for, beside the scheme."""

    recipe: Recipe
    """Its model, seed and the network's options count."""
    data: str | None = None
    data_root: str | None = None
    shape: str | None = None
    """"1x3x32x32", for whole numbers "8x16:int"."""


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
        shape = _shape(question, loaded)
        network = loaded.network if loaded else _build(question, shape, NUM_CLASSES)
        sample = _noise(network, shape, question)
        targets, words = None, f"{_sizes(shape)} noise"
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
    elif question.shape is not None:
        shape, whole = parse_shape(question.shape)
        if whole or len(shape) != 4 or shape[2] != shape[3] or shape[1] not in (1, 3):
            raise InputError(
                f"--input '{question.shape}' does not fit pictures; expected Nx3xSxS or Nx1xSxS "
                "beside --data."
            )
        recipe = recipe.replace(image_size=shape[2], channels=shape[1])
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


def parse_shape(text: str) -> tuple[tuple[int, ...], bool]:
    """Sizes and whether whole numbers are meant.

    >>> parse_shape("1x3x32x32"), parse_shape("8x16:int")
    (((1, 3, 32, 32), False), ((8, 16), True))
    """
    match = SHAPE_WORD.fullmatch(text.lower().replace("×", "x"))
    shape = tuple(int(size) for size in match[1].split("x")) if match else ()
    if not match or 0 in shape or len(shape) < 2:
        raise InputError(
            f"--input '{text}' is no shape; write the sizes of one batch, such as 1x3x32x32, and "
            "8x16:int for whole numbers (tokens)."
        )
    return shape, bool(match[2])


def _shape(question: Question, loaded: Classifier | None) -> tuple[int, ...]:
    shape = DEFAULT_SHAPE
    if loaded is not None:
        shape = (NUM_NOISE, loaded.channels, loaded.image_size, loaded.image_size)
    if question.shape is not None:
        shape, _ = parse_shape(question.shape)
    return (NUM_NOISE, *shape[1:]) if shape[0] == 1 else shape


def _noise(network: nn.Module, shape: tuple[int, ...], question: Question) -> Tensor:
    generator = generator_of(question.recipe.seed, "noise")
    if question.shape is not None and parse_shape(question.shape)[1]:
        sizes = [m.num_embeddings for m in network.modules() if isinstance(m, nn.Embedding)]
        return torch.randint(min(sizes, default=2), shape, generator=generator)
    return torch.randn(shape, generator=generator)


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
