"""What an experiment is: a claim, what is run, the numbers, the figures and the verdicts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from matplotlib.figure import Figure

from steadygrad.errors import InputError
from steadygrad.lab.drawing import style


@dataclass(frozen=True)
class Verdict:
    """One claim held against what was measured; `tolerance` says how far off, and why so far."""

    text: str
    holds: bool
    measured: float | None
    expected: str
    tolerance: str = ""


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
    value; `choices` are the words it may be.
    """

    name: str
    default: Any
    quick: Any
    help: str
    kind: Callable[[str], Any] = float
    choices: tuple[str, ...] = ()


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


@dataclass
class Finished:
    """An experiment with the values it ran under, what came out and how long it took."""

    experiment: Experiment
    values: dict[str, Any]
    result: Result
    seconds: float
    failed: list[Verdict] = field(init=False)

    def __post_init__(self) -> None:
        self.failed = [verdict for verdict in self.result.verdicts if not verdict.holds]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the figures, as JSON takes it."""
        return {
            "name": self.experiment.name,
            "title": self.experiment.title,
            "claim": self.experiment.claim,
            "source": self.experiment.source,
            "values": plain(self.values),
            "holds": not self.failed,
            "verdicts": [plain(verdict.__dict__) for verdict in self.result.verdicts],
            "text": self.result.text,
            "numbers": plain(self.result.numbers),
            "seconds": self.seconds,
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


SEED = Option("seed", 0, None, "Seed of all that is drawn at random.", int)
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
        if option.choices and values[name] not in option.choices:
            raise InputError(
                f"--{name.replace('_', '-')} is '{values[name]}'; expected one of "
                f"{', '.join(option.choices)}."
            )
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
    return Finished(experiment, values, result, time.perf_counter() - begun)


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


def near(
    text: str,
    measured: float,
    expected: float,
    *,
    relative: float = 0.0,
    absolute: float = 0.0,
    why: str,
) -> Verdict:
    """Holds where `measured` is within the larger of the two tolerances of `expected`.

    >>> near("a half", 0.51, 0.5, absolute=0.02, why="2 standard errors").holds
    True
    """
    allowed = max(absolute, relative * abs(expected))
    percent = relative > 0 and relative * abs(expected) >= absolute
    size = f"±{show(100 * relative)} %" if percent else f"±{show(absolute)}"
    holds = math.isfinite(measured) and abs(measured - expected) <= allowed
    return Verdict(text, holds, float(measured), show(expected), f"{size}: {why}")


def at_least(text: str, measured: float, bound: float, *, why: str = "") -> Verdict:
    """Holds where `measured` is `bound` or more; a NaN never holds.

    >>> at_least("learned", float("nan"), 0.9).holds
    False
    """
    return Verdict(text, bool(measured >= bound), float(measured), f"≥ {show(bound)}", why)


def at_most(text: str, measured: float, bound: float, *, why: str = "") -> Verdict:
    """Holds where `measured` is `bound` or less; a NaN never holds.

    >>> at_most("small", 0.1, 0.2).expected
    '≤ 0.2'
    """
    return Verdict(text, bool(measured <= bound), float(measured), f"≤ {show(bound)}", why)


def between(text: str, measured: float, low: float, high: float, *, why: str = "") -> Verdict:
    """Holds where `measured` lies from `low` to `high`; a NaN never holds.

    >>> between("of order 1", 0.4, 0.1, 10).holds
    True
    """
    holds = bool(low <= measured <= high)
    return Verdict(text, holds, float(measured), f"{show(low)} to {show(high)}", why)


def show(value: object) -> str:
    """A number as a table shows it: four significant digits.

    >>> show(0.123456), show(1797), show(1.5e-7), show(True), show(float("nan")), show(None)
    ('0.1235', '1797', '1.5e-07', 'yes', 'NaN', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
        text = f"{value:.4g}"
        if "e+" in text and abs(value) < 1e7:
            text = f"{value:.0f}"
        return text
    return str(value)


def columns_of(rows: list[dict[str, Any]]) -> list[str]:
    """The columns of a table in the order they first appear."""
    return list(dict.fromkeys(name for row in rows for name in row))
