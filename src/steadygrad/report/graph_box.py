"""What the drawing of a graph is made of: an operation or a module, with what flows out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LEVEL_WORDS = {
    -2: "vanishing",
    -1: "small",
    0: "steady",
    1: "large",
    2: "exploding",
    3: "NaN or infinite",
}


@dataclass
class Box:
    """An operation, or a module with what runs in it."""

    key: str
    title: str
    kind: str
    """"input", "operation" or "module"."""
    operation: str = ""
    path: str = ""
    """Dotted name of the module."""
    shape: list[int] = field(default_factory=list[int])
    """Of what comes out."""
    parameters: int = 0
    operations: int = 1
    values: dict[str, float] = field(default_factory=dict[str, float])
    """Signals of what comes out: see `record.LayerSignals`."""
    signal_level: int = 0
    """Key of LEVEL_WORDS: of a module the worst inside."""
    gradient_level: int = 0
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    line: str = ""
    """The user's line, `model.py:12`."""
    children: list[Box] = field(default_factory=list["Box"])
    edges: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Between children by position, and IN and OUT."""
    edge_levels: list[int] = field(default_factory=list[int])
    """Level of what each edge carries."""
    leaving: tuple[int, int] = (0, 0)
    """Levels, signal and gradient, of what comes out."""

    @property
    def level(self) -> int:
        """The worse of the two."""
        return max(self.signal_level, self.gradient_level, key=abs)


@dataclass
class Leaf:
    """An operation on its way into a box."""

    box: Box
    path: tuple[str, ...]
    inputs: list[int]
    """The leaves that made what it takes."""
    weighted: bool = False
    """Whether it multiplies by weights; a norm's scale is none."""
