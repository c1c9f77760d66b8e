"""Where pictures and labels come from: class folders, CSV, IDX, CIFAR or a known set."""

from steadygrad.images.source.base import Source, natural_key
from steadygrad.images.source.dispatch import open_source
from steadygrad.images.source.known import KNOWN

__all__ = ["KNOWN", "Source", "natural_key", "open_source"]
