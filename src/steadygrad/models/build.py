"""A network from its name: one of ours, the user's own function, or timm's."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from steadygrad.errors import InputError, choose, nearest
from steadygrad.models.networks import MODELS
from steadygrad.record.recipe import Recipe

OPTIONS = ("depth", "width", "activation", "norm", "dropout")
AUTO_MODEL = "fast"


def describe(recipe: Recipe) -> dict[str, Any]:
    """What model.json keeps of a recipe so that the network can be built again.

    >>> describe(Recipe(model="vgg", width=16))
    {'model': 'vgg', 'depth': 0, 'width': 16, 'activation': 'auto', 'norm': 'auto', 'dropout': 0.0}
    """
    model = AUTO_MODEL if recipe.model == "auto" else recipe.model
    return {"model": model, **{name: getattr(recipe, name) for name in OPTIONS}}


def build_network(recipe: Recipe, num_classes: int, in_channels: int, image_size: int) -> nn.Module:
    """Build the network `recipe.model` names; its weights are torch's own first draw.

    A name of MODELS; "package.module:callable" or "file.py:callable", which is called with those of
    num_classes, in_channels, image_size and the options asked for that it takes; or "timm/NAME"
    where timm is installed. One forward pass checks that it gives (N, num_classes).
    Raises InputError for a name that isn't there, an option the network lacks, a wrong output.

    >>> build_network(Recipe(model="mlp", depth=1), 10, 1, 8)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """
    name = AUTO_MODEL if recipe.model == "auto" else recipe.model
    given = {"num_classes": num_classes, "in_channels": in_channels, "image_size": image_size}
    asked = {key: getattr(recipe, key) for key in OPTIONS}
    asked = {key: value for key, value in asked.items() if value not in (0, 0.0, "auto")}
    if name.startswith("timm/"):
        network = _timm(name.removeprefix("timm/"), given, asked)
    elif ":" in name:
        network = _call(name, load_callable(name), given, asked)
    else:
        network = _call(name, choose("model", name, MODELS), given, asked)
    check_output(name, network, given)
    return network


def load_callable(name: str) -> Callable[..., Any]:
    """Import what "package.module:callable" or "path/to/file.py:callable" names.

    The current folder is looked in too, as `python -m` does. Raises InputError where the module or
    the attribute is not there, with the nearest name.
    """
    place, _, attribute = name.rpartition(":")
    module = _load_file(place) if place.endswith(".py") else _load_module(place)
    value: Any = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            guess = nearest(part, [known for known in dir(value) if not known.startswith("_")])
            hint = f" Did you mean '{guess}'?" if guess else ""
            raise InputError(f"The model '{name}': '{place}' has no '{part}'.{hint}")
        value = getattr(value, part)
    if not callable(value):
        raise InputError(
            f"The model '{name}' is {type(value).__name__}; expected a function or class that "
            "returns an nn.Module."
        )
    return value


def _load_module(place: str) -> ModuleType:
    sys.path.insert(0, "")
    try:
        importlib.invalidate_caches()
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not (place == error.name or place.startswith(error.name + ".")):
            raise InputError(
                f"The model's module '{place}' needs '{error.name}', which is not installed."
            ) from error
        raise InputError(
            f"There is no module '{place}'. A model is named package.module:callable or "
            "path/to/file.py:callable; run from the folder that holds the package, or install it."
        ) from error
    finally:
        sys.path.remove("")


def _load_file(place: str) -> ModuleType:
    path = Path(place).resolve()
    if not path.is_file():
        raise InputError(f"There is no file '{place}' to take the model from.")
    spec = importlib.util.spec_from_file_location(f"_steadygrad_model_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"'{place}' can't be imported as Python code.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickling inside the file look it up
    sys.path.insert(0, str(path.parent))  # as Python does for a script
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def _call(
    name: str,
    function: Callable[..., Any],
    given: Mapping[str, Any],
    asked: Mapping[str, Any],
) -> nn.Module:
    """Call `function` with what its signature takes of `given`, and with all that is `asked`."""
    is_network = isinstance(function, nn.Module)
    parameters = {} if is_network else inspect.signature(function).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key in asked:
        if key not in parameters and not takes_any:
            known = [option for option in OPTIONS if option in parameters]
            raise InputError(
                f"The model '{name}' has no option {key}. "
                f"It has: {', '.join(known) or 'none of them'}."
            )
    if is_network:
        return copy.deepcopy(function)
    wanted = {key: value for key, value in given.items() if key in parameters}
    if takes_any:
        wanted.setdefault("num_classes", given["num_classes"])
    wanted.update(asked)
    try:
        inspect.signature(function).bind(**wanted)
    except TypeError as error:
        raise InputError(
            f"The model '{name}' can't be called with {', '.join(wanted) or 'no arguments'}: "
            f"{error}. Give its other parameters defaults."
        ) from error
    network = function(**wanted)
    if not isinstance(network, nn.Module):
        raise InputError(
            f"The model '{name}' returned {type(network).__name__}; expected an nn.Module."
        )
    return network


def _timm(name: str, given: Mapping[str, Any], asked: Mapping[str, Any]) -> nn.Module:
    try:
        timm: Any = importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise InputError(
            f"The model 'timm/{name}' needs timm, which is not installed: "
            "pip install 'steadygrad[timm]'."
        ) from error
    if not timm.is_model(name):
        guess = nearest(name, timm.list_models())
        hint = f" Did you mean 'timm/{guess}'?" if guess else ""
        raise InputError(f"timm has no model '{name}'.{hint}")
    options = {"drop_rate": asked["dropout"]} if "dropout" in asked else {}
    if rest := sorted(set(asked) - {"dropout"}):
        raise InputError(f"A timm model has no option {rest[0]}; leave it out.")
    return timm.create_model(
        name, num_classes=given["num_classes"], in_chans=given["in_channels"], **options
    )


@torch.no_grad()
def check_output(name: str, network: nn.Module, given: Mapping[str, Any]) -> None:
    """Raise InputError unless the network takes the pictures and gives one score per class."""
    channels, size, num_classes = (
        given["in_channels"],
        given["image_size"],
        given["num_classes"],
    )
    was_training = network.training
    network.eval()  # running statistics stay as they are
    try:
        logits = network(torch.zeros(2, channels, size, size))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise InputError(
            f"The model '{name}' fails on pictures of shape ({channels}, {size}, {size}): {error}"
        ) from error
    finally:
        network.train(was_training)
    if not isinstance(logits, Tensor) or tuple(logits.shape) != (2, num_classes):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(
            f"The model '{name}' gives {shape} for 2 pictures; expected (2, {num_classes}): "
            "one score per class. Let it take num_classes, or end in a linear layer of that width."
        )
