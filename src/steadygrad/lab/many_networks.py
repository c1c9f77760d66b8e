"""Hundreds of small networks trained at once, each with a rate and a weight decay of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from steadygrad.lab.short_runs import Study, pixels_and_labels
from steadygrad.preprocess import Preprocess

AT_ONCE = 256
"""Networks in one batched product: enough for speed, small enough for a cache."""


@dataclass(frozen=True)
class Trials:
    """Settings, one row a trial, and the validation accuracy each reached."""

    rates: np.ndarray
    decays: np.ndarray
    accuracies: np.ndarray

    def groups(self, size: int) -> np.ndarray:
        """Accuracies (n, size): consecutive trials belong to one search."""
        return self.accuracies.reshape(-1, size)


@dataclass(frozen=True)
class Problem:
    """Preprocessed pictures as vectors (N, D), and their labels."""

    inputs: Tensor
    labels: Tensor
    val_inputs: Tensor
    val_labels: Tensor


def problem_of(study: Study) -> Problem:
    """A study's pictures as vectors, centred and scaled by its training pictures."""
    preprocess = Preprocess.fit("channel-mean-std", study.train.pixels, study.train.indices)
    (pixels, labels), (val_pixels, val_labels) = map(pixels_and_labels, (study.train, study.val))
    return Problem(
        preprocess(pixels).flatten(1), labels, preprocess(val_pixels).flatten(1), val_labels
    )


def train_trials(
    problem: Problem,
    rates: np.ndarray,
    decays: np.ndarray,
    *,
    hidden: int,
    num_steps: int,
    seed: int,
) -> Trials:
    """Train one network a setting with plain SGD and score it on the validation pictures."""
    generator = torch.Generator().manual_seed(seed)
    parts = np.array_split(np.arange(len(rates)), max(1, math.ceil(len(rates) / AT_ONCE)))
    found = [
        _train_together(problem, rates[part], decays[part], hidden, num_steps, generator)
        for part in parts
    ]
    return Trials(rates, decays, np.concatenate(found))


def _train_together(
    problem: Problem,
    rates: np.ndarray,
    decays: np.ndarray,
    hidden: int,
    num_steps: int,
    generator: torch.Generator,
    batch_size: int = 32,
) -> np.ndarray:
    """One hidden ReLU layer, Kaiming; the sum of the losses trains all networks independently."""
    num, features = len(rates), problem.inputs.shape[1]
    num_classes = int(problem.labels.max()) + 1
    weights = [
        torch.randn(num, features, hidden, generator=generator) * math.sqrt(2 / features),
        torch.zeros(num, 1, hidden),
        torch.randn(num, hidden, num_classes, generator=generator) * math.sqrt(1 / hidden),
        torch.zeros(num, 1, num_classes),
    ]
    for tensor in weights:
        tensor.requires_grad_()
    lr, decay = (
        torch.tensor(values, dtype=torch.float32)[:, None, None] for values in (rates, decays)
    )
    for _ in range(num_steps):
        rows = torch.randint(len(problem.inputs), (batch_size,), generator=generator)
        logits = _forward(weights, problem.inputs[rows])
        targets = problem.labels[rows].repeat(num)
        loss = F.cross_entropy(logits.flatten(0, 1), targets, reduction="sum") / batch_size
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for tensor, gradient in zip(weights, gradients):
                penalty = decay * tensor if tensor.shape[1] > 1 else 0.0
                tensor -= lr * (gradient + penalty)
    with torch.no_grad():
        # A network whose numbers broke answers class 0: as good as guessing.
        logits = torch.nan_to_num(_forward(weights, problem.val_inputs), nan=0.0)
        return (logits.argmax(2) == problem.val_labels).float().mean(1).numpy()


def _forward(weights: list[Tensor], inputs: Tensor) -> Tensor:
    """Inputs (N, D) -> logits (networks, N, K)."""
    first, first_bias, second, second_bias = weights
    hidden = torch.relu(torch.einsum("nd,rdh->rnh", inputs, first) + first_bias)
    return hidden @ second + second_bias
