"""What the page of a search is drawn from: search.json, read so that any of it may be missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from steadygrad.report import reading
from steadygrad.report.scales import log_ticks, tick_text, ticks
from steadygrad.report.words import number, number_or_none

Value = float | int | str
GOLDEN = 0.6180339887
"""Its multiples, without their whole parts, lie evenly spread however many there are."""
APART = 0.45
"""Share of the way to the next choice over which equal values are spread."""
NEAR = 0.04
"""Whole numbers closer than this are as good as a range: nothing is spread."""
OUTER = 0.1
"""Share of a range that counts as its edge (`search.edges`)."""


@dataclass(frozen=True)
class Parameter:
    """One dimension of the space, as it was searched last."""

    name: str
    low: float = 0.0
    high: float = 1.0
    first_low: float = 0.0
    first_high: float = 1.0
    log: bool = False
    whole: bool = False
    choices: tuple[Value, ...] = ()
    when: tuple[str, str] | None = None
    """(parameter, choice): counts only there."""

    def position(self, value: Value) -> float | None:
        """Where a value lies from the low end, 0, to the high one, 1; None: nowhere on the axis.

        >>> Parameter("lr", 1e-4, 1.0, log=True).position(0.01)
        0.5
        """
        if self.choices:
            known = [str(choice) for choice in self.choices]
            return (known.index(str(value)) + 0.5) / len(known) if str(value) in known else None
        finite = number_or_none(value)
        if finite is None or (self.log and finite <= 0) or not self.low < self.high:
            return None
        if self.log:
            return math.log(finite / self.low) / math.log(self.high / self.low)
        return (finite - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """(position, text) of round values, or of every choice."""
        if self.choices:
            return [(self.position(choice) or 0.0, str(choice)) for choice in self.choices]
        if not self.low < self.high:
            return []
        values = log_ticks(self.low, self.high) if self.log else ticks(self.low, self.high, 4)
        if self.whole:
            values = [value for value in values if value == round(value)]
        return [(self.position(value) or 0.0, tick_text(value)) for value in values]

    def spot(self, trial: Trial) -> float | None:
        """Where a trial is drawn: at its value, those of equal ones a little apart."""
        value = trial.values.get(self.name)
        at = None if value is None else self.position(value)
        if at is None:
            return None
        step = 1 / len(self.choices) if self.choices else 0.0
        if self.whole and not self.log and self.high > self.low:
            step = 1 / (self.high - self.low)
        away = math.modf(trial.number * GOLDEN)[0] - 0.5
        return min(max(at + APART * step * away, 0.0), 1.0) if step > NEAR else at

    @property
    def scale(self) -> str:
        """The range or the choices in words."""
        if self.choices:
            return f"{len(self.choices)} choices"
        return f"{number(self.low)} to {number(self.high)}{', log scale' if self.log else ''}"

    @property
    def widened(self) -> list[tuple[str, float, float]]:
        """(side, end it began with, end it has now) of each side that was widened."""
        ends = (("low", self.first_low, self.low), ("high", self.first_high, self.high))
        return [(side, before, now) for side, before, now in ends if before != now]


@dataclass(frozen=True)
class Trial:
    """One trial and how it went."""

    number: int
    stage: str = ""
    state: str = ""
    reason: str = ""
    ended_as: str = ""
    """The reason without its numbers: of one kind are those with the same."""
    values: dict[str, Value] = field(default_factory=dict[str, Value])
    seed: int = 0
    repeats: int | None = None
    diverged: bool = False
    curve: tuple[tuple[float, float], ...] = ()
    """(parts trained, validation error), in order."""
    times: dict[int, float] = field(default_factory=dict[int, float])
    """Part → seconds after the search began."""
    seconds: float = 0.0

    @property
    def parts(self) -> float:
        """Parts trained when it was last scored."""
        return self.curve[-1][0] if self.curve else 0.0

    @property
    def value(self) -> float | None:
        """Its last validation error."""
        return self.curve[-1][1] if self.curve else None


@dataclass(frozen=True)
class Searched:
    """A whole search."""

    found: Mapping[str, Any]
    """search.json as it is."""
    parameters: tuple[Parameter, ...] = ()
    trials: tuple[Trial, ...] = ()
    full: float = 1.0
    """Parts of a full run."""
    rungs: tuple[float, ...] = ()

    @property
    def title(self) -> str:
        """Name of the data."""
        data = str(self.found.get("data") or "unnamed data")
        return PurePath(data).name or data

    @property
    def winner(self) -> Trial | None:
        """The trial that won; None: none was good enough to say."""
        number = self.found.get("winner")
        return next((trial for trial in self.trials if trial.number == number), None)

    def look(self, trial: Trial) -> str:
        """How a trial is drawn: won, again (the winner's values, another seed), whole or short."""
        won = self.winner
        if won is not None and won.number in (trial.number, trial.repeats):
            return "won" if trial.number == won.number else "again"
        return "whole" if trial.curve and trial.parts >= self.full else "short"

    @property
    def drawn(self) -> list[Trial]:
        """The trials in the order they are drawn: the winner last, over all others."""
        order = ("short", "whole", "again", "won")
        return sorted(self.trials, key=lambda t: (order.index(self.look(t)), t.parts, t.number))

    @property
    def finished(self) -> list[Trial]:
        """Trials of the full length, repetitions included."""
        return [trial for trial in self.trials if trial.curve and trial.parts >= self.full]

    def share(self, parts: float) -> float:
        """Parts as a share of a full run."""
        return parts / self.full


def read(found: Mapping[str, Any]) -> Searched:
    """Read search.json's content."""
    plan = reading.mapping(found, "plan")
    parameters = tuple(_parameter(row) for row in reading.rows(found, "space"))
    trials = tuple(_trial(row) for row in reading.rows(found, "trials"))
    longest = max((trial.parts for trial in trials), default=1.0)
    full = number_or_none(plan.get("full")) or longest or 1.0
    rungs = tuple(v for v in reading.numbers(plan, "rungs") if v is not None and v > 0)
    return Searched(found, parameters, trials, full, rungs)


def _parameter(row: Mapping[str, Any]) -> Parameter:
    low, high = _number(row, "low", 0.0), _number(row, "high", 1.0)
    when = reading.rows(row, "when")
    return Parameter(
        str(row.get("name", "?")),
        low,
        high,
        _number(row, "first_low", low),
        _number(row, "first_high", high),
        bool(row.get("log")) and low > 0,
        bool(row.get("whole")),
        tuple(reading.rows(row, "choices")),
        (str(when[0]), str(when[1])) if len(when) == 2 else None,
    )


def _trial(row: Mapping[str, Any]) -> Trial:
    curve = [(_key(part), number_or_none(v)) for part, v in reading.mapping(row, "curve").items()]
    times = {_key(part): number_or_none(v) for part, v in reading.mapping(row, "times").items()}
    repeats = number_or_none(row.get("repeats"))
    return Trial(
        int(_number(row, "number", -1)),
        str(row.get("stage") or ""),
        str(row.get("state") or ""),
        str(row.get("reason") or ""),
        str(row.get("ended_as") or ""),
        reading.mapping(row, "values"),
        int(_number(row, "seed", 0)),
        None if repeats is None else int(repeats),
        bool(row.get("diverged")),
        tuple(sorted((float(part), v) for part, v in curve if v is not None)),
        {part: seconds for part, seconds in times.items() if seconds is not None},
        _number(row, "seconds", 0.0),
    )


def _key(part: Any) -> int:
    return int(number_or_none(part) or 0)


def _number(row: Mapping[str, Any], key: str, default: float) -> float:
    value = number_or_none(row.get(key))
    return default if value is None else value
