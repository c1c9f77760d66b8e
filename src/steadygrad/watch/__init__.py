"""Watch any PyTorch training run, script or loop, and say what is wrong with the file and line."""

from __future__ import annotations

from steadygrad.watch.reporting import write_report
from steadygrad.watch.session import Options, Session, Stop

__all__ = ["Options", "Session", "Stop", "write_report"]
