"""What an experiment is: a claim, what is run, the numbers, the figures and the verdicts."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from steadygrad.errors import InputError, SteadygradError
from steadygrad.lab.drawing import style
from steadygrad.lab.verdicts import Verdict, at_least, at_most, between, near, show

__all__ = [
    "SEED",
    "Broken",
    "Experiment",
    "Finished",
    "Option",
    "Result",
    "Verdict",
    "as_typed",
    "at_least",
    "at_most",
    "attempt",
    "between",
    "names",
    "near",
    "numbers",
    "options_of",
    "run_experiment",
    "show",
    "values_for",
]


@dataclass
class Result:
    """What one experiment gave: rows of a table, figures by file name, verdicts, a sentence."""

    numbers: list[dict[str, Any]]
    figures: dict[str, Figure]
    verdicts: list[Verdict]
    text: str


@dataclass(frozen=True)
class Option:
    """One number of an experiment, `--name` on the command line (`num_steps` is `--num-steps`).

    `quick` is its value under --quick (None: the default serves). `kind` turns typed text into the
    value; `choices` are the words it may be; `least` is the smallest number it may be (each of
    them where there are several), 1 for a whole number unless it is given.
    """

    name: str
    default: Any
    quick: Any
    help: str
    kind: Callable[[str], Any] = float
    choices: tuple[str, ...] = ()
    least: float | None = None

    @property
    def flag(self) -> str:
        """What is typed before its value.

        >>> Option("num_steps", 1, None, "Steps.", int).flag
        '--num-steps'
        """
        return f"--{self.name.replace('_', '-')}"

    def check(self, value: Any) -> None:
        """Raise an InputError where the experiment could not run with this value."""
        if self.choices and value not in self.choices:
            raise InputError(
                f"{self.flag} is '{value}'; expected one of {', '.join(self.choices)}."
            )
        least = 1 if self.least is None and self.kind is int else self.least
        parts = value if isinstance(value, list | tuple) else (value,)
        for number in (part for part in parts if isinstance(part, int | float)):
            if not math.isfinite(number) or (least is not None and number < least):
                wanted = "a finite number" if least is None else f"{least:g} or more"
                raise InputError(f"{self.flag} is {as_typed(value)}; expected {wanted}.")
        if self.kind is numbers and not parts:
            raise InputError(f"{self.flag} is empty; expected numbers with commas between.")


@dataclass(frozen=True)
class Experiment:
    """A claim that can be run: `run` takes the values by option name, `seed` among them."""

    name: str
    title: str
    claim: str
    explanation: str
    source: str
    options: tuple[Option, ...]
    run: Callable[[dict[str, Any]], Result]

    def about(self) -> dict[str, str]:
        """All it says of itself, as JSON takes it."""
        words = ("name", "title", "claim", "explanation", "source")
        return {word: getattr(self, word) for word in words}


@dataclass
class Finished:
    """An experiment with the values it ran under, what came out and how long it took."""

    experiment: Experiment
    values: dict[str, Any]
    result: Result
    seconds: float
    quick: bool = False
    failed: list[Verdict] = field(init=False)

    def __post_init__(self) -> None:
        self.failed = [verdict for verdict in self.result.verdicts if not verdict.holds]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the figures, as JSON takes it."""
        return {
            **_run_with(self),
            "holds": not self.failed,
            "verdicts": [plain(verdict.__dict__) for verdict in self.result.verdicts],
            "text": self.result.text,
            "numbers": plain(self.result.numbers),
        }


@dataclass
class Broken:
    """An experiment that raised an error instead of giving a result."""

    experiment: Experiment
    values: dict[str, Any]
    cause: Exception
    seconds: float
    quick: bool = False

    @property
    def error(self) -> str:
        """What went wrong, and where."""
        if isinstance(self.cause, SteadygradError):
            return str(self.cause)
        place = traceback.extract_tb(self.cause.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        return f"{type(self.cause).__name__}: {self.cause} ({where})"

    def to_dict(self) -> dict[str, Any]:
        """As that of one that finished, with `error` in place of what was found."""
        return {**_run_with(self), "holds": False, "error": self.error, "verdicts": []}


def _run_with(run: Finished | Broken) -> dict[str, Any]:
    return {
        **run.experiment.about(),
        "values": plain(run.values),
        "command": command_line(run),
        "seconds": run.seconds,
    }


def plain(value: Any) -> Any:
    """The same without numpy's or torch's single numbers, which JSON does not take.

    >>> import numpy as np
    >>> plain({"holds": np.bool_(True), "rates": (np.float32(0.5), None)})
    {'holds': True, 'rates': [0.5, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value


SEED = Option("seed", 0, None, "Seed of all that is drawn at random.", int, least=0)
"""Every experiment has it."""


def options_of(experiment: Experiment) -> tuple[Option, ...]:
    """The experiment's own options and the seed."""
    return (*experiment.options, SEED)


def values_for(
    experiment: Experiment, given: Mapping[str, Any] | None = None, *, quick: bool = False
) -> dict[str, Any]:
    """A value for every option: what was given, else the quick one, else the default."""
    given = given or {}
    known = {option.name: option for option in options_of(experiment)}
    for name in given:
        if name not in known:
            raise InputError(
                f"Experiment {experiment.name} has no option '{name}'. Known: {', '.join(known)}."
            )
    values: dict[str, Any] = {}
    for name, option in known.items():
        usual = option.quick if quick and option.quick is not None else option.default
        values[name] = given.get(name, usual)
        option.check(values[name])
    return values


def run_experiment(
    experiment: Experiment, given: Mapping[str, Any] | None = None, *, quick: bool = False
) -> Finished:
    """Run one experiment; the same values give the same numbers, speeds apart.

    Torch's global generator is seeded inside and put back after.
    """
    values = values_for(experiment, given, quick=quick)
    begun = time.perf_counter()
    with torch.random.fork_rng(devices=[]), style():
        torch.manual_seed(int(values["seed"]))
        result = experiment.run(dict(values))
    if not result.verdicts:
        raise ValueError(f"Experiment {experiment.name} gave no verdict; expected at least one.")
    return Finished(experiment, values, result, time.perf_counter() - begun, quick)


def attempt(
    experiment: Experiment, given: Mapping[str, Any] | None = None, *, quick: bool = False
) -> Finished | Broken:
    """As `run_experiment`, but an error inside it becomes a `Broken`.

    Memory that ran out and Ctrl-C go through: nothing after them would fare better.
    """
    values = values_for(experiment, given, quick=quick)
    begun = time.perf_counter()
    try:
        return run_experiment(experiment, given, quick=quick)
    except MemoryError:
        raise
    except Exception as error:
        return Broken(experiment, values, error, time.perf_counter() - begun, quick)


def command_line(run: Finished | Broken) -> str:
    """What is typed to get this again."""
    usual = values_for(run.experiment, quick=run.quick)
    words = ["steadygrad", "lab", run.experiment.name, *(["--quick"] if run.quick else [])]
    for option in options_of(run.experiment):
        value = run.values[option.name]
        if value != usual[option.name]:
            words.append(f"{option.flag} {as_typed(value)}")
    return " ".join(words)


def as_typed(value: object) -> str:
    """A value as it is typed behind its option.

    >>> as_typed((0.1, 2.0))
    '0.1,2'
    """
    if isinstance(value, tuple | list):
        return ",".join(as_typed(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def numbers(text: str) -> tuple[float, ...]:
    """A kind of option: numbers with commas between.

    >>> numbers("0.01,0.05")
    (0.01, 0.05)
    """
    return tuple(float(part) for part in text.split(",") if part.strip())


def names(text: str) -> tuple[str, ...]:
    """A kind of option: words with commas between.

    >>> names("relu,tanh")
    ('relu', 'tanh')
    """
    return tuple(part.strip() for part in text.split(",") if part.strip())
