"""Trying things on copies: whatever happens inside, the run itself is as it was."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from steadygrad.training_state import TrainingState


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put every global generator of random numbers (Python's, numpy's, torch's) back at the end."""
    python, numbers = random.getstate(), np.random.get_state()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)


def copied(state: TrainingState) -> nn.Module:
    """A deep copy of the state's classifier, in training mode, with no gradients."""
    classifier = copy.deepcopy(state.classifier)
    classifier.zero_grad(set_to_none=True)
    return classifier.train()


def without_dropout(classifier: nn.Module) -> nn.Module:
    """The same classifier with every dropout module switched off."""
    for module in classifier.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):  # pyright: ignore[reportPrivateUsage]
            module.p = 0.0
    return classifier
