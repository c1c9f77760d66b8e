"""The blocks networks repeat: convolution-norm-activation, residual, pooling to features."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from steadygrad.errors import choose
from steadygrad.nn.activations import ACTIVATIONS, widen
from steadygrad.nn.norms import NORMS, vector_norm


@dataclass(frozen=True)
class Style:
    """Which activation and which norm a network uses throughout."""

    activation: str
    norm: str

    def __post_init__(self):
        choose("activation", self.activation, ACTIVATIONS)
        choose("norm", self.norm, NORMS)

    @property
    def bias(self) -> bool:
        """Whether layers have a bias: not in front of a norm, which takes it out again."""
        return self.norm == "none"


def resolve_style(activation: str, norm: str, default: Style) -> Style:
    """`default`, with what was asked for instead ("auto": the default's)."""
    return Style(
        default.activation if activation == "auto" else activation,
        default.norm if norm == "auto" else norm,
    )


def conv_layers(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    style: Style,
    *,
    stride: int = 1,
    groups: int = 1,
    activate: bool = True,
) -> list[nn.Module]:
    """Convolution, norm, activation: (N, Cin, H, W) -> (N, Cout, ceil(H/stride), ceil(W/stride)).

    Padding k//2. With maxout the convolution and the norm have twice the channels.
    `activate=False` leaves the activation out (the end of a residual branch).

    >>> [type(layer).__name__ for layer in conv_layers(3, 8, 3, Style("relu", "batch"))]
    ['Conv2d', 'BatchNorm2d', 'ReLU']
    """
    channels = out_channels * (widen(style.activation) if activate else 1)
    layers: list[nn.Module] = [
        nn.Conv2d(
            in_channels,
            channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            groups=groups,
            bias=style.bias,
        )
    ]
    if style.norm != "none":
        layers.append(NORMS[style.norm](channels))
    if activate:
        layers.append(ACTIVATIONS[style.activation](out_channels))
    return layers


def linear_layers(in_features: int, out_features: int, style: Style) -> list[nn.Module]:
    """Linear, norm, activation: (N, in_features) -> (N, out_features)."""
    features = out_features * widen(style.activation)
    layers: list[nn.Module] = [nn.Linear(in_features, features, bias=style.bias)]
    if style.norm != "none":
        layers.append(vector_norm(style.norm, features))
    return [*layers, ACTIVATIONS[style.activation](out_features)]


class Residual(nn.Module):
    """activation(branch(x) + shortcut(x)) (He et al. 2016).

    `initialize` finds the end of the branch here. With maxout the activation stands inside the
    branch: max(a + x, b + x) = x + max(a, b), and the shortcut needs no doubling.
    """

    def __init__(self, branch: nn.Module, shortcut: nn.Module, activation: nn.Module):
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.activation = activation

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, C, H, W) -> maps of the branch's shape."""
        return self.activation(self.branch(maps) + self.shortcut(maps))


def residual(
    branch: list[nn.Module], in_channels: int, out_channels: int, stride: int, style: Style
) -> Residual:
    """A Residual block around `branch`, whose last convolution came from `branch_end`.

    The shortcut is the identity, or a 1x1 convolution where the shape changes (option B of He et
    al. 2016).
    """
    if stride == 1 and in_channels == out_channels:
        shortcut: nn.Module = nn.Identity()
    else:
        shortcut = nn.Sequential(
            *conv_layers(in_channels, out_channels, 1, style, stride=stride, activate=False)
        )
    if style.activation == "maxout":
        return Residual(nn.Sequential(*branch), shortcut, nn.Identity())
    activation = ACTIVATIONS[style.activation](out_channels)
    return Residual(nn.Sequential(*branch), shortcut, activation)


def branch_end(
    in_channels: int, out_channels: int, kernel_size: int, style: Style
) -> list[nn.Module]:
    """The last convolution of a residual branch with its norm, not yet activated."""
    activate = style.activation == "maxout"
    return conv_layers(in_channels, out_channels, kernel_size, style, activate=activate)


def features_of_maps(dropout: float) -> list[nn.Module]:
    """Global average pooling and dropout: (N, C, H, W) of any size -> (N, C)."""
    layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return [*layers, nn.Dropout(dropout)] if dropout > 0 else layers


class Network(nn.Module):
    """A stack of layers that ends in features (N, F), and the linear `head` that scores classes."""

    def __init__(self, layers: list[nn.Module], num_features: int, num_classes: int):
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(num_features, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W), preprocessed -> logits (N, num_classes)."""
        return self.head(self.layers(images))
