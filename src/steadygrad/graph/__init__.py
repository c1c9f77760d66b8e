"""The computational graph with its values and gradients: of an expression, of a network."""

from steadygrad.graph.network import Traced, trace, trace_target

__all__ = ["Traced", "trace", "trace_target"]
