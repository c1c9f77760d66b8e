"""What one check of the checklist says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["pass", "warn", "fail", "skip"]
SEVERITY_OF = {"fail": "error", "warn": "warning"}
"""What a check's status counts as for --fail-on."""


@dataclass(frozen=True)
class Check:
    """One line of the checklist: measured, judged, explained."""

    name: str
    status: Status
    saw: str
    """The numbers, in a sentence."""
    means: str
    """What they say about the run to come."""
    fix: str = ""
    """What to type; empty where nothing is wrong."""
    numbers: dict[str, Any] = field(default_factory=dict[str, Any])
    seconds: float = 0.0
