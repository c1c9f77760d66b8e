"""The statistics of batch norms, measured anew for the weights as they are."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from steadygrad.modes import evaluation_mode


@torch.no_grad()
def refresh_norm_statistics(model: nn.Module, images: Iterable[Tensor]) -> int:
    """Measure the running statistics of all batch norms anew, for the present weights.

    `images` are batches as the model takes them; they should be training pictures. All count the
    same, and everything but the norms (dropout) is in evaluation mode meanwhile. Frozen norms, all
    of whose parameters need no gradient, keep theirs. Training flags are put back. Returns the
    number of norms measured; with none, or no batches, nothing changes.
    Source: Izmailov et al. 2018 (SWA), section 3.3, for averaged weights.

    >>> model = nn.Sequential(nn.BatchNorm2d(1))
    >>> refresh_norm_statistics(model, [torch.full((2, 1, 4, 4), 7.0)])
    1
    >>> float(model[0].running_mean)
    7.0
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and _is_refreshable(m)]
    batches = iter(images)
    first = next(batches, None) if norms else None
    if first is None:
        return 0
    momenta = [norm.momentum for norm in norms]
    try:
        with evaluation_mode(model):
            for norm in norms:
                norm.train()
                norm.reset_running_stats()
                norm.momentum = None  # torch's word for "the plain mean over all batches"
            for batch in chain([first], batches):
                model(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    return len(norms)


def _is_refreshable(norm: _BatchNorm) -> bool:
    own = list(norm.parameters(recurse=False))
    frozen = bool(own) and not any(parameter.requires_grad for parameter in own)
    return norm.track_running_stats and not frozen
