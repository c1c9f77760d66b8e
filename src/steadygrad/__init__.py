"""Train ConvNets that learn the first time, and know why when one doesn't."""

__version__ = "0.1.0"
