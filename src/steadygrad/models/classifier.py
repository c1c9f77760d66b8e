"""The Classifier: preprocessing, network and class names as one thing to train, save and load."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from steadygrad.errors import InputError
from steadygrad.models.build import build_network
from steadygrad.preprocess import Preprocess
from steadygrad.record.recipe import Recipe
from steadygrad.record.store import write_bytes

WEIGHTS_FILE = "model.safetensors"
DESCRIPTION_FILE = "model.json"
FORMAT = 1  # of model.json; raised when an old reader would misread a new file


class Classifier(nn.Module):
    """Pixels in, class scores out, with everything needed to say which class and to load it again.

    `model` is what `models.build.describe(recipe)` gives; `resize` how a picture becomes a square
    of `image_size` ("squash", "crop" or "pad").
    """

    reused: frozenset[str] = frozenset()  # names of parameters taken from another run

    def __init__(
        self,
        preprocess: Preprocess,
        network: nn.Module,
        classes: Sequence[str],
        image_size: int,
        channels: int,
        resize: str,
        model: Mapping[str, Any],
    ):
        super().__init__()
        self.preprocess = preprocess
        self.network = network
        self.classes = tuple(classes)
        self.image_size = image_size
        self.channels = channels
        self.resize = resize
        self.model = dict(model)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels (N, C, H, W) 0–255, uint8 or float -> logits (N, num_classes)."""
        return self.network(self.preprocess(pixels))

    def to_dict(self) -> dict[str, Any]:
        """What model.json holds: all but the weights."""
        return {
            "format": FORMAT,
            "classes": list(self.classes),
            "image_size": self.image_size,
            "channels": self.channels,
            "resize": self.resize,
            "model": self.model,
            "preprocess": self.preprocess.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the classifier `to_dict` described, with fresh weights."""
        classes, channels = tuple(values["classes"]), int(values["channels"])
        image_size = int(values["image_size"])
        recipe = Recipe.from_dict(dict(values["model"]))
        return cls(
            Preprocess.from_dict(values["preprocess"]),
            build_network(recipe, len(classes), channels, image_size),
            classes,
            image_size,
            channels,
            values["resize"],
            values["model"],
        )

    def save(self, folder: str | Path) -> None:
        """Write model.safetensors and model.json into `folder`, each replaced as a whole."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / WEIGHTS_FILE, to_bytes(plain_state(self)))
        text = json.dumps(self.to_dict(), indent=1)  # all ASCII, whatever the names
        write_bytes(folder / DESCRIPTION_FILE, text.encode())

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote: a folder, or its model.safetensors; on the CPU, in eval mode.

        Raises InputError where files are missing, damaged or don't fit together. A user's own
        "module:callable" is imported again, so its code must still be there.
        """
        weights, values = read_model(folder)
        classifier = cls.from_dict(values)
        own = classifier.state_dict()
        missing = sorted(set(own) - set(weights))
        unexpected = sorted(set(weights) - set(own))
        misshapen = sorted(n for n in own if n in weights and own[n].shape != weights[n].shape)
        if missing or unexpected or misshapen:
            raise InputError(
                f"The weights in '{folder}' don't fit the model its {DESCRIPTION_FILE} describes: "
                f"missing {_some(missing)}, not expected {_some(unexpected)}, of another shape "
                f"{_some(misshapen)}. Has the code of the model changed since?"
            )
        classifier.load_state_dict(weights)
        return classifier.eval()


def plain_state(module: nn.Module) -> dict[str, Tensor]:
    """The state as contiguous CPU tensors of their own memory, without torch.compile's prefix."""
    return {
        plain_name(name): tensor.detach().to("cpu", copy=True).contiguous()
        for name, tensor in module.state_dict().items()
    }


def plain_name(name: str) -> str:
    """A tensor's name without the prefixes that torch.compile and DistributedDataParallel add.

    >>> plain_name("network._orig_mod.head.weight"), plain_name("module.network.head.bias")
    ('network.head.weight', 'network.head.bias')
    """
    return name.replace("_orig_mod.", "").removeprefix("module.")


def read_model(place: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights by plain name and the description, from a run folder or its model.safetensors."""
    weights_path = weights_file(place)
    description = weights_path.with_name(DESCRIPTION_FILE)
    if not description.is_file():
        raise InputError(
            f"There is no {DESCRIPTION_FILE} beside '{weights_path}'; it says which network the "
            "weights are for. Copy both files of a run."
        )
    try:
        values = json.loads(description.read_text(encoding="utf-8"))
        found = int(values["format"])
        _ = values["classes"], values["image_size"], values["channels"], values["resize"]
        _ = values["model"]["model"], values["preprocess"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"'{description}' is damaged: {error!r}. Save the model again.") from error
    if found > FORMAT:
        raise InputError(f"'{description}' was written by a newer Steadygrad; update this one.")
    return read_weights(weights_path), values


def weights_file(place: str | Path) -> Path:
    """The safetensors file a run folder or a path stands for; InputError when there is none."""
    path = Path(place)
    if path.is_dir():
        path = path / WEIGHTS_FILE
    if not path.is_file():
        raise InputError(
            f"There is no model at '{place}': expected a run folder with {WEIGHTS_FILE} in it, or "
            "a .safetensors file."
        )
    return path


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file by plain name."""
    try:
        tensors = from_bytes(path.read_bytes())  # by path it takes UTF-8 names only
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"'{path}' can't be read as safetensors: {error}. Save the model again."
        ) from error
    return {plain_name(name): tensor for name, tensor in tensors.items()}


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return shown or "none"


def num_parameters(module: nn.Module) -> int:
    """How many numbers training may change or has fixed: all parameters, tied ones once."""
    return sum(parameter.numel() for parameter in module.parameters())
