"""A training run on disk: one file, whole or not there, from which training goes on exactly.

`last.safetensors` and `best.safetensors` hold all tensors of a TrainingState and, as JSON in the
file's header, all its numbers. Being one file, it can be put in place by one rename: whenever the
machine dies, the folder holds a whole checkpoint, the old one or the new one. Nothing in it is
code: reading it runs none.
"""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor

from steadygrad.errors import InputError, SteadygradError
from steadygrad.record.store import write_bytes
from steadygrad.training_state import TrainingState

FORMAT = 1
SCALARS = ("step", "total_steps", "steps_per_epoch", "progress", "lr")


def save(
    folder: str | Path, state: TrainingState, extra: dict[str, Any], name: str = "last"
) -> Path:
    """Save `state` and the caller's own `extra` (JSON) as `folder`/`name`.safetensors, atomically.

    The file reaches the disk (fsync) before it takes the old one's place. Raises SteadygradError
    when it can't be written (full disk, unwritable folder); the old file is then untouched.
    """
    folder = Path(folder)
    path = path_of(folder, name)
    tensors, values = flatten(state)
    values["extra"] = extra
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for remains in folder.glob(f".{path.name}.*"):  # of a process killed while writing
            remains.unlink(missing_ok=True)
        write_bytes(path, to_bytes(tensors, metadata={"steadygrad": json.dumps(values)}))
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        kept = " The one saved before is still good." if path.exists() else ""
        raise SteadygradError(
            f"The checkpoint of step {state.step} could not be written to {path}: {reason}.{kept} "
            "Free some space or choose another --out, then --resume."
        ) from error
    return path


def load(folder: str | Path, state: TrainingState, name: str = "last") -> dict[str, Any]:
    """Bring `state`, freshly made by `start`, to where it was saved; returns the saved `extra`.

    Training then goes on bit for bit as it would have without the stop (same device, threads and
    versions). Raises InputError where there is no checkpoint or it is of another run's network,
    optimiser or data, SteadygradError where the file is damaged.
    """
    path = path_of(folder, name)
    if not path.is_file():
        raise InputError(f"There is no checkpoint {path}; expected the folder of a started run.")
    try:
        content = path.read_bytes()  # safetensors opens by itself only what has a UTF-8 name
        tensors = from_bytes(content)
        size = int.from_bytes(content[:8], "little")
        values = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["steadygrad"])
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise SteadygradError(
            f"The checkpoint {path} can't be read ({error}); it is damaged or not one of ours. "
            "Start the run again, or resume from a copy."
        ) from error
    restore(state, tensors, values)
    return values["extra"]


def path_of(folder: str | Path, name: str = "last") -> Path:
    """Place of a checkpoint file in its folder."""
    return Path(folder) / f"{name}.safetensors"


def flatten(state: TrainingState) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Take a state apart: tensors by name (contiguous copies on the CPU) and JSON values."""
    saved = state.optimizer.state_dict()
    values: dict[str, Any] = {key: getattr(state, key) for key in SCALARS}
    values["format"] = FORMAT
    values["optimizer"] = {
        "kind": type(state.optimizer).__name__,
        "groups": saved["param_groups"],
        "scalars": {},
    }
    tensors = {f"model.{key}": value for key, value in state.classifier.state_dict().items()}
    for index, entries in saved["state"].items():
        for key, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{key}"] = value
            elif value is not None:  # SGD without momentum keeps a None, and makes it anew
                values["optimizer"]["scalars"].setdefault(str(index), {})[key] = value
    if state.average is not None:
        average = state.average.state_dict()
        tensors |= {f"average.{key}": value for key, value in average.pop("tensors").items()}
        values["average"] = average
    # A copy each: tied weights share memory, which the format does not allow.
    plain = {
        key: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for key, value in tensors.items()
    }
    return plain, values


def restore(state: TrainingState, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Put `flatten`'s parts into a state made for the same network, optimiser and data."""
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "average": {}}
    for key, tensor in tensors.items():
        part, _, name = key.partition(".")
        parts[part][name] = tensor
    _check(state, values)
    try:
        state.classifier.load_state_dict(parts["model"])
    except RuntimeError as error:
        raise InputError(f"The checkpoint is of another network. {error}") from error
    _restore_optimizer(state.optimizer, parts["optimizer"], values["optimizer"])
    if state.average is not None:
        state.average.load_state_dict({**values["average"], "tensors": parts["average"]})
    for key in SCALARS:
        setattr(state, key, values[key])


def _check(state: TrainingState, values: dict[str, Any]) -> None:
    if values["format"] != FORMAT:
        raise InputError(
            f"The checkpoint has format {values['format']}; this version reads {FORMAT}. "
            "Resume with the version that wrote it."
        )
    pairs = {
        "optimiser": (values["optimizer"]["kind"], type(state.optimizer).__name__),
        "steps per epoch": (values["steps_per_epoch"], state.steps_per_epoch),
        "averaging": ("average" in values, state.average is not None),
        "number of parameter groups": (
            len(values["optimizer"]["groups"]),
            len(state.optimizer.param_groups),
        ),
    }
    for what, (saved, here) in pairs.items():
        if saved != here:
            raise InputError(
                f"The checkpoint is of another run: its {what} is {saved}, here it is {here}. "
                "Resume with the recipe and the data it was started with."
            )


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], values: dict[str, Any]
) -> None:
    entries: dict[int, dict[str, Any]] = {}
    for index, scalars in values["scalars"].items():
        entries.setdefault(int(index), {}).update(scalars)
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        entries.setdefault(int(index), {})[key] = tensor
    groups = [
        {key: tuple(v) if key == "betas" else v for key, v in group.items()}
        for group in values["groups"]
    ]
    try:
        optimizer.load_state_dict({"state": entries, "param_groups": groups})
    except ValueError as error:
        raise InputError(f"The checkpoint is of another optimiser or network. {error}") from error
    for parameter, entry in optimizer.state.items():
        for key, value in entry.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                # In the parameter's memory layout again: fused updates walk both side by side.
                entry[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value).detach()
