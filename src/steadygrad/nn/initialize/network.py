"""A whole network: every layer drawn by a scheme, norms and biases reset, the rest named."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from steadygrad.errors import InputError, choose
from steadygrad.nn.activations import PRELU_START, gain
from steadygrad.nn.initialize.data import DATA_SCHEMES
from steadygrad.nn.initialize.draw import SCHEMES, Draw, fans, groups_of, put_rows, rows_of
from steadygrad.nn.initialize.passes import Sample
from steadygrad.nn.norms import is_norm
from steadygrad.nn.order import Layer, branch_ends, following_activations, head_name, layers_of

HEAD_LOGIT_STD = 0.1  # of the first logits, for features of size 1: the loss starts 0.005 over ln C
EQUAL_ROWS = 1e-6  # rows that differ by less, relative to the largest weight, are the same unit
LIKE_AUTO = ("auto", "patch-whitening")
"""Schemes under which residual branches and the head start small."""


@dataclass(frozen=True)
class LayerInit:
    """What one layer was given; `std` is that of the weights as drawn, `gain` what was aimed at."""

    name: str
    kind: str
    fan_in: int
    fan_out: int
    activation: str
    gain: float
    std: float
    scheme: str
    note: str = ""
    """What a scheme that looks at data did here, or why the layer was left alone."""


@torch.no_grad()
def initialize(
    model: nn.Module,
    scheme: str = "auto",
    *,
    std: float = 0.01,
    generator: Generator | None = None,
    sample: Sample | None = None,
) -> list[LayerInit]:
    """Draw every weight of `model` by `scheme` and say what each layer was given.

    Layers are linear ones and convolutions, transposed ones too; `left_alone` names the rest.
    Biases become 0, norms 1 and 0, PReLU slopes 0.25. `std` serves "normal" and, as the value,
    "constant". Kaiming schemes use the gain of the activation that follows the layer; `sample`, an
    input batch, lets one forward pass find it where functions stand for modules. "lsuv",
    "krahenbuhl" and "patch-whitening" measure on `sample` and need it. "auto" is
    kaiming-normal, and besides: the head starts small, so that the first loss is ln C; the last
    norm scale of each residual branch starts at 0 (Goyal et al. 2017, section 5.1), or without
    norms the last convolution does and the others are scaled down (Zhang et al. 2019, Fixup); a
    network's own wish (`init_scheme`, set by the fast net) is honoured.
    The same `generator` state (default: seed 0) gives the same weights on every device.

    >>> network = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    >>> [row.gain for row in initialize(network, "kaiming-normal")] == [2**0.5, 1.0]
    True
    """
    choose("initialisation", scheme, SCHEMES)
    generator = generator or torch.Generator().manual_seed(0)
    _check(model, scheme, sample)
    _reset_rest(model)
    activations = following_activations(model, sample)
    hidden = getattr(model, "init_scheme", "auto") if scheme in LIKE_AUTO else scheme
    head = head_name(model)
    rows = [
        _drawn(name, layer, scheme if name == head else hidden, (activations[name], std, generator))
        for name, layer in _distinct(model).items()
    ]
    if scheme in LIKE_AUTO:
        _start_residuals(model, hidden)
        _shrink_head(model, head)
    notes: dict[str, str] = {}
    if scheme in DATA_SCHEMES and sample is not None:
        layers = {n: m for n, m in _distinct(model).items() if _is_drawable(m)}
        notes = DATA_SCHEMES[scheme](model, sample, layers, generator)
    for name, others in _shared(model).items():
        notes[name] = "; ".join(filter(None, (notes.get(name), f"its weight is also {others}'s")))
    return [_measured(model, row, notes.get(row.name, row.note)) for row in rows]


def _check(model: nn.Module, scheme: str, sample: Sample | None) -> None:
    if any(is_lazy(parameter) for parameter in model.parameters()):
        raise InputError(
            "The model has lazy layers whose shapes are not known yet; run one batch through it "
            "before it is initialised."
        )
    if scheme not in DATA_SCHEMES:
        return
    if sample is None:
        raise InputError(
            f"The scheme '{scheme}' looks at a batch of your data; give one: sample=batch."
        )
    for tensor in sample if isinstance(sample, tuple) else (sample,):
        if isinstance(tensor, Tensor) and not bool(torch.isfinite(tensor).all()):
            raise InputError(
                f"The batch for the scheme '{scheme}' holds NaN or infinite numbers; give a clean "
                "one."
            )


def _distinct(model: nn.Module) -> dict[str, Layer]:
    """The layers by name, those that share a weight with an earlier one left out."""
    found: dict[int, tuple[str, Layer]] = {}
    for name, layer in layers_of(model).items():
        tensors = layer.__dict__["_parameters"]
        found.setdefault(id(tensors.get("weight", layer)), (name, layer))
    # A parameterised weight is no entry of _parameters: the layer itself tells it from others.
    return dict(found.values())


def _shared(model: nn.Module) -> dict[str, str]:
    """Layers whose weight another module holds too, and that module's name."""
    holders: dict[int, list[str]] = {}
    for name, module in model.named_modules():
        for parameter in module.__dict__["_parameters"].values():
            if parameter is not None:
                holders.setdefault(id(parameter), []).append(name)
    distinct = _distinct(model)
    return {
        name: ", ".join(other for other in names if other != name)
        for names in holders.values()
        for name in names
        if len(set(names)) > 1 and name in distinct
    }


def _is_drawable(layer: Layer) -> bool:
    """Whether what is put into the weight stays there: not where torch computes it anew."""
    own = isinstance(layer.weight, nn.Parameter)
    return own or parametrize.is_parametrized(layer, "weight")


def _drawn(name: str, layer: Layer, scheme: str, given: tuple[str, float, Generator]) -> LayerInit:
    activation, std, generator = given
    fan_in, fan_out = fans(layer)
    groups = groups_of(layer)
    draw = Draw(fan_in, fan_out, gain(activation), std, groups, generator, activation)
    note = ""
    if _is_drawable(layer):
        # On the CPU in float32: one stream of numbers for all devices and precisions.
        drawn = torch.empty(rows_of(layer).shape, dtype=torch.float32)
        put_rows(layer, SCHEMES[scheme](drawn, draw))
    else:
        note = "its weight is computed from other parameters (old weight_norm): left as it is"
    kind = type(layer).__name__.removeprefix("Parametrized")
    return LayerInit(name, kind, fan_in, fan_out, activation, draw.gain, 0.0, scheme, note)


def _measured(model: nn.Module, row: LayerInit, note: str) -> LayerInit:
    weight: Tensor = model.get_submodule(row.name).weight  # pyright: ignore[reportAssignmentType]
    spread = float(weight.detach().float().std(correction=0))
    return replace(row, std=spread, note=note)


def _reset_rest(model: nn.Module) -> None:
    for module in model.modules():
        if is_norm(module) and getattr(module, "weight", None) is not None:
            nn.init.ones_(module.weight)  # pyright: ignore[reportArgumentType]
        if isinstance(module, nn.modules.batchnorm._NormBase):  # pyright: ignore[reportPrivateUsage]
            module.reset_running_stats()
        if isinstance(module, nn.PReLU):
            nn.init.constant_(module.weight, PRELU_START)
        bias = getattr(module, "bias", None)
        if isinstance(bias, nn.Parameter):
            nn.init.zeros_(bias)


def _start_residuals(model: nn.Module, hidden: str) -> None:
    """Start every residual branch at 0; a dirac network's branches already start as they should."""
    ends = branch_ends(model)
    for block in ends.values():
        branch = model.get_submodule(f"{block}.branch" if block else "branch")
        norms = [module for module in branch.modules() if is_norm(module)]
        if norms and norms[-1].weight.requires_grad and hidden == "auto":  # pyright: ignore
            nn.init.zeros_(norms[-1].weight)  # pyright: ignore[reportArgumentType]
        elif not norms:
            inner = list(layers_of(branch).values())
            nn.init.zeros_(inner[-1].weight)
            for layer in inner[:-1]:  # Fixup, section 3: L^(-1 / (2m - 2)) for m layers a branch
                layer.weight.mul_(len(ends) ** (-1.0 / (2 * len(inner) - 2)))


def _shrink_head(model: nn.Module, head: str | None) -> None:
    if head is None:
        return
    layer: Layer = model.get_submodule(head)  # pyright: ignore[reportAssignmentType]
    scale = float(getattr(model, "head_scale", 1.0))  # what the network multiplies its logits by
    put_rows(layer, rows_of(layer) * (HEAD_LOGIT_STD / scale))


def left_alone(model: nn.Module) -> dict[str, str]:
    """The parameters `initialize` does not draw, by name, and why.

    >>> left_alone(nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2)))
    {'0.weight': "Embedding: no sum over inputs, left as the model's code drew it"}
    """
    handled = {id(p) for layer in layers_of(model).values() for p in layer.parameters()}
    words: dict[str, str] = {}
    for name, module in model.named_modules():
        kind = type(module).__name__
        if is_norm(module) or isinstance(module, nn.PReLU):
            continue
        for key, parameter in module.named_parameters(name, recurse=False):
            if id(parameter) in handled or key.rpartition(".")[2] == "bias":
                continue
            handled.add(id(parameter))
            words[key] = f"{kind}: {_why(module)}, left as the model's code drew it"
    return words


def _why(module: nn.Module) -> str:
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return "no sum over inputs"
    if isinstance(module, nn.RNNBase | nn.RNNCellBase):
        return "gates have rules of their own"
    if isinstance(module, nn.MultiheadAttention):
        return "queries, keys and values in one tensor"
    return "a parameter of no layer known here"


def symmetric_layers(model: nn.Module) -> list[str]:
    """The layers whose units all start the same, and so would stay the same for ever.

    Left out: the head (its units get different gradients), residual branches that start at zero on
    purpose, and layers with one unit to a group, such as depthwise convolutions.

    >>> network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> _ = initialize(network, "constant"); symmetric_layers(network)
    ['0']
    """
    head, ends = head_name(model), branch_ends(model)
    found: list[str] = []
    for name, layer in layers_of(model).items():
        if name == head or (name in ends and not layer.weight.any()):
            continue
        rows = rows_of(layer)
        units = rows.reshape(groups_of(layer), -1, rows[0].numel())
        spread = (units - units[:, :1]).abs().max()
        if units.shape[1] > 1 and spread <= EQUAL_ROWS * units.abs().max():
            found.append(name)
    return found
