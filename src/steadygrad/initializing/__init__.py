"""What an initialisation does to the signal of any network, measured: `steadygrad init`."""

from steadygrad.initializing.examine import Examination, examine, is_healthy
from steadygrad.initializing.signals import LayerSignal, Signals, measure
from steadygrad.initializing.subject import Subject, subject_of
from steadygrad.initializing.text import examination_text
from steadygrad.initializing.trend import Trend

__all__ = [
    "Examination",
    "LayerSignal",
    "Signals",
    "Subject",
    "Trend",
    "examination_text",
    "examine",
    "is_healthy",
    "measure",
    "subject_of",
]
