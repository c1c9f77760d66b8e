"""What the loop remembers over an interruption, and small questions it asks between two steps."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch

from steadygrad.training_state import TrainingState

LOOKS = 20
"""Most often the validation pictures are scored in a run: each look costs a forward pass."""


@dataclass
class Progress:
    """What the loop must remember over an interruption, beside the TrainingState."""

    best_accuracy: float = -1.0
    best_step: int = 0
    improved_step: int = 0
    """The step of the last look that was better than all before; a tie is no progress."""
    loss_sum: float = 0.0
    loss_count: int = 0
    train_seconds: float = 0.0
    data_seconds: float = 0.0
    compute_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    num_images: int = 0
    stopped_early: bool = False
    repaired: list[str] = field(default_factory=list[str])
    """Rules whose faults were repaired; each is once at most."""


def look_is_due(state: TrainingState, patience: int = 0) -> bool:
    """Whether to score the validation pictures: at epoch ends, thinned out, and at the end.

    `patience`, in epochs, asks for looks at least that often.
    """
    if state.steps_left == 0:
        return True
    epochs = math.ceil(state.total_steps / state.steps_per_epoch)
    every = max(1, math.ceil(epochs / LOOKS))
    every = min(every, patience) if patience else every
    return state.step % (state.steps_per_epoch * every) == 0


def is_finite(state: TrainingState) -> bool:
    """Whether all weights and statistics of the network are numbers."""
    tensors = state.classifier.state_dict().values()
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def averaged(state: TrainingState) -> AbstractContextManager[None]:
    """A context in which the classifier has its averaged weights, if the run keeps any."""
    return state.average.applied(state.classifier) if state.average else nullcontext()
