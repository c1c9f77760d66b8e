"""Evaluation mode for a while, with every training flag put back exactly as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put `model` in evaluation mode inside a `with`; afterwards each module has its own flag back.

    `model.train()` would instead wake the norms of a frozen backbone.

    >>> model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2))
    >>> _ = model[0].eval()
    >>> with evaluation_mode(model):
    ...     model.training
    False
    >>> model.training, model[0].training
    (True, False)
    """
    flags = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in flags:
            module.training = training
