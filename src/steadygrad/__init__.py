"""Train ConvNets that learn the first time, and know why when one doesn't.

The public names are loaded when first used: `import steadygrad` alone costs no torch.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from steadygrad.build import build, make_batches
    from steadygrad.errors import InputError, SteadygradError
    from steadygrad.evaluate import Evaluation, evaluate
    from steadygrad.export import export, prove
    from steadygrad.images.augment import Augmentation
    from steadygrad.images.batches import Batches
    from steadygrad.images.dataset import Images, load_images
    from steadygrad.models.classifier import Classifier
    from steadygrad.nn.fold import fold
    from steadygrad.nn.initialize import initialize
    from steadygrad.predict import Predictor
    from steadygrad.preflight import Preflight, check
    from steadygrad.preprocess import Preprocess
    from steadygrad.recipes import resolve
    from steadygrad.record import Finding, Recipe, Record
    from steadygrad.train import start, train
    from steadygrad.watch import Watching, watch

_PLACES = {
    "Augmentation": "images.augment",
    "Batches": "images.batches",
    "Classifier": "models.classifier",
    "Evaluation": "evaluate",
    "Finding": "record",
    "Images": "images.dataset",
    "InputError": "errors",
    "Predictor": "predict",
    "Preflight": "preflight",
    "Preprocess": "preprocess",
    "Recipe": "record",
    "Record": "record",
    "SteadygradError": "errors",
    "Watching": "watch",
    "build": "build",
    "check": "preflight",
    "evaluate": "evaluate",
    "export": "export",
    "fold": "nn.fold",
    "initialize": "nn.initialize",
    "load_images": "images.dataset",
    "make_batches": "build",
    "prove": "export",
    "resolve": "recipes",
    "start": "train",
    "train": "train",
    "watch": "watch",
}
"""Public name → module it lives in."""

__all__ = [
    "Augmentation",
    "Batches",
    "Classifier",
    "Evaluation",
    "Finding",
    "Images",
    "InputError",
    "Predictor",
    "Preflight",
    "Preprocess",
    "Recipe",
    "Record",
    "SteadygradError",
    "Watching",
    "build",
    "check",
    "evaluate",
    "export",
    "fold",
    "initialize",
    "load_images",
    "make_batches",
    "prove",
    "resolve",
    "start",
    "train",
    "watch",
]


class _Package(ModuleType):
    """The package, with its public names loaded on first use.

    `train`, `evaluate`, `export` and `build` are functions in modules of the same name. Importing
    such a module would put it in the function's place; a property is what that can't overwrite.
    """

    def __getattr__(self, name: str) -> Any:
        if name not in _PLACES:
            raise AttributeError(f"module 'steadygrad' has no attribute '{name}'")
        return getattr(importlib.import_module(f"steadygrad.{_PLACES[name]}"), name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


def _function_of(name: str) -> property:
    return property(lambda package: _Package.__getattr__(package, name), lambda *_: None)


for _name, _place in _PLACES.items():
    if _name == _place:
        setattr(_Package, _name, _function_of(_name))

sys.modules[__name__].__class__ = _Package
