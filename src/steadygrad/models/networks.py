"""The networks by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from steadygrad.models.fast import fast
from steadygrad.models.mobilenet import mobilenet
from steadygrad.models.plain import lenet, logistic, mlp, vgg
from steadygrad.models.resnet import resnet18, resnet34, resnet50, small_resnet_of

MODELS: dict[str, Callable[..., nn.Module]] = {
    "fast": fast,
    "logistic": logistic,
    "mlp": mlp,
    "lenet": lenet,
    "vgg": vgg,
    "resnet8": small_resnet_of(8),
    "resnet20": small_resnet_of(20),
    "resnet56": small_resnet_of(56),
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "mobilenet": mobilenet,
}
