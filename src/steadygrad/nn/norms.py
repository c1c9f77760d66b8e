"""Normalisations by name; each stands between a convolution without bias and the nonlinearity.

For maps (N, C, H, W):
    none      nothing (the convolution keeps its bias)
    batch     mean and variance of a channel over the batch and all positions (Ioffe, Szegedy 2015)
    layer     of a picture over all channels and positions; scale and bias per channel
    instance  of one channel of one picture over its positions (Ulyanov et al. 2016)
    group     of a picture over groups of channels and all positions (Wu, He 2018)
For vectors (N, C), after a linear layer, `vector_norm`: instance is impossible there.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from steadygrad.errors import InputError, choose

MAX_GROUPS = 32  # Wu, He 2018, table 3
MIN_GROUP_CHANNELS = 4  # smaller groups say nothing but signs once maps shrink to one position

NORM_TYPES = (_BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)  # pyright: ignore[reportPrivateUsage]


class InstanceNorm(nn.InstanceNorm2d):
    """Instance norm with scale and bias that leaves one-position maps unnormalised.

    A single value minus its own mean is 0 whatever it was, so on 1x1 maps only scale and bias
    apply; torch's own raises there in training.
    """

    def __init__(self, num_channels: int):
        super().__init__(num_channels, affine=True)

    def forward(self, input: Tensor) -> Tensor:
        """Maps (N, C, H, W) -> maps of the same shape."""
        if input.shape[-1] * input.shape[-2] == 1:
            return input * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)
        return super().forward(input)


def num_groups(num_channels: int) -> int:
    """The largest divisor of `num_channels` up to 32 that leaves 4 channels in a group, or 1.

    >>> num_groups(64), num_groups(256), num_groups(10), num_groups(3)
    (16, 32, 2, 1)
    """
    most = min(MAX_GROUPS, num_channels // MIN_GROUP_CHANNELS)
    return max((count for count in range(1, most + 1) if num_channels % count == 0), default=1)


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda _: nn.Identity(),
    "batch": nn.BatchNorm2d,
    "layer": lambda num_channels: nn.GroupNorm(1, num_channels),
    "instance": InstanceNorm,
    "group": lambda num_channels: nn.GroupNorm(num_groups(num_channels), num_channels),
}


def vector_norm(name: str, num_features: int) -> nn.Module:
    """The norm of that name for vectors (N, num_features).

    Raises InputError for "instance": a vector has no positions to take statistics over.
    """
    factory = choose("norm", name, NORMS)
    if name == "instance":
        raise InputError(
            "Instance norm takes its statistics over the positions of a map, and the layers of "
            "this network have none. Use batch, layer, group or none."
        )
    return nn.BatchNorm1d(num_features) if name == "batch" else factory(num_features)


def is_norm(module: nn.Module) -> bool:
    """Whether `module` is a normalisation layer (torch's or ours)."""
    return isinstance(module, NORM_TYPES)
