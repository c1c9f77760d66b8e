"""What is measured and concluded in a run, line by line: Facts, Step, Epoch, Finding, ..."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]


@dataclass
class Facts:
    """What was known before the first step: the data, the network, the machine."""

    classes: list[str] = field(default_factory=list[str])
    class_counts: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """Split name → pictures per class, in the order of `classes`."""
    image_shape: list[int] = field(default_factory=list[int])
    """Channels, height, width of what the network gets."""
    num_parameters: int = 0
    layers: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Rows of the layer table: name, kind, output_shape, parameters, multiply_adds."""
    audit: dict[str, Any] = field(default_factory=dict[str, Any])
    """`images.audit.Audit.to_dict()`: broken files, duplicates, counts, sizes, modes."""
    initial: dict[str, Any] = field(default_factory=dict[str, Any])
    """Measured before training, e.g. {"symmetric_layers": [...], "init": "zeros"}."""
    machine: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class Step:
    """One update of the weights."""

    step: int
    """Number of updates done, this one included: the first Step has 1."""
    epoch: int
    """Epoch the batch belongs to, from 0."""
    loss: float
    """Mean loss of the batch, as minimised (label smoothing and mixing included)."""
    lr: float
    """Learning rate of the first parameter group in this update."""
    num_images: int
    data_seconds: float = 0.0
    """Time spent waiting for the batch."""
    compute_seconds: float = 0.0
    """Time of forward, backward and update."""
    grad_norm: float | None = None
    """L2 norm of the whole gradient before clipping, where it was measured."""


@dataclass
class Epoch:
    """The state at the end of an epoch, on training batches seen and on held-out pictures."""

    epoch: int
    step: int
    train_loss: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    train_accuracy: float | None = None
    seconds: float = 0.0


@dataclass
class Event:
    """Something the run decided or met, in words: precision chosen, rate scaled, plan changed."""

    step: int
    name: str
    text: str
    values: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class Where:
    """The place in the user's code or data a finding is about."""

    file: str | None = None
    line: int | None = None
    module: str | None = None
    parameter: str | None = None


@dataclass
class Finding:
    """One fault: what was seen, what a healthy run shows, what to type."""

    rule: str
    severity: Severity
    step: int
    saw: str
    """One or two sentences with the numbers that convinced the rule."""
    expected: str
    fix: str
    source: str = ""
    where: Where = field(default_factory=Where)
    numbers: dict[str, Any] = field(default_factory=dict[str, Any])
