"""Classes of packages that are not among ours."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from steadygrad.errors import SteadygradError


def class_of(name: str, modules: Sequence[str], install: str) -> Any:
    """The class of that name in the first of `modules` that is there.

    Without any, a class that says what to install when something is made of it.
    """
    for module in modules:
        try:
            return getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise

    class Missing:
        def __init__(self) -> None:
            raise SteadygradError(
                f"This callback is for {install}, which is not installed. "
                f"Install it: pip install {install}"
            )

    return Missing
