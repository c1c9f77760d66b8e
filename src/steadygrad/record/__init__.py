"""Plain data of one run: what was asked for, what was measured, what was concluded. No torch."""

from steadygrad.record.measured import Epoch, Event, Facts, Finding, Step, Where
from steadygrad.record.recipe import Recipe
from steadygrad.record.store import Line, Record, RecordWriter, write_json
from steadygrad.record.watched import (
    OUTSIDE,
    PARAMETER,
    Batch,
    Graph,
    LayerSignals,
    Loader,
    Loop,
    Operation,
    Optimizer,
    Parameter,
    ParameterSignals,
    Scheduler,
)

__all__ = [
    "OUTSIDE",
    "PARAMETER",
    "Batch",
    "Epoch",
    "Event",
    "Facts",
    "Finding",
    "Graph",
    "LayerSignals",
    "Line",
    "Loader",
    "Loop",
    "Operation",
    "Optimizer",
    "Parameter",
    "ParameterSignals",
    "Recipe",
    "Record",
    "RecordWriter",
    "Scheduler",
    "Step",
    "Where",
    "write_json",
]
