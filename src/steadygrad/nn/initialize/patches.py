"""First-layer patch whitening for any network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from steadygrad.nn.initialize.draw import put_rows, rows_of
from steadygrad.nn.initialize.passes import Layers, Notes, Sample, as_in_training, call
from steadygrad.nn.order import Layer
from steadygrad.nn.whitening import PatchWhitening


def patch_whitening(model: nn.Module, sample: Sample, layers: Layers, _: Generator) -> Notes:
    """Set the first convolution's filters so that they whiten the patches of these pictures.

    The directions of largest variance, each over its standard deviation, then their negatives;
    filters beyond that stay as drawn. A PatchWhitening module is fitted as a whole.
    """
    notes: Notes = {}
    handles: list[Any] = []
    stems = [module for module in model.modules() if isinstance(module, PatchWhitening)]

    def fit_stem(stem: Any, args: Any) -> None:
        stem.fit(args[0].float())

    def fit_first(layer: Any, args: Any, name: str) -> None:
        if not notes and not stems:
            notes[name] = _whiten(layer, args[0].float())

    handles += [stem.register_forward_pre_hook(fit_stem) for stem in stems]
    for name, layer in layers.items():
        hook = lambda layer, args, name=name: fit_first(layer, args, name)  # noqa: E731
        handles.append(layer.register_forward_pre_hook(hook))
    try:
        with as_in_training(model), torch.no_grad():
            call(model, sample)
            fitted = [stem.weight.clone() for stem in stems]
    finally:
        for handle in handles:
            handle.remove()
    for stem, weight in zip(stems, fitted, strict=True):  # buffers were put back
        stem.weight.copy_(weight)
    return notes


def _whiten(layer: Layer, images: Tensor) -> str:
    plain = isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer.dilation == (1, 1)
    if not isinstance(layer, nn.Conv2d) or not plain or len(set(layer.kernel_size)) > 1:
        return "no plain square convolution, so no patches to whiten: drawn as by auto"
    size, units = layer.kernel_size[0], layer.out_channels
    wanted = min((units + 1) // 2, layer.in_channels * size**2)
    stem = PatchWhitening(layer.in_channels, size, num_components=wanted).fit(images)
    rows = rows_of(layer).clone()
    count = min(units, 2 * wanted)
    rows[:count] = stem.weight[:count].to(rows)
    put_rows(layer, rows)
    return f"{count} of {units} filters whiten the patches"
