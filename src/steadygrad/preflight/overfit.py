"""Twenty examples learned by heart: what can't do that can't learn anything."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadygrad.preflight.result import Check
from steadygrad.training_state import TrainingState
from steadygrad.trials import copied, undisturbed, without_dropout

EXAMPLES = 20
LEARNED = 0.05
"""Nats: cross entropy at which an example is known by heart."""
MOST_STEPS = 1500
FIRST_RATE = 0.02
RAISE, LOWER = 1.1, 0.5
"""The rate grows while the loss falls, and is halved (and the step taken back) when it rises."""
RISES = 1.05
"""A loss this many times the lowest so far is a rise; less is the rounding of a good step."""
SMALLEST_RATE = 1e-8


@dataclass(frozen=True)
class Overfit:
    """How it went."""

    loss: float
    accuracy: float
    steps: int
    rate: float
    """The largest one a step was taken with."""
    first_loss: float


def overfit(state: TrainingState, pixels: Tensor, labels: Tensor, seconds: float) -> Overfit:
    """Train a copy on these pictures alone: full batches, plain SGD, nothing against overfitting.

    No momentum, decay, smoothing, dropout or augmentation. The rate finds itself: a step that
    raises the loss is taken back and tried with half of it.
    """
    with undisturbed():
        classifier = without_dropout(copied(state))
        weights: list[Tensor] = [
            tensor for tensor in classifier.parameters() if tensor.requires_grad
        ]
        inputs = pixels.to(state.device)
        targets = labels.to(state.device)
        return _descend(classifier, weights, (inputs, targets), seconds)


def _descend(
    classifier: nn.Module, weights: list[Tensor], batch: tuple[Tensor, Tensor], seconds: float
) -> Overfit:
    images, labels = batch
    rate, largest, began = FIRST_RATE, 0.0, time.monotonic()
    first, accuracy, gradients = _evaluate(classifier, weights, images, labels)
    loss, lowest, steps = first, first, 0
    with torch.no_grad():
        while steps < MOST_STEPS and time.monotonic() - began < seconds:
            if (loss < LEARNED and accuracy == 1.0) or rate < SMALLEST_RATE or not gradients:
                break
            before = [tensor.clone() for tensor in weights]
            torch._foreach_add_(weights, gradients, alpha=-rate)
            new, new_accuracy, new_gradients = _evaluate(classifier, weights, images, labels)
            steps += 1
            if not math.isfinite(new) or new > RISES * lowest:
                torch._foreach_copy_(weights, before)
                rate *= LOWER
                continue
            largest = max(largest, rate)
            loss, accuracy, gradients = new, new_accuracy, new_gradients
            lowest = min(lowest, loss)
            rate *= RAISE
    return Overfit(loss, accuracy, steps, largest, first)


def _evaluate(
    classifier: nn.Module, weights: list[Tensor], images: Tensor, labels: Tensor
) -> tuple[float, float, list[Tensor]]:
    """Loss and accuracy on the batch, and the gradients of its loss (none: no way down)."""
    with torch.enable_grad():
        # Dropout written as a function, and whatever else is random, draws the same each time.
        torch.manual_seed(0)
        logits = classifier(images).float()
        loss = F.cross_entropy(logits, labels)
        if not loss.requires_grad or not weights:
            return float(loss), float((logits.argmax(1) == labels).float().mean()), []
        found = torch.autograd.grad(loss, weights, allow_unused=True)
    gradients = [torch.zeros_like(w) if g is None else g for g, w in zip(found, weights)]
    return float(loss.detach()), float((logits.argmax(1) == labels).float().mean()), gradients


def check_overfit(state: TrainingState, pixels: Tensor, labels: Tensor, seconds: float) -> Check:
    """Whether a few examples are learned by heart, to a loss near 0 and all of them right."""
    done = overfit(state, pixels, labels, seconds)
    name = f"{len(labels)} examples"
    saw = (
        f"loss {done.first_loss:.2f} → {done.loss:.3f}, {done.accuracy:.0%} right after "
        f"{done.steps} steps of plain SGD (rates up to {done.rate:.2g})"
    )
    numbers = vars(done).copy()
    if done.loss < LEARNED and done.accuracy == 1.0:
        means = "Network, loss and gradients fit together."
        return Check(name, "pass", saw, means, "", numbers)
    if done.steps >= MOST_STEPS or done.loss > 0.5 * done.first_loss or done.rate == 0.0:
        means = "It can't learn a handful by heart: network, loss or labels are wrong, not the rate"
        fix = "--init auto, and look at the network's last layer and at the labels"
        return Check(name, "fail", saw, f"{means}.", fix, numbers)
    means = "It learns them, but had not the time to know them by heart."
    return Check(name, "warn", saw, means, "steadygrad check … --seconds 180", numbers)
