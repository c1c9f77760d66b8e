"""Real pictures for the experiments: those that lie on this machine, else digits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from steadygrad.images.source.known import find_known


@dataclass(frozen=True)
class Pictures:
    """Labelled pictures in two parts: pixels (N, H, W, C) uint8, labels (N,) int64."""

    name: str
    classes: tuple[str, ...]
    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray

    @property
    def about(self) -> str:
        """Which pictures they are, for the reader."""
        height, width = self.train.shape[1:3]
        score = f"{len(self.test)} to score, " if len(self.test) > 1 else ""  # one: none was asked
        return f"{self.name} ({len(self.train)} pictures to learn from, {score}{height}×{width})"

    def labels(self) -> tuple[Tensor, Tensor]:
        """The labels of both parts as tensors."""
        return torch.from_numpy(self.train_labels), torch.from_numpy(self.test_labels)

    def pixels(self) -> tuple[Tensor, Tensor]:
        """Both parts as uint8 tensors (N, C, H, W), what `Preprocess` takes."""
        return to_tensor(self.train), to_tensor(self.test)


def to_tensor(pixels: np.ndarray) -> Tensor:
    """(N, H, W, C) uint8 array → (N, C, H, W) tensor, contiguous."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def load_pictures(*names: str, num_train: int, num_test: int, seed: int = 0) -> Pictures:
    """Some pictures of the first set that lies on this machine; digits always do.

    Never downloads. A set's own train and test splits are kept; digits are cut 4 to 1.
    """
    for name in (*names, "digits"):
        source = find_known(name)
        if source is not None and source.arrays is not None:
            break
    else:
        raise AssertionError("digits come inside scikit-learn")
    order = np.random.default_rng([seed, 2]).permutation(len(source))
    splits = np.asarray(source.splits)[order]
    if not (splits == "test").any():  # one fixed cut: another seed must not mix the parts
        fixed = np.random.default_rng(20).permutation(len(source))
        splits = np.where(np.isin(order, fixed[: len(source) // 5]), "test", "train")
    train, test = order[splits != "test"][:num_train], order[splits == "test"][:num_test]
    labels = np.asarray(source.labels, np.int64)
    return Pictures(
        name,
        source.classes,
        np.asarray(source.arrays[train]),
        labels[train],
        np.asarray(source.arrays[test]),
        labels[test],
    )
