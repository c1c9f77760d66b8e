"""The two ways Steadygrad gives up, and the one way it names a mistyped word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


class SteadygradError(Exception):
    """The work failed: the message says what happened and what to do (exit status 1)."""

    exit_status = 1


class InputError(SteadygradError):
    """The arguments or the data can't be used: what happened, what was expected, what to do.

    Exit status 2 on the command line; never shown with a traceback.
    """

    exit_status = 2


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name most like `word`, or None when nothing is close.

    >>> nearest("rleu", ["relu", "tanh"])
    'relu'
    >>> nearest("zca", ["pca", "zca-whiten"])
    'zca-whiten'
    >>> nearest("lent", ["resnet", "LeNet"])
    'LeNet'
    """
    word = word.lower()
    by_lower = {name.lower(): name for name in names}
    begun = [name for name in by_lower if len(word) > 1 and name.startswith(word)]
    if begun:
        return by_lower[min(begun, key=len)]
    matches = difflib.get_close_matches(word, by_lower, n=1, cutoff=0.5)
    return by_lower[matches[0]] if matches else None


def choose(kind: str, name: str, table: Mapping[str, T]) -> T:
    """Look `name` up in `table`; a wrong name is an InputError that offers the nearest one.

    >>> choose("activation", "relu", {"relu": 1})
    1
    >>> choose("norm", "bach", {"batch": 1})
    Traceback (most recent call last):
    steadygrad.errors.InputError: There is no norm 'bach'. Did you mean 'batch'? Known: batch.
    """
    if name in table:
        return table[name]
    guess = nearest(name, table)
    hint = f" Did you mean '{guess}'?" if guess else ""
    raise InputError(f"There is no {kind} '{name}'.{hint} Known: {', '.join(table)}.")
