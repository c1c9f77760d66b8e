"""Before the first update: what goes into the network, and what the loss begins at."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from steadygrad.preflight.result import Check, Status
from steadygrad.training_state import TrainingState

FAR, NARROW, WIDE = 1.0, 0.2, 5.0
"""|mean| and std per channel that training still does well with; 0 and 1 is what is aimed at."""
LARGE, BROAD = 20.0, 10.0
"""Largest |x| and std of inputs that ruin the first updates: raw pixels have 255 and 60 to 95."""
CONSTANT = 1e-6
LOSS_BAND = (0.8, 1.25)
LOSS_ERROR = (0.5, 2.0)
"""Times the loss of guessing, as rule loss-at-init has them."""
CRANKED = 10.0
"""Regularisation is raised this many times to see the loss follow."""
TRIAL_DECAY = 5e-4
"""Decay tried where the recipe has none: the sum must be right before it is needed."""


@torch.no_grad()
def check_inputs(state: TrainingState, pixels: Tensor) -> Check:
    """Per channel mean and std of what the network gets, for `pixels` (n, C, H, W) uint8."""
    preprocess = state.classifier.get_submodule("preprocess")
    inputs = preprocess(pixels.to(state.device)).float()
    means = inputs.mean((0, 2, 3)).tolist()
    stds = inputs.std((0, 2, 3), correction=0).tolist()
    largest = float(inputs.abs().max())
    between = float((inputs - inputs[:1]).abs().max())
    numbers = {"means": means, "stds": stds, "largest": largest, "pictures": len(pixels)}
    shown = ", ".join(f"{mean:.2f} ± {std:.2f}" for mean, std in zip(means, stds))
    saw = f"mean ± std per channel {shown}, largest {largest:.3g} ({len(pixels)} pictures)"
    status, means_text, fix = _judge_inputs(means, stds, largest, between)
    return Check("inputs", status, saw, means_text, fix, numbers)


def _judge_inputs(
    means: list[float], stds: list[float], largest: float, between: float
) -> tuple[Status, str, str]:
    retry = "--preprocess channel-mean-std"
    if not all(map(math.isfinite, [*means, *stds])):
        return "fail", "Inputs are no numbers.", retry
    if between <= CONSTANT or max(stds) <= CONSTANT:
        return "fail", "All pictures look the same to the network.", "Look at the picture files."
    if min(stds) <= CONSTANT:
        return "warn", "A channel says nothing: the same everywhere.", "--channels 1"
    if max(stds) > BROAD or (largest > LARGE and max(stds) > WIDE):
        return "fail", "Far too large: the first updates ruin the first layer.", retry
    if max(map(abs, means)) > FAR or not NARROW <= min(stds) <= max(stds) <= WIDE:
        return "warn", "Neither near mean 0 nor of size 1: training is slower than it must.", retry
    return "pass", "Centred and scaled, as a network wants it.", ""


def check_loss(loss: float, guess: float, num_classes: int) -> Check:
    """The plain cross entropy before training, against that of guessing (`guess` nats)."""
    uniform = math.log(num_classes)
    high, low = loss / uniform, loss / min(guess, uniform)
    saw = f"{loss:.3f} without regularisation; guessing among {num_classes} gives {uniform:.3f}"
    numbers = {"loss": loss, "uniform_loss": uniform, "ratio": high}
    if not math.isfinite(loss):
        means = "The network's first answers are no numbers."
        return Check("loss at the start", "fail", saw, means, "--init auto", numbers)
    if LOSS_BAND[0] <= low and high <= LOSS_BAND[1]:
        means = "The network knows nothing yet and says so."
        return Check("loss at the start", "pass", saw, means, "", numbers)
    status: Status = "fail" if low < LOSS_ERROR[0] or high > LOSS_ERROR[1] else "warn"
    if high > LOSS_BAND[1]:
        means = "Large, confident, wrong answers: weights or inputs are too large."
        fix = "--init auto --preprocess channel-mean-std"
        return Check("loss at the start", status, saw, means, fix, numbers)
    means = "Better than guessing before it has learned: it was told, or has learned already."
    return Check("loss at the start", status, saw, means, "Look for labels in the inputs.", numbers)


@torch.no_grad()
def check_regularised(
    state: TrainingState, logits: Tensor, labels: Tensor, label_smoothing: float
) -> Check:
    """Whether weight decay (as its L2 penalty) and label smoothing raise the loss.

    `logits` (n, K) are the untrained network's. The penalty is half the decay times the sum of the
    squared weights, over the tensors the optimizer decays.
    """
    plain = float(F.cross_entropy(logits, labels))
    smoothed = float(F.cross_entropy(logits, labels, label_smoothing=label_smoothing))
    penalty, decay = _penalty(state)
    trial = decay == 0
    if trial:
        penalty = 0.5 * TRIAL_DECAY * _squares(state)
    total, cranked = smoothed + penalty, smoothed + CRANKED * penalty
    what = f"decay {decay:g}" if not trial else f"a trial decay of {TRIAL_DECAY:g}"
    saw = (
        f"{plain:.3f} → {total:.3f} with {what} and smoothing {label_smoothing:g}, "
        f"{cranked:.3f} with {CRANKED:g} times the decay"
    )
    numbers = {"plain": plain, "smoothed": smoothed, "penalty": penalty, "cranked": cranked}
    if not all(map(math.isfinite, numbers.values())):
        means, fix = "The loss or the weights are no numbers.", "--init auto"
        return Check("loss with regularisation", "fail", saw, means, fix, numbers)
    # Smoothing alone may lower a first loss that is a little over that of guessing.
    if penalty > 0 and cranked > plain:
        means = "It rises with regularisation, as it must."
        return Check("loss with regularisation", "pass", saw, means, "", numbers)
    means = "Decay adds nothing to the loss: the weights it pulls on are all zero."
    return Check("loss with regularisation", "warn", saw, means, "--init auto", numbers)


def _penalty(state: TrainingState) -> tuple[float, float]:
    groups = [group for group in state.optimizer.param_groups if group.get("weight_decay", 0) > 0]
    penalty = sum(
        0.5 * group["weight_decay"] * float(tensor.float().square().sum())
        for group in groups
        for tensor in group["params"]
    )
    return penalty, max((group["weight_decay"] for group in groups), default=0.0)


def _squares(state: TrainingState) -> float:
    tensors = [tensor for tensor in state.classifier.parameters() if tensor.dim() > 1]
    return sum(float(tensor.float().square().sum()) for tensor in tensors)
