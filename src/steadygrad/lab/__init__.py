"""The lab: every classic claim about training ConvNets as an experiment, its verdict computed.

One file per experiment, each with its EXPERIMENT; a new one costs that file and two lines here.
"""

from __future__ import annotations

from steadygrad.lab import (
    activations,
    babysitting,
    batch_norm,
    centre_and_scale,
    constant_start,
    convolutions,
    dead_relu,
    deep_networks,
    fitting,
    hard_cases,
    learning_rates,
    not_centred,
    optimizers,
    preprocessing,
    random_search,
    signal_through_depth,
    transfer,
    which_norm,
)
from steadygrad.lab.framework import Experiment

EXPERIMENTS: tuple[Experiment, ...] = (
    activations.EXPERIMENT,
    hard_cases.EXPERIMENT,
    not_centred.EXPERIMENT,
    dead_relu.EXPERIMENT,
    centre_and_scale.EXPERIMENT,
    preprocessing.EXPERIMENT,
    constant_start.EXPERIMENT,
    signal_through_depth.EXPERIMENT,
    deep_networks.EXPERIMENT,
    batch_norm.EXPERIMENT,
    which_norm.EXPERIMENT,
    optimizers.EXPERIMENT,
    learning_rates.EXPERIMENT,
    babysitting.EXPERIMENT,
    fitting.EXPERIMENT,
    random_search.EXPERIMENT,
    convolutions.EXPERIMENT,
    transfer.EXPERIMENT,
)
"""All of them, in the order of the lectures."""

SECONDS: dict[str, tuple[float, float]] = {
    "activations": (1, 1),
    "hard-cases": (5, 9),
    "not-centred": (1, 2),
    "dead-relu": (26, 110),
    "centre-and-scale": (4, 24),
    "preprocessing": (5, 17),
    "constant-start": (2, 3),
    "signal-through-depth": (5, 16),
    "deep-networks": (100, 155),
    "batch-norm": (16, 35),
    "which-norm": (26, 330),
    "optimizers": (8, 17),
    "learning-rates": (13, 45),
    "babysitting": (7, 15),
    "fitting": (39, 80),
    "random-search": (6, 17),
    "convolutions": (1, 1),
    "transfer": (87, 180),
}
"""Seconds of one core that each takes, --quick and in full: for the estimates of time only."""


def usual_seconds(name: str, *, quick: bool) -> float:
    """How long an experiment usually takes, 0 where nobody has measured.

    >>> usual_seconds("a new one", quick=True)
    0.0
    """
    fast, slow = SECONDS.get(name, (0.0, 0.0))
    return fast if quick else slow
