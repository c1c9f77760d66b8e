"""The babysitting checklist before a run: small measurements on copies, and what they mean."""

from steadygrad.preflight.result import Check
from steadygrad.preflight.run import Preflight, check

__all__ = ["Check", "Preflight", "check"]
