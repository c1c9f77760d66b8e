"""The runs of the batch-norm experiment: one network for each rate, scale and norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from steadygrad.lab.small_networks import Learned, Task, learn, plain_network, start

LEARNED = 0.6  # accuracy; a guess gets 0.1


@dataclass(frozen=True)
class Cell(Learned):
    """One training run: what came out, where the norm was, the rate, the scale of the start."""

    norm: str
    lr: float
    scale: float


def train_cell(task: Task, norm: str, lr: float, scale: float, values: dict[str, Any]) -> Cell:
    """Train one network; norm is "none", "batch" or "behind" (batch norm behind the ReLU)."""
    network = plain_network(
        task,
        values["depth"],
        values["width"],
        "none" if norm == "none" else "batch",
        norm_last=norm == "behind",
    )
    start(network, task, "kaiming-normal", values["seed"], scale)
    found = learn(network, task, num_steps=values["num_steps"], lr=lr, seed=values["seed"])
    return Cell(found.losses, found.accuracy, norm, lr, scale)


def learned_share(cells: list[Cell], norm: str) -> float:
    """The share of a norm's runs that learned."""
    own = [cell.accuracy >= LEARNED for cell in cells if cell.norm == norm]
    return sum(own) / len(own)
