"""The schemes that look at a batch of the user's own data, layer by layer as it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from steadygrad.nn.initialize.draw import put_rows, rows_of
from steadygrad.nn.initialize.passes import Layers, Notes, Sample, as_in_training, call
from steadygrad.nn.initialize.patches import patch_whitening
from steadygrad.nn.order import Layer

TOLERANCE = 0.1
"""Mishkin, Matas 2015: how far the variance may be from 1 (their figure)."""
MAX_ITERATIONS = 10
"""Mishkin, Matas 2015. One is enough where a layer is linear in its weights."""
SMALLEST_STD = 1e-12
"""An output that varies less than this carries no signal to scale up."""
DAMPING = 0.5
"""Krähenbühl et al. 2015 take 0.25 and balance by moving scale to the next layer; scales set for
all layers at once, as here, allow larger steps: the log of a ratio halves each time."""
MAX_BALANCING = 12
NUM_PROBES = 4
"""Random linear functions the rates are averaged over; one alone is off by a quarter."""
BALANCED = 1.05
"""Largest rate of change by the smallest, at which balancing is over."""
NEVER_RAN = "not called by the model's forward pass as a layer: left as drawn"


def _at_each_layer(
    model: nn.Module, sample: Sample, layers: Layers, adjust: Callable[[str, Layer, Any], None]
) -> set[str]:
    """One forward pass; `adjust(name, layer, run)` at each layer's first call, as it comes.

    `run()` computes the layer's output anew, and what is behind the layer sees its last state.
    Returns the names of the layers that ran.
    """
    seen: set[str] = set()
    weights: set[int] = set()
    handles: list[Any] = []

    def hook_of(name: str) -> Callable[..., Tensor | None]:
        def hook(layer: Layer, args: Any, kwargs: Any, _: Any) -> Tensor | None:
            if name in seen:  # called again: the first call has set it
                return None
            seen.add(name)
            if id(layer.weight) in weights:
                return None
            weights.add(id(layer.weight))

            def run() -> Tensor:
                return layer.forward(*args, **kwargs)

            adjust(name, layer, run)
            return run()

        return hook

    for name, layer in layers.items():
        handles.append(layer.register_forward_hook(hook_of(name), with_kwargs=True))
    try:
        with torch.no_grad():
            call(model, sample)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def lsuv(model: nn.Module, sample: Sample, layers: Layers, _: Generator) -> Notes:
    """Scale each layer until its output has variance 1 (Mishkin, Matas 2015, algorithm 1).

    The weights come in orthonormal. One forward pass does it all: a layer is scaled when it runs,
    and the next one gets what it then puts out.
    """
    notes: Notes = {}

    def adjust(name: str, layer: Layer, run: Any) -> None:
        variance = math.nan
        for _ in range(MAX_ITERATIONS):
            variance = float(run().float().var(correction=0))
            if abs(variance - 1.0) < TOLERANCE:
                notes[name] = "output variance within 0.1 of 1"
                return
            if not SMALLEST_STD**2 < variance < math.inf:
                notes[name] = f"output variance {variance:.3g}: left as drawn"
                return
            put_rows(layer, rows_of(layer) / math.sqrt(variance))
        notes[name] = f"output variance {variance:.3g}: does not follow the weights' scale"

    with as_in_training(model):
        seen = _at_each_layer(model, sample, layers, adjust)
    return notes | {name: NEVER_RAN for name in layers if name not in seen}


def krahenbuhl(model: nn.Module, sample: Sample, layers: Layers, generator: Generator) -> Notes:
    """Every unit mean 0 and variance 1, then equal rates of change for all layers.

    Krähenbühl et al. 2015, algorithms 1 and 2, from Gaussian weights: the version without PCA and
    k-means. Where a chain of layers has activations that are not homogeneous, such as tanh, the
    second step is approximate, and what it costs in unit variance is the paper's own trade.
    """
    with as_in_training(model):
        seen = _at_each_layer(model, sample, layers, lambda _n, layer, run: _unit(layer, run()))
        ratio, rated = _balance(model, sample, layers, generator)
    notes: Notes = {}
    for name in layers:
        notes[name] = f"rate of change within a factor {ratio:.3g} of the other layers'"
        if name not in rated:
            notes[name] = "units normalised; no gradient of its own, so its rate is left alone"
        if name not in seen:
            notes[name] = NEVER_RAN
    return notes


def _moments(layer: Layer, output: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each unit over examples and positions."""
    spatial = 0 if isinstance(layer, nn.Linear) else len(layer.kernel_size)
    by_unit = output.float().movedim(output.dim() - 1 - spatial, 0).flatten(1)
    return by_unit.mean(1), by_unit.std(1, correction=0)


def _unit(layer: Layer, output: Tensor) -> None:
    """Algorithm 1: each unit of this layer gets mean 0 (where it has a bias) and variance 1."""
    mean, std = _moments(layer, output)
    std = torch.where((std > SMALLEST_STD) & std.isfinite(), std, 1.0)
    rows = rows_of(layer)
    put_rows(layer, rows / std.to(rows).view(-1, *[1] * (rows.dim() - 1)))
    if layer.bias is not None:
        layer.bias.copy_((layer.bias.float() - mean) / std)


def _centre(layer: Layer, output: Tensor) -> None:
    """Bring each unit's mean back to 0 where it has a bias."""
    if layer.bias is not None:
        layer.bias.sub_(_moments(layer, output)[0].to(layer.bias))


def _balance(
    model: nn.Module, sample: Sample, layers: Layers, generator: Generator
) -> tuple[float, set[str]]:
    """Algorithm 2: scale layers against each other until all change at the same rate.

    A layer of a homogeneous chain whose weights are multiplied by r changes 1 / r^2 times as fast,
    and as the product of all r is 1, the output stays. Biases follow by centring once more.
    """
    probes = _probes(model, sample, generator)
    rates: dict[str, float] = {}

    def settle(name: str, layer: Layer, run: Any) -> None:
        (_centre if name in rates else _unit)(layer, run())

    for count in range(MAX_BALANCING + 1):
        rates = change_rates(model, sample, layers, probes)
        if not rates:
            return 1.0, set()
        if max(rates.values()) < BALANCED * min(rates.values()) or count == MAX_BALANCING:
            break
        middle = sum(map(math.log, rates.values())) / len(rates)
        for name, rate in rates.items():
            factor = math.exp(DAMPING / 2 * (math.log(rate) - middle))
            put_rows(layers[name], rows_of(layers[name]) * factor)
        _at_each_layer(model, sample, layers, settle)
    return max(rates.values()) / min(rates.values()), set(rates)


def _outputs(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value] if value.requires_grad and value.is_floating_point() else []
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in _outputs(item)]
    return []


def _probes(model: nn.Module, sample: Sample, generator: Generator) -> list[list[Tensor]]:
    with torch.enable_grad():
        outputs = _outputs(call(model, sample))
    return [
        [torch.randn(o.shape, generator=generator).to(o) for o in outputs]
        for _ in range(NUM_PROBES if outputs else 0)
    ]


def change_rates(
    model: nn.Module, sample: Sample, layers: Layers, probes: list[list[Tensor]]
) -> dict[str, float]:
    """Gradient norm by weight norm of each layer, for a random linear function of the output.

    With a random direction of its own for each example the square of the batch's gradient is, in
    the mean, the sum of the examples' squares: the paper's rate but for a common factor. Layers
    whose weights are fixed, computed from others or out of the gradient's reach are left out.
    """
    chosen = {
        name: layer
        for name, layer in layers.items()
        if layer.weight.requires_grad and not parametrize.is_parametrized(layer, "weight")
    }
    if not chosen or not probes:
        return {}
    weights = [layer.weight for layer in chosen.values()]
    with torch.enable_grad():
        outputs = _outputs(call(model, sample))
    squares = dict.fromkeys(chosen, 0.0)
    for probe in probes:
        gradients = torch.autograd.grad(
            outputs, weights, probe, retain_graph=True, allow_unused=True
        )
        for name, gradient in zip(chosen, gradients, strict=True):
            if gradient is not None:
                squares[name] += float(gradient.float().square().sum())
    rates = {
        name: math.sqrt(squares[name]) / float(layer.weight.detach().float().norm() or math.inf)
        for name, layer in chosen.items()
    }
    return {name: rate for name, rate in rates.items() if 0.0 < rate < math.inf}


DATA_SCHEMES: dict[str, Callable[[nn.Module, Sample, Layers, Generator], Notes]] = {
    "lsuv": lsuv,
    "krahenbuhl": krahenbuhl,
    "patch-whitening": patch_whitening,
}
"""Schemes that need a sample: what they do after SCHEMES has drawn the weights."""
