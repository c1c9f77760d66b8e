"""Update rules by name, parameter groups, and the average of the weights over the steps."""

from steadygrad.optim.average import Average
from steadygrad.optim.groups import parameter_groups
from steadygrad.optim.make import (
    AUTO_OPTIMIZER,
    DEFAULT_LR,
    DEFAULT_WEIGHT_DECAY,
    OPTIMIZERS,
    make_optimizer,
    optimizer_name,
    scaled_lr,
)
from steadygrad.optim.muon import Muon, orthogonalize
from steadygrad.optim.norm_statistics import refresh_norm_statistics

__all__ = [
    "AUTO_OPTIMIZER",
    "Average",
    "DEFAULT_LR",
    "DEFAULT_WEIGHT_DECAY",
    "Muon",
    "OPTIMIZERS",
    "make_optimizer",
    "optimizer_name",
    "orthogonalize",
    "parameter_groups",
    "refresh_norm_statistics",
    "scaled_lr",
]
