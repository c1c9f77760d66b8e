"""What is searched: ranges and choices for fields of the Recipe, and their defaults."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from steadygrad.errors import InputError, choose, nearest
from steadygrad.record import Recipe
from steadygrad.record.choices import CHOICES, RANGES

Value = float | int | str
DECADE = 10.0
"""A log range is widened by this factor, a linear one by half its length."""


@dataclass(frozen=True)
class Field:
    """What a searched number or name may be at all."""

    kind: type = float
    low: float = -math.inf
    high: float = math.inf
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """One dimension of the space: a range or a list of choices for one field."""

    name: str
    """The field, or field@choice where it counts under one choice of another field only."""
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Value, ...] = ()
    when: tuple[str, str] | None = None
    """(field, choice): counts only where that field has that choice."""
    limits: tuple[float, float] = (-math.inf, math.inf)
    """How far the range may ever be widened."""

    @property
    def field(self) -> str:
        """The Recipe field it sets.

        >>> Parameter("lr@adam").field
        'lr'
        """
        return self.name.partition("@")[0]

    def at(self, share: float) -> Value:
        """The value at a share of the way through the range or the choices.

        >>> Parameter("lr", 1e-4, 1.0, log=True).at(0.5)
        0.01
        """
        if self.choices:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        low, high = self._scaled(self.low), self._scaled(self.high)
        value = low + share * (high - low)
        value = 10.0**value if self.log else value
        value = min(max(value, self.low), self.high)
        return round(value) if self.whole else float(f"{value:.12g}")

    def position(self, value: Value) -> float:
        """Where a value lies: 0 at the low end, 1 at the high one, on a log scale for log ranges.

        >>> Parameter("lr", 1e-4, 1.0, log=True).position(0.1)
        0.75
        """
        if self.choices:
            return (self.choices.index(value) + 0.5) / len(self.choices)
        low, high = self._scaled(self.low), self._scaled(self.high)
        return (self._scaled(float(value)) - low) / (high - low)

    def distribution(self) -> BaseDistribution:
        """The same as Optuna's distribution."""
        if self.choices:
            return CategoricalDistribution(self.choices)
        if self.whole:
            return IntDistribution(round(self.low), round(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def widened(self, side: str) -> Parameter | None:
        """The range one decade (half its length, if linear) further; None: no room on that side."""
        if self.choices:
            return None
        room = (self.high - self.low) / 2
        low, high = self.low, self.high
        if side == "low":
            low = self.low / DECADE if self.log else self.low - room
        else:
            high = self.high * DECADE if self.log else self.high + room
        low, high = max(low, self.limits[0]), min(high, self.limits[1])
        if self.whole:
            low, high = math.floor(low), math.ceil(high)
        if self.log and low <= 0:
            low = self.low
        if (low, high) == (self.low, self.high):
            return None
        return dataclasses.replace(self, low=low, high=high)

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.log else value

    def __str__(self) -> str:
        if self.choices:
            return f"{self.name}={'|'.join(str(choice) for choice in self.choices)}"
        return f"{self.name}={self.low:g}..{self.high:g}" + ":log" * self.log


@dataclass(frozen=True)
class Space:
    """The parameters searched together."""

    parameters: tuple[Parameter, ...]

    def __getitem__(self, name: str) -> Parameter:
        return next(parameter for parameter in self.parameters if parameter.name == name)

    def __str__(self) -> str:
        return ",".join(str(parameter) for parameter in self.parameters)

    @property
    def is_conditional(self) -> bool:
        """Whether some parameter counts under a choice of another only."""
        return any(parameter.when for parameter in self.parameters)

    def active(self, params: Mapping[str, Value]) -> list[Parameter]:
        """The parameters that count, given the choices made."""
        return [p for p in self.parameters if p.when is None or params.get(p.when[0]) == p.when[1]]

    def point(self, shares: Sequence[float]) -> dict[str, Value]:
        """The values at one share per parameter; those that do not count are left out."""
        everything = {p.name: p.at(share) for p, share in zip(self.parameters, shares)}
        return {p.name: everything[p.name] for p in self.active(everything)}

    def contains(self, params: Mapping[str, Value]) -> bool:
        """Whether these values could have been drawn from the space."""
        wanted = self.active(params)
        if {parameter.name for parameter in wanted} != set(params):
            return False
        return all(
            params[p.name] in p.choices if p.choices else p.low <= float(params[p.name]) <= p.high
            for p in wanted
        )

    def distributions(self, params: Mapping[str, Value]) -> dict[str, BaseDistribution]:
        """Optuna's distributions of the parameters that count for these values."""
        return {p.name: p.distribution() for p in self.active(params)}

    def replaced(self, parameter: Parameter) -> Self:
        """The space with one parameter's range exchanged."""
        parameters = [parameter if p.name == parameter.name else p for p in self.parameters]
        return dataclasses.replace(self, parameters=tuple(parameters))

    def fields(self, params: Mapping[str, Value]) -> dict[str, Value]:
        """Recipe fields and values of a point."""
        return {name.partition("@")[0]: value for name, value in params.items()}

    def to_list(self) -> list[dict[str, Any]]:
        """Ready for JSON."""
        return [dataclasses.asdict(parameter) for parameter in self.parameters]

    @classmethod
    def from_list(cls, rows: list[dict[str, Any]]) -> Self:
        """Read `to_list`'s form."""

        def read(row: dict[str, Any]) -> Parameter:
            when = tuple(row["when"]) if row["when"] else None
            parts = {"choices": tuple(row["choices"]), "limits": tuple(row["limits"])}
            return Parameter(**{**row, **parts, "when": when})

        return cls(tuple(read(row) for row in rows))


NOT_SEARCHED = frozenset(
    ("seed", "budget_seconds", "epochs", "val_fraction", "test_fraction", "start_from", "device",
     "precision", "memory_format", "threads", "channels", "image_size", "resize", "source_size",
     "train_size", "preprocess", "patience", "base_batch_size")
)  # fmt: skip
"""Fields that are the question itself, or of the machine; the pictures stay the same ones."""
LOG_FIELDS = frozenset(("lr", "weight_decay", "batch_size", "init_std", "clip_norm"))
"""Ranges of these are logarithmic unless :linear is said: their effect goes by factors."""


def recipe_fields() -> dict[str, Field]:
    """The Recipe's fields that can be searched."""
    found: dict[str, Field] = {}
    for field in dataclasses.fields(Recipe):
        if field.name in NOT_SEARCHED:
            continue
        low, high = RANGES.get(field.name, (-math.inf, math.inf))
        names = tuple(name for name in CHOICES.get(field.name, ()) if name != "auto")
        # -1 means "chosen", and 0 too where the field's default is 0 because it is chosen.
        low = max(low, 1.0 if field.name in ("batch_size", "depth", "width") else 0.0)
        found[field.name] = Field(type(field.default), low, high, names)
    return found


def parse_space(text: str, fields: Mapping[str, Field] | None = None) -> Space:
    """Read `lr=1e-5..1e-1:log,weight_decay=1e-6..1e-2,optimizer=sgd|adam`.

    Names may be written with - or _. Raises InputError, with the nearest name, for what can't be
    searched: an unknown name, an empty range, a log range from 0, one value only.

    >>> str(parse_space("lr=1e-5..1e-1,optimizer=sgd|adam"))
    'lr=1e-05..0.1:log,optimizer=sgd|adam'
    """
    fields = recipe_fields() if fields is None else fields
    parameters: dict[str, Parameter] = {}
    for part in (part.strip() for part in text.split(",")):
        name, equals, values = part.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not values:
            raise InputError(
                f"--space has '{part}'; expected name=low..high, name=low..high:log or name=a|b."
            )
        if name not in fields:
            raise InputError(_unknown(name, fields))
        if name in parameters:
            raise InputError(f"--space names {name} twice; expected one range for it.")
        parameters[name] = _parse_values(name, values.strip(), fields[name])
    return Space(tuple(parameters.values()))


def _unknown(name: str, fields: Mapping[str, Field]) -> str:
    if name in NOT_SEARCHED:
        return f"--space: {name} can't be searched; leave it out, and set it with its own option."
    guess = nearest(name, fields)
    hint = f" Did you mean '{guess}'?" if guess else ""
    return f"--space: a recipe has no field '{name}' to search.{hint}"


def _parse_values(name: str, values: str, field: Field) -> Parameter:
    if ".." not in values:
        return _parse_choices(name, values, field)
    values, colon, scale = values.partition(":")
    if colon and scale not in ("log", "linear"):
        choose("scale in --space", scale, {"log": 1, "linear": 1})
    if field.kind is str:
        raise InputError(f"--space: {name} is a name, not a number; write {name}=a|b.")
    low, high = (_number(name, word, field) for word in values.split("..", 1))
    log = scale == "log" if colon else name in LOG_FIELDS and low > 0
    if not low < high:
        raise InputError(f"--space: the range {name}={values} is empty; expected low < high.")
    if log and low <= 0:
        raise InputError(
            f"--space: {name}={values}:log begins at {low:g}, which has no logarithm; begin it "
            "above 0, such as 1e-6, or write :linear."
        )
    limits = (field.low, field.high)
    return Parameter(name, low, high, log, whole=field.kind is int, limits=limits)


def _parse_choices(name: str, values: str, field: Field) -> Parameter:
    words = [word.strip() for word in values.split("|")]
    if len(words) < 2 or len(set(words)) < len(words):
        raise InputError(
            f"--space: {name}={values} leaves nothing to choose; expected different values, "
            f"{name}=a|b or {name}=low..high. One value is set with its own option."
        )
    if field.kind is not str:
        return Parameter(name, choices=tuple(_number(name, word, field) for word in words))
    for word in words:
        if field.names and ":" not in word:
            choose(name, word, dict.fromkeys(field.names, True))
    return Parameter(name, choices=tuple(words))


def _number(name: str, word: str, field: Field) -> float:
    try:
        value = float(word)
    except ValueError:
        raise InputError(f"--space: '{word}' in {name}=… is no number.") from None
    if not field.low <= value <= field.high:
        raise InputError(
            f"--space: {name} of {value:g} can't be; expected {field.low:g} to {field.high:g}."
        )
    if field.kind is int:
        if value != int(value):
            raise InputError(f"--space: {name} takes whole numbers; '{word}' is none.")
        return int(value)
    return value
