"""Plain data of one run: what was asked for, what was measured, what was concluded. No torch."""

from steadygrad.record.measured import (
    Epoch,
    Event,
    Facts,
    Finding,
    LayerSignals,
    Step,
    Where,
)
from steadygrad.record.recipe import Recipe
from steadygrad.record.store import Record, RecordWriter, write_json

__all__ = [
    "Epoch",
    "Event",
    "Facts",
    "Finding",
    "LayerSignals",
    "Recipe",
    "Record",
    "RecordWriter",
    "Step",
    "Where",
    "write_json",
]
