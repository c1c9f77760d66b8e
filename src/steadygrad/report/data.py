"""What a report is drawn from: plain data, nothing that computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from steadygrad.record import Record


@dataclass(frozen=True)
class Picture:
    """One small picture for the page, with what the network said about it."""

    name: str
    """Relative path, shown as text only."""
    image: bytes
    """A whole PNG, JPEG, GIF or WebP file, at most ~128 pixels wide: see `report.picture`."""
    true: str = ""
    predicted: str = ""
    """Empty where nothing was predicted (a training picture)."""
    probability: float | None = None
    """Of the predicted class, in [0, 1]."""


@dataclass(frozen=True)
class ConfusedPair:
    """One cell off the diagonal of the confusion matrix, with pictures out of it."""

    true: str
    predicted: str
    count: int
    pictures: list[Picture] = field(default_factory=list[Picture])


@dataclass
class ReportData:
    """Everything `write_report` shows; what is missing or empty is left out of the page."""

    record: Record
    title: str
    """Name of the data."""
    summary: dict[str, Any] = field(default_factory=dict[str, Any])
    """The run's summary.json."""
    asked: dict[str, Any] = field(default_factory=dict[str, Any])
    """Recipe fields as the user gave them: all of `Recipe.to_dict()`, or only the given ones."""
    resolved: dict[str, Any] = field(default_factory=dict[str, Any])
    """`Recipe.to_dict()` after everything automatic was chosen."""
    test: dict[str, Any] | None = None
    """accuracy, loss, accuracy_interval [low, high], num_images, confusion [true][predicted],
    recall and precision per class, calibration [{low, high, count, confidence, accuracy}],
    expected_calibration_error. Any key may be missing."""
    val: dict[str, Any] | None = None
    """The same, on the validation split."""
    mistakes: list[Picture] = field(default_factory=list[Picture])
    """Wrong answers on the scored split, the most confident first."""
    worst_cells: list[ConfusedPair] = field(default_factory=list[ConfusedPair])
    samples: list[Picture] = field(default_factory=list[Picture])
    """Training pictures as the network sees them, after augmentation."""
    timings: dict[str, float] = field(default_factory=dict[str, float])
    """Seconds by part: "decoding", "waiting", "computing", "evaluation", "export", any other name,
    and "total"; what the parts leave of the total is shown as the rest."""
    versions: dict[str, str] = field(default_factory=dict[str, str])
    fingerprint: str = ""
    """Of the data and its settings."""
    command: str = ""
    """What repeats the run, as typed."""
    folder: str = ""
    """The run folder, for the commands that use the model."""
    sources: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """The user's lines around the places findings name: what `quotes.quotes` gives."""

    @property
    def scored(self) -> tuple[str, dict[str, Any]] | None:
        """The split the page judges by: test, else validation, else None."""
        if self.test:
            return "test", self.test
        return ("validation", self.val) if self.val else None
