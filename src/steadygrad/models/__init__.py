"""The networks, as functions with every number visible, and what is done with a whole one."""

from steadygrad.models.build import build_network, describe
from steadygrad.models.classifier import Classifier
from steadygrad.models.networks import MODELS

__all__ = ["MODELS", "Classifier", "build_network", "describe"]
