"""Fold batch norms into the layers before them: the same answers with fewer operations."""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from collections.abc import Iterator

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from steadygrad.errors import SteadygradError

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
FOLDABLE = (*CONVS, *TRANSPOSED, nn.Linear)
AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
ADAPTIVE_POOLS = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
NOTHING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)  # in eval mode

Chain = list[str]


class _Tracer(fx.Tracer):
    """Stops at every module without children, our own included."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return super().is_leaf_module(m, module_qualified_name) or not any(m.children())


def fold(model: nn.Module, sample: Tensor | None = None) -> nn.Module:
    """A copy of `model` in eval mode with its batch norms folded into the layers before them.

    Only where that is exact: a norm straight after the layer, or with nothing but average pooling
    without padding, or max pooling and no negative scale, between them. Other batch norms stay.
    What follows what is read by torch.fx; of a model it can't read, only nn.Sequential parts are
    folded. With `sample`, an input batch, the copy is checked against the original; raises
    SteadygradError where they differ by more than rounding.

    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    >>> [type(layer).__name__ for layer in fold(network)]
    ['Conv2d', 'Identity', 'ReLU']
    """
    folded = copy.deepcopy(model).eval()
    try:
        chains = list(_traced_chains(folded))
    except Exception:  # any code may stand in a user's forward, and fail on fx's symbols
        chains = list(_sequential_chains(folded))
    for chain in chains:
        _fold_chain(folded, chain)
    if sample is not None:
        _check(model, folded, sample)
    return folded


def _traced_chains(model: nn.Module) -> Iterator[Chain]:
    """Modules called once each, one after the other, each output used by the next alone."""
    graph = _Tracer().trace(model)
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    shared = _shared_names(model)
    for node in graph.nodes:
        if node.op != "call_module" or not isinstance(model.get_submodule(node.target), FOLDABLE):
            continue
        chain, current = [str(node.target)], node
        while len(current.users) == 1:
            current = next(iter(current.users))
            if current.op != "call_module":
                break
            chain.append(str(current.target))
        if all(calls[name] == 1 and name not in shared for name in chain[:2]):
            yield list(itertools.takewhile(lambda n: calls[n] == 1 and n not in shared, chain))


def _sequential_chains(model: nn.Module) -> Iterator[Chain]:
    """Consecutive modules of each nn.Sequential whose forward is its own."""
    shared = _shared_names(model)
    for name, module in model.named_modules():
        if not isinstance(module, nn.Sequential) or type(module).forward != nn.Sequential.forward:
            continue
        names = [f"{name}.{child}" if name else child for child, _ in module.named_children()]
        for start, first in enumerate(names):
            if isinstance(model.get_submodule(first), FOLDABLE):
                yield list(itertools.takewhile(lambda n: n not in shared, names[start:]))


def _shared_names(model: nn.Module) -> set[str]:
    """Names of modules that stand in two places: changing them would change both."""
    by_module: dict[int, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        by_module.setdefault(id(module), []).append(name)
    return {name for names in by_module.values() if len(names) > 1 for name in names}


def _fold_chain(model: nn.Module, chain: Chain) -> None:
    """Fold the first batch norm of `chain` into its first module, if what is between allows it."""
    if not chain:
        return
    layer = model.get_submodule(chain[0])
    needs_positive_scale = False
    for name in chain[1:]:
        module = model.get_submodule(name)
        if isinstance(module, _BatchNorm):
            if _fits(layer, module, needs_positive_scale):
                model.set_submodule(chain[0], _fused(layer, module))
                model.set_submodule(name, nn.Identity())
            return
        if isinstance(module, MAX_POOLS):
            needs_positive_scale = True
        elif isinstance(module, AVERAGE_POOLS):
            if not _keeps_constants(module):
                return
        elif not isinstance(module, (*ADAPTIVE_POOLS, *NOTHING)):
            return


def _keeps_constants(pool: nn.Module) -> bool:
    """Whether the average of a constant is that constant: not with zeros averaged in."""
    padded = getattr(pool, "padding", 0) not in (0, (0,), (0, 0), (0, 0, 0))
    return not padded and getattr(pool, "divisor_override", None) is None


def _fits(layer: nn.Module, norm: _BatchNorm, needs_positive_scale: bool) -> bool:
    hooked = any(
        hooks
        for module in (layer, norm)
        for hooks in (module._forward_hooks, module._forward_pre_hooks)  # pyright: ignore
    )
    channels = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    if hooked or norm.running_mean is None or norm.num_features != channels:
        return False
    if isinstance(layer, TRANSPOSED) and layer.groups != 1:
        return False  # torch's fusion scales the wrong axis there
    if hasattr(layer, "parametrizations"):
        return False
    scale = norm.weight
    return not needs_positive_scale or scale is None or bool((scale >= 0).all())


def _fused(layer: nn.Module, norm: _BatchNorm) -> nn.Module:
    if isinstance(layer, nn.Linear):
        return fuse_linear_bn_eval(layer, norm)
    return fuse_conv_bn_eval(layer, norm, transpose=isinstance(layer, TRANSPOSED))  # pyright: ignore


@torch.no_grad()
def _check(model: nn.Module, folded: nn.Module, sample: Tensor) -> None:
    expected = copy.deepcopy(model).eval()(sample)
    worst = float((folded(sample) - expected).abs().max())
    if worst > 1e-3 * max(1.0, float(expected.abs().max())):
        raise SteadygradError(
            f"Folding the batch norms changed the outputs by {worst:.2g}; expected rounding only. "
            "Export without folding, and please report the network."
        )
