"""The Recipe: every number a run depends on, as one flat value.

Features enter as neutral values (label smoothing 0, clip infinite, warm-up 0), never as flags.
The string "auto" and the number 0 where the help says "0: chosen" mean "choose what fits the
data and the machine"; `recipes.resolve` replaces them before training, and recipe.json holds
what was chosen. Adding a field here adds the option to `steadygrad train`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any, Self, cast

from steadygrad.errors import InputError, choose, nearest
from steadygrad.record.choices import CHOICES, RANGES


def option(default: Any, group: str, text: str) -> Any:
    """A Recipe field with its help text and its group in `steadygrad train --help`."""
    return dataclasses.field(default=default, metadata={"group": group, "help": text})


@dataclass(frozen=True)
class Recipe:
    """Every number a training run depends on.

    >>> Recipe(lr=0.1).replace(epochs=3).epochs
    3
    """

    seed: int = option(0, "run", "one number that fixes the split, the order, the noise, the start")
    epochs: int = option(0, "run", "passes over the training pictures (0: chosen for the budget)")
    budget_seconds: float = option(0.0, "run", "finish the whole command within this (0: none)")
    batch_size: int = option(0, "run", "pictures per update, over all processes (0: chosen)")

    image_size: int = option(0, "images", "side of the working square in pixels (0: chosen)")
    channels: int = option(0, "images", "3 for colour, 1 for gray (0: gray when all files are)")
    resize: str = option("auto", "images", "how a picture becomes a square: squash, crop or pad")
    val_fraction: float = option(0.1, "images", "share of the training pictures held out")
    test_fraction: float = option(0.2, "images", "share for the test split where none is given")
    preprocess: str = option("channel-mean-std", "images", "statistics fitted on the train split")
    train_size: int = option(
        -1, "images", "side of the training pictures (0: the working size, -1: chosen)"
    )
    source_size: int = option(
        -1, "images", "side of what random crops are taken from (0: the working size, -1: chosen)"
    )

    model: str = option("auto", "network", "network by name, or package.module:callable")
    depth: int = option(0, "network", "depth, in the network's own unit (0: its default)")
    width: int = option(0, "network", "channels of the first stage (0: its default)")
    activation: str = option("auto", "network", "nonlinearity (auto: the network's own)")
    norm: str = option("auto", "network", "normalisation (auto: the network's own)")
    init: str = option("auto", "network", "initialisation scheme")
    init_std: float = option(0.01, "network", "standard deviation or constant of --init normal")
    dropout: float = option(0.0, "network", "share of features dropped before the head")
    start_from: str = option("", "network", "reuse the backbone of this run or safetensors file")
    freeze: float = option(0.0, "network", "share of the epochs the reused backbone stays frozen")
    backbone_lr_factor: float = option(0.1, "network", "rate of the reused backbone, once unfrozen")

    optimizer: str = option("auto", "optimisation", "update rule by name")
    lr: float = option(0.0, "optimisation", "peak learning rate (0: chosen)")
    base_batch_size: int = option(
        0, "optimisation", "batch size --lr is meant for: scales the rate linearly (0: no scaling)"
    )
    momentum: float = option(
        -1.0, "optimisation", "momentum, where the optimiser has one (-1: chosen)"
    )
    weight_decay: float = option(
        -1.0, "optimisation", "weight decay, not on norms and biases (-1: chosen)"
    )
    bias_lr_factor: float = option(
        -1.0, "optimisation", "rate of norm biases over the rest (-1: chosen)"
    )
    head_lr_factor: float = option(
        -1.0, "optimisation", "rate of the head's weight over the rest (-1: chosen)"
    )
    schedule: str = option("auto", "optimisation", "learning-rate schedule by name")
    warmup: float = option(
        -1.0, "optimisation", "share of the steps spent on linear warm-up (-1: chosen)"
    )
    final_lr_fraction: float = option(
        0.0, "optimisation", "last rate over the peak, where the schedule ends low"
    )
    clip_norm: float = option(math.inf, "optimisation", "limit of the gradient's L2 norm")
    label_smoothing: float = option(
        -1.0, "optimisation", "mass moved off the true class (-1: chosen)"
    )
    average_decay: float = option(
        -1.0, "optimisation", "decay per step of the averaged weights; 0: no averaging (-1: chosen)"
    )
    class_weights: str = option(
        "none", "optimisation", "none, or balanced: rare classes count more"
    )
    patience: int = option(
        0, "optimisation", "stop after this many epochs without progress (0: never)"
    )

    flip: str = option("auto", "augmentation", "mirror left-right: none, random or alternate")
    shift: int = option(
        -1, "augmentation", "random shift, in pixels, reflected border (-1: chosen)"
    )
    min_crop: float = option(
        0.0, "augmentation", "smallest area of a random resized crop, 1: off (0: chosen)"
    )
    rotation: float = option(
        -1.0, "augmentation", "random rotation, in degrees either way (-1: chosen)"
    )
    colour: float = option(-1.0, "augmentation", "strength of colour changes (-1: chosen)")
    erasing: float = option(-1.0, "augmentation", "probability of erasing a rectangle (-1: chosen)")
    mixup: float = option(-1.0, "augmentation", "Beta parameter of mixup, 0: off (-1: chosen)")
    cutmix: float = option(-1.0, "augmentation", "Beta parameter of cutmix, 0: off (-1: chosen)")
    trivial: float = option(
        0.0, "augmentation", "share of pictures given one TrivialAugment operation"
    )
    low_resolution: float = option(
        -1.0, "augmentation", "share of epochs at lower resolution (-1: chosen)"
    )

    device: str = option("auto", "machine", "cpu, cuda, mps, or auto")
    precision: str = option(
        "auto", "machine", "fp32, bf16, or auto: what a short probe finds faster"
    )
    memory_format: str = option("auto", "machine", "channels_last, contiguous, or auto")
    threads: int = option(0, "machine", "compute threads (0: the cores this process may use)")

    def replace(self, **changes: Any) -> Self:
        """The same recipe with some numbers changed."""
        return dataclasses.replace(self, **changes)

    def check(self) -> Self:
        """The recipe itself; an InputError for a name or number no run could use."""
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            foreign = name == "model" and (":" in value or value.startswith("timm/"))
            if not foreign:
                choose(spelled(name), value, dict.fromkeys(choices, True))
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"--{spelled(name)} is {value:g}; expected {low:g} to {high:g}.")
        if self.channels not in (0, 1, 3):
            raise InputError(f"--channels is {self.channels}; expected 3 for colour or 1 for gray.")
        return self

    def to_dict(self) -> dict[str, Any]:
        """All fields by name, ready for JSON (infinity becomes the string "inf")."""
        values = dataclasses.asdict(self)
        return {key: "inf" if value == math.inf else value for key, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read `to_dict`'s form; an unknown field is an InputError with the nearest name."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        read: dict[str, Any] = {}
        for key, value in values.items():
            if key not in fields:
                guess = nearest(key, fields)
                hint = f" Did you mean '{guess}'?" if guess else ""
                raise InputError(f"A recipe has no field '{key}'.{hint}")
            read[key] = _read_value(key, value, type(fields[key].default))
        return cls(**read)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read recipe.json; keys beside "recipe" (versions, fingerprint) are left alone."""
        values = json.loads(text)
        if isinstance(values, dict):
            values = cast("dict[str, Any]", values)
            values = values.get("recipe", values)
        if not isinstance(values, dict):
            raise InputError("A recipe is a JSON object of field names and values.")
        return cls.from_dict(cast("dict[str, Any]", values))


SPELLING = {"start_from": "from", "budget_seconds": "budget"}
"""Recipe fields whose option has another name: "from" is a Python word, a budget has units."""


def spelled(name: str) -> str:
    """A field's name as an option on the command line.

    >>> spelled("batch_size"), spelled("start_from")
    ('batch-size', 'from')
    """
    return SPELLING.get(name, name).replace("_", "-")


def _read_value(key: str, value: Any, kind: type) -> Any:
    try:
        if isinstance(value, str) != (kind is str) and value != "inf":
            raise ValueError
        if kind is int and value != int(value):
            raise ValueError
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"Recipe field '{key}' is {value!r}; expected {kind.__name__}.") from None
