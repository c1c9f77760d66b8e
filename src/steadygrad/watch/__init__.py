"""Watch any PyTorch training run, script or loop, and say what is wrong with the file and line."""

from steadygrad.watch.library import Watching, watch
from steadygrad.watch.reporting import write_report
from steadygrad.watch.session import Options, Session, Stop

__all__ = ["Options", "Session", "Stop", "Watching", "watch", "write_report"]
