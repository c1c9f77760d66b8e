"""Facts about convolutional layers, measured: sizes, matrix, shifts, heads for any picture."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadygrad.models.plain import vgg
from steadygrad.nn.initialize import initialize

OTHER_SIZES = ((17, 17), (32, 32), (48, 48), (33, 57))


def count_layers(channels: int, size: int, filters: int, kernel: int) -> list[dict[str, Any]]:
    """Weights and connections of a convolution, and of the dense layer between the same tensors."""
    inputs, outputs = channels * size**2, filters * size**2
    with torch.device("meta"):  # the dense layer would not fit into memory
        layers = {
            "convolution": nn.Conv2d(channels, filters, kernel, padding=kernel // 2),
            "fully connected": nn.Linear(inputs, outputs),
        }
    # Along one side, offset d of the kernel meets size - |d| places; the rest is padding.
    meetings = sum(size - abs(offset) for offset in range(-(kernel // 2), kernel // 2 + 1))
    connections = {
        "convolution": meetings**2 * channels * filters,
        "fully connected": inputs * outputs,
    }
    return [
        {
            "layer": name,
            "inputs": inputs,
            "outputs": outputs,
            "parameters": sum(parameter.numel() for parameter in layer.parameters()),
            "connections": connections[name],
        }
        for name, layer in layers.items()
    ]


def as_matrix(layer: nn.Conv2d, channels: int, size: int) -> Tensor:
    """The convolution, without its bias, as the matrix (outputs, inputs) of a dense layer.

    Column by column: what the layer makes of a picture with one pixel lit.
    """
    lit = torch.eye(channels * size**2).reshape(-1, channels, size, size)
    with torch.no_grad():
        answers = F.conv2d(lit, layer.weight, padding=layer.padding)  # pyright: ignore
    return answers.flatten(1).T.contiguous()


def matrix_facts(matrix: Tensor, layer: nn.Conv2d, inputs: Tensor) -> dict[str, float]:
    """How sparse the matrix is, how many numbers it repeats, and how far from the layer."""
    with torch.no_grad():
        dense = inputs.flatten(1) @ matrix.T
        direct = F.conv2d(inputs, layer.weight, padding=layer.padding).flatten(1)  # pyright: ignore
    return {
        "connections": int((matrix != 0).sum()),
        "different weights": len(torch.unique(matrix[matrix != 0])),
        "difference": relative_difference(dense, direct),
    }


def relative_difference(first: Tensor, second: Tensor) -> float:
    """Root mean square of the difference over that of the second."""
    return float((first - second).detach().norm() / second.detach().norm())


@torch.no_grad()
def shift_errors(
    inputs: Tensor, filters: int, shift: tuple[int, int], seed: int
) -> dict[str, float]:
    """layer(shifted picture) against shifted layer(picture), relative, for several layers."""
    channels, size = inputs.shape[1], inputs.shape[2]
    torch.manual_seed(seed)
    layers: dict[str, nn.Module] = {
        "convolution, circular border": nn.Conv2d(
            channels, filters, 3, padding=1, padding_mode="circular"
        ),
        "convolution, zero border": nn.Conv2d(channels, filters, 3, padding=1),
        "fully connected": nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * size**2, filters * size**2, bias=False),
            nn.Unflatten(1, (filters, size, size)),
        ),
    }

    def moved(maps: Tensor) -> Tensor:
        return maps.roll(shift, (2, 3))

    errors = {
        name: relative_difference(layer(moved(inputs)), moved(layer(inputs)))
        for name, layer in layers.items()
    }
    zero = layers["convolution, zero border"]
    margin = 1 + max(map(abs, shift))  # what the border or the wrapping has touched
    inner = (..., slice(margin, -margin), slice(margin, -margin))
    errors["convolution, zero border, inside"] = relative_difference(
        zero(moved(inputs))[inner], moved(zero(inputs))[inner]
    )
    circular = layers["convolution, circular border"]
    errors["circular, then global average"] = relative_difference(
        circular(moved(inputs)).mean((2, 3)), circular(inputs).mean((2, 3))
    )
    return errors


@torch.no_grad()
def stride_errors(inputs: Tensor, seed: int) -> dict[int, float]:
    """The same for a circular convolution of stride 2: shifts of 1 … 4 pixels → relative error.

    A shift by an even number s moves the maps by s / 2; an odd one falls between two places.
    """
    even = inputs.shape[2] // 2 * 2
    inputs = inputs[..., :even, :even]
    torch.manual_seed(seed)
    layer = nn.Conv2d(inputs.shape[1], 8, 3, stride=2, padding=1, padding_mode="circular")
    return {
        shift: relative_difference(
            layer(inputs.roll(shift, 3)), layer(inputs).roll(round(shift / 2), 3)
        )
        for shift in (1, 2, 3, 4)
    }


class FullyConvolutional(nn.Module):
    """A network with global pooling and a linear head, as convolutions only: a score per place."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        layers = list(network.get_submodule("layers").children())
        head: Any = network.get_submodule("head")
        end = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.AdaptiveAvgPool2d))
        self.maps = nn.Sequential(*layers[:end])
        self.scores = nn.Conv2d(head.in_features, head.out_features, 1)
        with torch.no_grad():
            self.scores.weight.copy_(head.weight[:, :, None, None])
            self.scores.bias.copy_(head.bias)  # pyright: ignore[reportOptionalMemberAccess]

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) of any size -> scores (N, K, h, w)."""
        return self.scores(self.maps(images))


@torch.no_grad()
def head_differences(inputs: Tensor, seed: int) -> list[dict[str, Any]]:
    """Mean of the 1×1 head's score map against pooling then the linear head, by picture size.

    Also whether a network that flattens its maps, built for the pictures' own size, takes them.
    """
    channels, size = inputs.shape[1], inputs.shape[2]
    draws = torch.Generator().manual_seed(seed)
    network = vgg(10, channels, depth=4, width=8, norm="batch").eval()
    initialize(network, "kaiming-normal", generator=draws)
    convolutional = FullyConvolutional(network).eval()
    flattening = nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1), nn.Flatten(), nn.Linear(8 * size**2, 10)
    )
    rows: list[dict[str, Any]] = []
    for height, width in ((size, size), *OTHER_SIZES):
        pictures = F.interpolate(inputs, (height, width), mode="bilinear", antialias=True)
        scores = convolutional(pictures)
        rows.append(
            {
                "picture": f"{height}×{width}",
                "score map": f"{scores.shape[2]}×{scores.shape[3]}",
                "difference": relative_difference(scores.mean((2, 3)), network(pictures)),
                "a flattening head takes it": takes(flattening, pictures),
            }
        )
    return rows


def takes(network: nn.Module, pictures: Tensor) -> bool:
    """Whether the network accepts pictures of this size."""
    try:
        network(pictures)
    except RuntimeError:
        return False
    return True


@torch.no_grad()
def one_by_one_difference(inputs: Tensor, seed: int) -> float:
    """A 1×1 convolution against the same linear layer at every pixel."""
    torch.manual_seed(seed)
    linear = nn.Linear(inputs.shape[1], 5)
    by_pixel = linear(inputs.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    weight = linear.weight[:, :, None, None]
    return relative_difference(F.conv2d(inputs, weight, linear.bias), by_pixel)
