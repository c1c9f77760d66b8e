"""Measures a training run from inside the process, without touching the script.

A watched step's operations pass through a TorchFunctionMode; on the others a few light taps count.
What is measured is written as lines of a Record: docs/monitor.md.
"""

from steadygrad.monitor.monitor import Monitor

__all__ = ["Monitor"]
