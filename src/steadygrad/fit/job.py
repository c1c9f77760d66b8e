"""What the user asked of one run, beside the recipe."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from steadygrad.errors import InputError
from steadygrad.images.source.known import KNOWN
from steadygrad.record import Epoch, Recipe, Step

CHECKPOINT_SECONDS = 30.0
"""Time between two checkpoints: what a power cut may cost."""


@dataclass(frozen=True)
class Job:
    """The data and where the results go."""

    data: str
    out: str | None = None
    overwrite: bool = False
    data_root: str | None = None
    allow_broken: bool = False
    command: Sequence[str] = field(default_factory=list)
    """The command line, for the report."""
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    folder: str = field(default_factory=os.getcwd)
    """The working folder: where a network of the user's own is imported from."""
    watch: bool = True
    """Whether the monitor looks on and rules are asked while training goes on."""
    on_fault: str = "stop"
    """What follows a certain finding, one of `fit.faults.ANSWERS`."""

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; paths absolute, so that a resume works from anywhere."""
        values = dataclasses.asdict(self)
        values["command"] = list(self.command)
        for name in ("data", "data_root"):
            # A known name means that set, even where a folder is called so.
            if values[name] and values[name] not in KNOWN and os.path.exists(values[name]):
                values[name] = os.path.abspath(values[name])
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read `to_dict`'s form."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in names})


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """The recipe with the places of a backbone and of a network's file good from anywhere."""
    if recipe.start_from:
        recipe = recipe.replace(start_from=os.path.abspath(recipe.start_from))
    file, colon, name = recipe.model.rpartition(":")
    if file.endswith(".py"):
        recipe = recipe.replace(model=os.path.abspath(file) + colon + name)
    return recipe


def find_code(recipe_file: dict[str, Any]) -> None:
    """Let a network of the user's own be imported from the folder its run was started in."""
    folder = recipe_file.get("job", {}).get("folder")
    if folder and folder not in sys.path:
        sys.path.append(folder)


class Show(Protocol):
    """Where progress goes; `cli.progress.Progress` draws it, `Silent` drops it."""

    def say(self, text: str) -> None:
        """One line that stays."""

    def stage(self, name: str, total: int = 0) -> None:
        """A new stage begins."""

    def advance(self, done: int, total: int, text: str = "") -> None:
        """Part of the stage is done."""

    def step(self, step: Step, total: int) -> None:
        """One update of the weights is done."""

    def epoch(self, epoch: Epoch) -> None:
        """An epoch ended."""


class Silent:
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Drop the line."""

    def stage(self, name: str, total: int = 0) -> None:
        """Drop the stage."""

    def advance(self, done: int, total: int, text: str = "") -> None:
        """Drop the progress."""

    def step(self, step: Step, total: int) -> None:
        """Drop the step."""

    def epoch(self, epoch: Epoch) -> None:
        """Drop the epoch."""


def asked_recipe(path: str | None, typed: dict[str, Any]) -> Recipe:
    """The recipe as asked: a recipe.json's fields, if given, and over them what was typed.

    `path` may be the run folder that holds a recipe.json.
    """
    if path is None:
        return Recipe().replace(**typed)
    file = Path(path)
    if file.is_dir():
        file = file / "recipe.json"
    try:
        recipe = Recipe.from_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--recipe '{file}' can't be read: {error.strerror}.") from None
    except ValueError as error:
        raise InputError(f"--recipe '{file}' is no recipe.json: {error}.") from None
    return recipe.replace(**typed)
