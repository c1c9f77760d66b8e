"""Whether the units of a layer are one unit many times: spread, rank, and a network to try."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from steadygrad.nn.activations import ACTIVATIONS

RANK_FLOOR = 1e-6  # singular values below this share of the largest are rounding


def unit_spread(weight: Tensor) -> float:
    """The largest difference between a layer's units, as a share of its largest weight.

    >>> unit_spread(torch.ones(3, 4)), unit_spread(torch.eye(2))
    (0.0, 1.0)
    """
    rows = weight.detach().flatten(1)
    size = float(rows.abs().max())
    return float((rows - rows[:1]).abs().max()) / size if size > 0 else 0.0


def hidden_rank(outputs: Tensor) -> int:
    """How many different things a layer's units (N, units) say: the rank over the examples.

    >>> hidden_rank(torch.tensor([[1.0, 1.0], [2.0, 2.0]]))
    1
    """
    singular = torch.linalg.svdvals(outputs.double())
    return int((singular > RANK_FLOOR * singular[0]).sum()) if float(singular[0]) > 0 else 0


@dataclass(frozen=True)
class Network:
    """Two hidden layers and a head, in float64: rounding must not break a symmetry."""

    whole: nn.Sequential
    hidden: dict[str, nn.Linear]

    def weights(self) -> dict[str, Tensor]:
        """A copy of the hidden layers' weights."""
        return {name: layer.weight.detach().clone() for name, layer in self.hidden.items()}

    @torch.no_grad()
    def ranks(self, inputs: Tensor) -> dict[str, int]:
        """The rank of what each hidden layer puts out."""
        return {
            name: hidden_rank(self.whole[: 2 * number](inputs))
            for number, name in enumerate(self.hidden, start=1)
        }


def new_network(inputs: int, width: int, activation: str, classes: int) -> Network:
    """Two hidden layers of `width` units with torch's own weights."""
    first, second = nn.Linear(inputs, width), nn.Linear(width, width)
    functions = (ACTIVATIONS[activation](width) for _ in range(2))
    whole = nn.Sequential(
        first, next(functions), second, next(functions), nn.Linear(width, classes)
    ).double()
    return Network(whole, {"hidden 1": first, "hidden 2": second})


def label_entropy(labels: Tensor) -> float:
    """The loss in nats of who knows how frequent the classes are and nothing else.

    >>> round(label_entropy(torch.tensor([0, 1])), 4)
    0.6931
    """
    shares = torch.bincount(labels).double() / len(labels)
    return float(-(shares[shares > 0] * shares[shares > 0].log()).sum())
