"""The machine: its memory, its device, its cores, and what is fast on it, found by trying."""

from steadygrad.machine.cores import choose_device, choose_threads, cpu_quota, probe_threads
from steadygrad.machine.memory import keep_memory
from steadygrad.machine.trial import MEMORY_FORMATS, Probe, arrange, probe

__all__ = [
    "MEMORY_FORMATS",
    "Probe",
    "arrange",
    "choose_device",
    "choose_threads",
    "cpu_quota",
    "keep_memory",
    "probe",
    "probe_threads",
]
