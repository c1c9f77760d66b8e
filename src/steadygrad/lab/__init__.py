"""The lab: every classic claim about training ConvNets as an experiment, its verdict computed.

One file per experiment, each with its EXPERIMENT; a new one costs that file and two lines here.
"""

from __future__ import annotations

from steadygrad.lab import activations, constant_start, hard_cases, optimizers, signal_through_depth
from steadygrad.lab.framework import Experiment

EXPERIMENTS: tuple[Experiment, ...] = (
    activations.EXPERIMENT,
    hard_cases.EXPERIMENT,
    constant_start.EXPERIMENT,
    signal_through_depth.EXPERIMENT,
    optimizers.EXPERIMENT,
)
"""All of them, in the order of the lectures."""
