"""Initialisation by name: what the weights are drawn from, for every layer of any network.

fan_in is the number of inputs one unit sums over: k * k * Cin / groups for a convolution, the
number of features for a linear layer; fan_out is k * k * Cout / groups. docs/initialisation.md has
the variance each scheme gives and why. What a scheme does to the signal of a given network is
measured one layer up, in `steadygrad.initializing`.
"""

from steadygrad.nn.initialize.data import DATA_SCHEMES
from steadygrad.nn.initialize.draw import SCHEMES, Draw, fans, random_walk_gain
from steadygrad.nn.initialize.network import LayerInit, initialize, left_alone, symmetric_layers
from steadygrad.nn.initialize.passes import Sample

__all__ = [
    "DATA_SCHEMES",
    "SCHEMES",
    "Draw",
    "LayerInit",
    "Sample",
    "fans",
    "initialize",
    "left_alone",
    "random_walk_gain",
    "symmetric_layers",
]
