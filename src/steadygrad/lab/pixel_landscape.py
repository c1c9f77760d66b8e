"""Softmax regression on pixels: how its loss curves, and what shaking its weights does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from steadygrad.lab.pictures import Pictures
from steadygrad.preprocess import Preprocess

RELATIVE_NOISE = 0.1
NUM_SHAKEN = 50


def pixels_by(kind: str, pictures: Pictures) -> Tensor:
    """The training pictures under one preprocessing, (N, D) float64."""
    preprocess = Preprocess.fit(kind, pictures.train)
    return preprocess(pictures.pixels()[0]).flatten(1).double()


def condition_of(inputs: Tensor) -> float:
    """Largest curvature of the squared error over the mean one, offset included.

    The smallest is 0 where a pixel never changes; over the mean, 1 is a ball whatever the rank.
    """
    wide = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=inputs.dtype)], 1)
    sizes = torch.linalg.eigvalsh(wide.T @ wide / len(wide))
    return float(sizes[-1] / sizes.mean())


def softmax_regression(inputs: Tensor, labels: Tensor, num_steps: int) -> tuple[Tensor, Tensor]:
    """Weights (D, classes) and offset (classes,) after gradient descent on all pictures.

    The rate is 1 / L, L half the largest eigenvalue of the inputs' second moments: the largest
    that is safe for any softmax regression (Böhning 1992).
    """
    wide = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=inputs.dtype)], 1)
    curvature = float(torch.linalg.eigvalsh(wide.T @ wide / len(wide))[-1])
    targets = F.one_hot(labels).double()
    weights = torch.zeros(wide.shape[1], targets.shape[1], dtype=inputs.dtype)
    for _ in range(num_steps):
        errors = torch.softmax(wide @ weights, 1) - targets
        weights -= 2 / curvature * (wide.T @ errors) / len(wide)
    return weights[:-1], weights[-1]


def loss_after(inputs: Tensor, labels: Tensor, values: dict[str, Any]) -> float:
    """Cross entropy of softmax regression on what it learned from."""
    weights, offset = softmax_regression(inputs, labels, values["num_steps"])
    return float(F.cross_entropy(inputs @ weights + offset, labels))


@dataclass(frozen=True)
class Shaken:
    """What a random 10 % change of the weights does to one classifier, in two forms."""

    answers_raw: float
    """Mean squared change of the logits where it reads raw pixels."""
    answers_centred: float
    answers_ratio_expected: float
    """E[w² x²] raw over centred, summed over pixels and classes: the noise is independent."""
    loss_raw: float
    """Mean size of the change of the loss."""
    loss_centred: float


def measure_sensitivity(pictures: Pictures, values: dict[str, Any]) -> Shaken:
    """Change every weight of ONE classifier by about 10 % at random.

    Learned on pixels without their mean image, then written for raw ones as well (same answers):
    weights / 255, and an offset less what the mean image gives.
    """
    labels = pictures.labels()[0]
    raw, centred = pixels_by("none", pictures), pixels_by("mean-image", pictures)
    weights, offset = softmax_regression(centred, labels, values["num_steps"])
    raw_weights = weights / 255
    raw_offset = offset + (centred[0] - raw[0] / 255) @ weights
    generator = torch.Generator().manual_seed(values["seed"])
    forms = ((raw, raw_weights, raw_offset), (centred, weights, offset))
    answers, losses = np.zeros(2), np.zeros(2)
    for _ in range(NUM_SHAKEN):
        noise = RELATIVE_NOISE * torch.randn(
            weights.shape, generator=generator, dtype=weights.dtype
        )
        for index, (x, w, b) in enumerate(forms):
            before = x @ w + b
            change = x @ (w * noise)
            answers[index] += float(change.square().mean()) / NUM_SHAKEN
            rise = F.cross_entropy(before + change, labels) - F.cross_entropy(before, labels)
            losses[index] += abs(float(rise)) / NUM_SHAKEN
    lever = [float((x.square().mean(0) @ w.square()).sum()) for x, w, _ in forms]
    return Shaken(
        float(answers[0]),
        float(answers[1]),
        lever[0] / lever[1],
        float(losses[0]),
        float(losses[1]),
    )
