"""The lab: every classic claim about training ConvNets as an experiment, its verdict computed.

One file per experiment, each with its EXPERIMENT; a new one costs that file and two lines here.
"""

from __future__ import annotations

from steadygrad.lab.framework import Experiment

EXPERIMENTS: tuple[Experiment, ...] = ()
"""All of them, in the order of the lectures."""
