"""Asking the rules while a run goes on, and keeping account of what they said."""

from steadygrad.judging.judge import Judge, failure_text
from steadygrad.judging.ledger import Ledger, at_least

__all__ = ["Judge", "Ledger", "at_least", "failure_text"]
