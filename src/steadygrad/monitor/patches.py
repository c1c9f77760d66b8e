"""Replaces functions of torch by our own for a while, and puts every one back exactly."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any


class Patches:
    """What was replaced, in order."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any, bool]] = []

    def put(self, owner: Any, name: str, make: Callable[[Any], Callable[..., Any]]) -> None:
        """Replace `owner.name` by `make(original)`; the replacement keeps its name and docs."""
        original = getattr(owner, name)
        own = name in vars(owner)
        replacement = wraps(original)(make(original))
        self._undo.append((owner, name, vars(owner).get(name), own))
        setattr(owner, name, replacement)

    def remove(self) -> None:
        """Put everything back, the latest first."""
        while self._undo:
            owner, name, original, own = self._undo.pop()
            if own:
                setattr(owner, name, original)
            else:
                delattr(owner, name)
