"""How well a classifier does on a set of pictures: accuracy, per class, confusion, calibration."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadygrad.errors import InputError, choose
from steadygrad.modes import evaluation_mode

NUM_BINS = 15
"""Bins of equal width over the confidence, as in Guo et al. 2017."""
Z_95 = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""


class SubsetLike(Protocol):
    """What evaluation needs of the data (`images.dataset.Subset`)."""

    def __len__(self) -> int:
        """Number of pictures."""
        ...

    def take(self, positions: np.ndarray) -> np.ndarray:
        """Pixels (n, H, W, C) uint8 at these positions."""
        ...

    def labels_of(self, positions: np.ndarray) -> np.ndarray:
        """Labels (n,) int64 at these positions."""
        ...


@dataclass
class Evaluation:
    """What a classifier answered on a set of pictures, and how often it was right."""

    loss: float
    """Mean cross entropy, without smoothing or class weights."""
    accuracy: float
    num_images: int
    probabilities: np.ndarray
    """(N, K) float32, rows in the order of the subset."""
    labels: np.ndarray
    """(N,) int64."""
    confusion: np.ndarray
    """(K, K) int64: pictures by [true class, predicted class]."""
    recall: np.ndarray
    """(K,) float64: share of a class's pictures recognised; nan for a class without any."""
    precision: np.ndarray
    """(K,) float64: share of the answers "this class" that were right; nan for one never given."""
    calibration: list[dict[str, float]]
    """One row per bin of confidence: low, high, count, accuracy, confidence (nan where empty)."""
    expected_calibration_error: float
    """Mean gap between confidence and accuracy over the bins, weighted by their pictures."""
    accuracy_interval: tuple[float, float]
    """Wilson's 95 % interval for the accuracy on pictures like these."""

    @property
    def predictions(self) -> np.ndarray:
        """(N,) int64: the class given to each picture."""
        return self.probabilities.argmax(axis=1)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall over the classes that have pictures."""
        return float(np.nanmean(self.recall))

    def to_dict(self) -> dict[str, Any]:
        """The numbers for summary.json and the report, without those per picture."""
        return {
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "balanced_accuracy": self.balanced_accuracy,
            "loss": self.loss,
            "num_images": self.num_images,
            "expected_calibration_error": self.expected_calibration_error,
            "recall": self.recall.tolist(),
            "precision": self.precision.tolist(),
            "confusion": self.confusion.tolist(),
            "calibration": self.calibration,
        }


def evaluate(
    classifier: nn.Module, subset: SubsetLike, batch_size: int = 256, *, precision: str = "fp32"
) -> Evaluation:
    """Ask `classifier` about every picture of `subset` and compare with the labels.

    Runs in evaluation mode and in fp32 (the answers the exported file must give), or with
    `precision="bf16"` faster and less exactly. Nothing in the classifier changes: training flags,
    norm statistics and torch's generators stay as they were. Raises InputError for no pictures.
    """
    if len(subset) == 0:
        raise InputError("There is no picture to evaluate on; give that split some.")
    bf16 = choose("precision", precision, {"fp32": False, "bf16": True})
    device = next(classifier.parameters()).device
    parts: list[Tensor] = []
    labels = np.concatenate([labels for _, labels in _chunks(subset, batch_size, pixels=False)])
    with evaluation_mode(classifier), torch.inference_mode():
        for pixels, _ in _chunks(subset, batch_size):
            images = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device, non_blocking=True)
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
                logits = classifier(images)
            parts.append(logits.float().cpu())
    return score(torch.cat(parts), labels)


def score(logits: Tensor, labels: np.ndarray) -> Evaluation:
    """Compare logits (N, K) with labels (N,): everything an Evaluation holds.

    >>> found = score(torch.tensor([[2.0, 0.0], [0.0, 2.0], [3.0, 0.0]]), np.array([0, 1, 1]))
    >>> round(found.accuracy, 3), found.recall.tolist(), found.confusion.tolist()
    (0.667, [1.0, 0.5], [[1, 0], [1, 1]])
    """
    labels = np.asarray(labels, dtype=np.int64)
    num_images, num_classes = logits.shape
    if labels.min() < 0 or labels.max() >= num_classes:
        raise InputError(
            f"Labels run from {labels.min()} to {labels.max()}; the classifier knows classes 0 to "
            f"{num_classes - 1}. Evaluate on pictures of its own classes."
        )
    probabilities = F.softmax(logits, dim=1).numpy()
    predictions = probabilities.argmax(axis=1)
    cells = np.bincount(labels * num_classes + predictions, minlength=num_classes**2)
    confusion = cells.reshape(num_classes, num_classes)
    right = predictions == labels
    bins = calibration_bins(probabilities.max(axis=1), right)
    filled = [row for row in bins if row["count"]]
    gaps = [row["count"] * abs(row["accuracy"] - row["confidence"]) for row in filled]
    return Evaluation(
        loss=float(F.cross_entropy(logits.double(), torch.from_numpy(labels))),
        accuracy=float(right.mean()),
        num_images=num_images,
        probabilities=probabilities,
        labels=labels,
        confusion=confusion,
        recall=_share(confusion.diagonal(), confusion.sum(axis=1)),
        precision=_share(confusion.diagonal(), confusion.sum(axis=0)),
        calibration=bins,
        expected_calibration_error=float(sum(gaps) / num_images),
        accuracy_interval=wilson_interval(int(right.sum()), num_images),
    )


def wilson_interval(num_right: int, num_images: int, z: float = Z_95) -> tuple[float, float]:
    """Where the true accuracy lies with 95 % confidence, after `num_right` of `num_images`.

    Unlike accuracy ± 2 standard errors it stays in [0, 1] and is not empty at 100 %.
    Source: Wilson 1927.

    >>> low, high = wilson_interval(9, 10)
    >>> round(low, 3), round(high, 3)
    (0.596, 0.982)
    """
    share = num_right / num_images
    scale = 1.0 + z * z / num_images
    centre = (share + z * z / (2 * num_images)) / scale
    spread = share * (1.0 - share) / num_images + z * z / (4.0 * num_images**2)
    half = z / scale * math.sqrt(spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def calibration_bins(
    confidences: np.ndarray, right: np.ndarray, num_bins: int = NUM_BINS
) -> list[dict[str, float]]:
    """Sort answers by confidence into bins (low, high] and measure each bin's accuracy.

    `confidences` (N,) are the probabilities of the answers given, `right` (N,) bool.
    Source: Guo et al. 2017, section 2.

    >>> rows = calibration_bins(np.array([0.9, 0.95]), np.array([True, False]), num_bins=2)
    >>> rows[1]["count"], rows[1]["accuracy"]
    (2, 0.5)
    """
    edges = np.linspace(0.0, 1.0, num_bins + 1)
    places = np.clip(np.ceil(confidences * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    rows: list[dict[str, float]] = []
    for index in range(num_bins):
        inside = places == index
        count = int(inside.sum())
        rows.append(
            {
                "low": float(edges[index]),
                "high": float(edges[index + 1]),
                "count": count,
                "accuracy": float(right[inside].mean()) if count else math.nan,
                "confidence": float(confidences[inside].mean()) if count else math.nan,
            }
        )
    return rows


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), math.nan), where=whole > 0)


def _chunks(
    subset: SubsetLike, batch_size: int, pixels: bool = True
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for begin in range(0, len(subset), batch_size):
        positions = np.arange(begin, min(begin + batch_size, len(subset)))
        taken = subset.take(positions) if pixels else np.empty(0, dtype=np.uint8)
        yield taken, subset.labels_of(positions)
