"""One forward and backward pass of a network on made-up data, watched operation by operation."""

from __future__ import annotations

import copy
import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from steadygrad.errors import InputError, SteadygradError, choose
from steadygrad.graph.everything import measure_everything
from steadygrad.initializing.shape import Shape
from steadygrad.models import MODELS, Classifier
from steadygrad.models.build import load_callable
from steadygrad.monitor import Monitor
from steadygrad.record import Graph, LayerSignals, Parameter, Record

OWN_INPUT = "8x3x32x32"
"""What our own networks are drawn with where nothing else is asked for."""
ENOUGH = 8
"""Examples a batch norm gets where one is too few for it."""
NUM_CLASSES = 10
TOO_FEW = "Expected more than 1 value per channel"


@dataclass
class Traced:
    """What one pass showed."""

    model: str
    graph: Graph
    signals: list[LayerSignals]
    parameters: list[Parameter]
    loss: str
    """In words: what was minimised."""
    inputs: list[list[int]] = field(default_factory=list[list[int]])
    notes: list[str] = field(default_factory=list[str])


def is_network(target: str) -> bool:
    """Whether a word names a network rather than being an expression.

    >>> is_network("model.py:Net"), is_network("resnet18"), is_network("x + y")
    (True, True, False)
    """
    named = re.fullmatch(r"[^\s=()]+(\.py|:[A-Za-z_][\w.]*)", target) is not None
    return named or target in MODELS or os.path.isdir(target)


def trace_target(target: str, inputs: Sequence[str] = (), seed: int = 0) -> Traced:
    """Build the network `target` names and watch one pass of it.

    A name of MODELS, `module:callable`, `file.py:callable` or a run folder. InputError where it
    can't be built or fails on that input.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, usual = _build(target, inputs)
    shapes = [Shape.parse(text) for text in inputs] or [Shape.parse(usual)]
    return trace(model, shapes, seed, target)


def _build(target: str, inputs: Sequence[str]) -> tuple[nn.Module, str]:
    """The network, and the input it is made for where that is known."""
    if os.path.isdir(target):
        classifier = Classifier.load(target)
        channels, size = classifier.channels, classifier.image_size
        return classifier.network.train(), f"{ENOUGH}x{channels}x{size}x{size}"
    if target.endswith(".py"):
        raise InputError(f"Say which class or function of '{target}' is the model: {target}:Net.")
    if not inputs and target not in MODELS:
        raise InputError(
            f"Say what '{target}' takes: --input 8x3x32x32 (examples, channels, height, width)."
        )
    sizes = list(Shape.parse(inputs[0] if inputs else OWN_INPUT).sizes)
    given = {
        "num_classes": NUM_CLASSES,
        "in_channels": sizes[1] if len(sizes) > 1 else 1,
        "image_size": sizes[-1],
    }
    if target in MODELS or ":" not in target:
        return _instance(target, choose("model", target, MODELS), given), OWN_INPUT
    try:
        function = load_callable(target)
    except SteadygradError:
        raise
    except (Exception, SystemExit) as error:
        place = target.rpartition(":")[0]
        raise InputError(f"'{place}' fails while it is loaded: {_words(error)}") from error
    return _instance(target, function, given), ""


def _instance(name: str, function: Callable[..., Any], given: Mapping[str, Any]) -> nn.Module:
    if isinstance(function, nn.Module):
        return copy.deepcopy(function)
    signature = inspect.signature(function)
    # The user's own defaults are what he wants to see.
    wanted = {
        key: value
        for key, value in given.items()
        if key in signature.parameters
        and (signature.parameters[key].default is inspect.Parameter.empty or name in MODELS)
    }
    try:
        signature.bind(**wanted)
    except TypeError as error:
        raise InputError(
            f"The model '{name}' can't be built: {error}. Give its parameters defaults."
        ) from None
    try:
        model = function(**wanted)
    except Exception as error:
        raise InputError(f"The model '{name}' fails while it is built: {_words(error)}") from error
    if not isinstance(model, nn.Module):
        raise InputError(
            f"The model '{name}' returned {type(model).__name__}; expected an nn.Module."
        )
    return model


def trace(model: nn.Module, shapes: Sequence[Shape], seed: int = 0, name: str = "") -> Traced:
    """Watch one forward and backward pass of `model` on random inputs of these shapes.

    The model stays as it was: buffers, gradients and torch's random state are put back. The loss is
    made up: cross entropy on random labels for an output (N, C), else the squared distance to
    random targets.
    """
    name = name or type(model).__name__
    try:
        return _trace(model, shapes, seed, name)
    except InputError as error:
        if TOO_FEW not in str(error) or shapes[0].sizes[0] != 1:
            raise
    more = [shape.of(ENOUGH) for shape in shapes]
    traced = _trace(model, more, seed, name)
    traced.notes.append(
        f"One example is too few for a batch norm in training: drawn with {ENOUGH} of them."
    )
    return traced


def _trace(model: nn.Module, shapes: Sequence[Shape], seed: int, name: str) -> Traced:
    generator = torch.Generator().manual_seed(seed)
    inputs = [shape.make(generator, model) for shape in shapes]
    if not any(p.requires_grad for p in model.parameters()):
        inputs = [x.requires_grad_() if x.is_floating_point() else x for x in inputs]
    record, words = Record(), ""
    given = ", ".join(map(str, shapes))
    monitor = Monitor(record.add, 1)
    measure_everything(monitor)
    with _untouched(model), torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        monitor.install()
        failure: BaseException | None = None
        try:
            output = model(*inputs)
            loss, words = made_up_loss(output, generator)
            loss.backward()
        except InputError as error:
            failure = error
            raise InputError(f"The model '{name}' {error}") from None
        except Exception as error:
            failure = error
            raise InputError(
                f"The model '{name}' fails on inputs of shape {given}: {_words(error)}"
                f"{_place(monitor, error)}{_advice(error)}"
            ) from error
        finally:
            monitor.finish(failure)
    if not record.graphs:
        raise SteadygradError(f"Nothing of '{name}' could be followed. {monitor.failures[:1]}")
    graph = record.graphs[0]
    models = [row["name"] for row in record.loop.models]
    traced = Traced(models[0] if models else type(model).__name__, graph, record.signals, [], words)
    traced.parameters = record.loop.parameters
    if not model.training:
        traced.notes.append(
            "The model is in evaluation mode, as its code leaves it: no dropout, norms with their "
            "running statistics."
        )
    traced.inputs = [list(shape.sizes) for shape in shapes]
    return traced


def made_up_loss(output: Any, generator: torch.Generator) -> tuple[Tensor, str]:
    """A loss to send a gradient through the network, and what it is in words."""
    tensors = [t for t in _tensors(output) if t.is_floating_point() and t.requires_grad]
    if not tensors:
        raise InputError(
            f"gives {type(output).__name__} without a tensor that depends on what it learns; "
            "there is no gradient to draw."
        )
    if len(tensors) == 1 and tensors[0].dim() == 2 and tensors[0].shape[1] > 1:
        rows, classes = tensors[0].shape
        labels = torch.randint(classes, (rows,), generator=generator)
        return nn.functional.cross_entropy(tensors[0], labels), "cross entropy on random labels"
    # Not the plain sum of squares: behind a layer norm that is constant, and has no gradient.
    targets = [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in tensors]
    first, *others = (nn.functional.mse_loss(t, r) for t, r in zip(tensors, targets))
    return sum(others, first), "squared distance to random targets"


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for item in output.values():
            yield from _tensors(item)
    elif isinstance(output, list | tuple):
        for item in output:
            yield from _tensors(item)


class _untouched:
    """Inside, buffers and gradients of a model may change; afterwards they are as before."""

    def __init__(self, model: nn.Module) -> None:
        self._buffers = [(b, b.detach().clone()) for b in model.buffers()]
        self._grads = [(p, p.grad) for p in model.parameters()]
        for parameter, _ in self._grads:
            parameter.grad = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        with torch.no_grad():
            for buffer, value in self._buffers:
                buffer.copy_(value)
        for parameter, grad in self._grads:
            parameter.grad = grad


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    words = text if len(text) <= 300 else f"{text[:300]}…"
    return f"{type(error).__name__}: {words}" if not isinstance(error, RuntimeError) else words


def _advice(error: BaseException) -> str:
    count = isinstance(error, TypeError) and "argument" in str(error)
    return "; give --input once for each argument" if count else ""


def _place(monitor: Monitor, error: BaseException) -> str:
    """In which module and line, where that is known."""
    from steadygrad.monitor.lines import is_users

    broken = monitor.observer.exception.get("operation")
    trace, line = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if is_users(file):
            line = f"{os.path.basename(file)}:{trace.tb_lineno}"
        trace = trace.tb_next
    parts = [f"in {broken}" if broken else "", f"at {line}" if line else ""]
    words = " ".join(part for part in parts if part)
    return f" ({words})" if words else ""
