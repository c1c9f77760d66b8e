"""Mini-batches as a pure function of (seed, epoch, step)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from steadygrad.errors import InputError
from steadygrad.images.augment import Augmentation
from steadygrad.images.dataset import Subset
from steadygrad.images.randomness import generator

SMALLEST_SHARE = 0.25
"""A last batch under this share of a full one joins the batch before it: its batch statistics
and its gradient would be noise, and one picture alone breaks batch norm outright."""


@dataclass
class Batch:
    """One mini-batch, on the device."""

    images: torch.Tensor
    """(B, C, H, W) uint8, or float32 in [0, 255] where augmentation interpolates."""
    targets: torch.Tensor
    """(B,) int64 labels, or (B, K) float32 probabilities where pictures were mixed."""
    indices: torch.Tensor
    """(B,) int64: the pictures' places in the data."""


class Batches:
    """The training batches of a Subset: which pictures, in which order, changed how.

    Nothing is remembered between calls that changes an answer: `batch(epoch, step)` gives the
    same batch in any process, at any time, in any order of asking. That makes a resume exact.
    """

    def __init__(
        self,
        subset: Subset,
        batch_size: int,
        *,
        seed: int = 0,
        augment: Augmentation | None = None,
        num_classes: int,
        device: torch.device | str = "cpu",
    ) -> None:
        if len(subset) < 2:
            raise InputError(
                f"There are {len(subset)} training pictures; at least 2 are needed for a batch."
            )
        self.subset = subset
        self.batch_size = batch_size
        self.seed = seed
        self.augment = augment or Augmentation()
        self.num_classes = num_classes
        self.device = torch.device(device)
        self._bounds = batch_bounds(len(subset), batch_size)
        self._order: tuple[int, torch.Tensor] | None = None

    def __len__(self) -> int:
        """Number of steps in an epoch."""
        return len(self._bounds) - 1

    def order(self, epoch: int) -> torch.Tensor:
        """(n,) positions in the subset in the order of this epoch."""
        if self._order is None or self._order[0] != epoch:
            rng = generator(self.seed, "order", epoch)
            self._order = (epoch, torch.randperm(len(self.subset), generator=rng))
        return self._order[1]

    def batch(self, epoch: int, step: int) -> Batch:
        """The batch of one step of an epoch, both counted from 0."""
        positions = self.order(epoch)[self._bounds[step] : self._bounds[step + 1]]
        pixels = torch.from_numpy(self.subset.take(positions.numpy())).permute(0, 3, 1, 2)
        labels = torch.from_numpy(self.subset.labels_of(positions.numpy()))
        indices = torch.from_numpy(self.subset.indices)[positions]
        images, targets = self.augment(
            pixels.to(self.device, non_blocking=True),
            labels.to(self.device, non_blocking=True),
            indices,
            epoch=epoch,
            rng=generator(self.seed, "augment", epoch, step),
            num_classes=self.num_classes,
        )
        return Batch(images, targets, indices)


def batch_bounds(num_images: int, batch_size: int) -> list[int]:
    """Where each batch begins, and the end.

    >>> batch_bounds(10, 4), batch_bounds(9, 4), batch_bounds(3, 8)
    ([0, 4, 8, 10], [0, 4, 9], [0, 3])
    """
    bounds = [*range(0, num_images, batch_size), num_images]
    smallest = max(2.0, SMALLEST_SHARE * batch_size + 1e-9)
    if len(bounds) > 2 and bounds[-1] - bounds[-2] < smallest:
        del bounds[-2]
    return bounds
