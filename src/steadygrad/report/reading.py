"""Typed reading of plain dicts that may lack any key: a report is drawn from what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from steadygrad.report.words import number_or_none

Evaluation = Mapping[str, Any]


def mapping(values: Mapping[str, Any] | None, key: str) -> dict[str, Any]:
    """The dict under `key`, empty where there is none.

    >>> mapping({"parity": None}, "parity")
    {}
    """
    found = (values or {}).get(key)
    return dict(cast("Mapping[str, Any]", found)) if isinstance(found, Mapping) else {}


def rows(values: Mapping[str, Any] | None, key: str) -> list[Any]:
    """The list under `key`, empty where there is none."""
    found = (values or {}).get(key)
    return [] if found is None or isinstance(found, str) else list(cast("Sequence[Any]", found))


def numbers(evaluation: Evaluation, key: str) -> list[float | None]:
    """The numbers under `key`; what is not finite is None."""
    return [number_or_none(value) for value in rows(evaluation, key)]


def confusion(evaluation: Evaluation) -> list[list[int]]:
    """Pictures by true class (row) and answer (column)."""
    return [[int(value) for value in row] for row in rows(evaluation, "confusion")]


def interval(evaluation: Evaluation) -> tuple[float, float] | None:
    """The accuracy's interval, as fractions."""
    ends = numbers(evaluation, "accuracy_interval")
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return None
    return ends[0], ends[1]
