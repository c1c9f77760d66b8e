"""Sees every tensor operation of the main thread while a step is watched."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from steadygrad.monitor.attributes import (
    attributes_of,
    bind,
    is_leaf,
    is_weight,
    plain_name,
    tensors_in,
)
from steadygrad.monitor.lines import place, users_frame
from steadygrad.monitor.names import canonical, is_in_place
from steadygrad.monitor.nodes import Node
from steadygrad.record import OUTSIDE, PARAMETER


class Owner(Protocol):
    """What the tracer asks of the monitor."""

    @property
    def seconds(self) -> float:
        """The monitor's own time."""
        ...

    @seconds.setter
    def seconds(self, value: float) -> None: ...

    def module_of(self) -> nn.Module | None:
        """The innermost module that is being called."""
        ...

    def noted(
        self, node: Node, bound: dict[str, Any], inputs: list[Tensor], result: Tensor
    ) -> None:
        """An operation of the graph ran."""
        ...

    def prepared(self, name: str, inputs: list[Tensor], result: Tensor, in_place: bool) -> None:
        """An operation outside the graph ran: data are being made, weights filled."""
        ...

    def broke(self, name: str, bound: dict[str, Any], error: Exception) -> None:
        """An operation raised."""
        ...

    def fail(self, failure: Exception) -> None:
        """The monitor itself went wrong."""
        ...


class Tracer(TorchFunctionMode):
    """The mode that sees operations; `nodes` are those of the pass that is being watched."""

    def __init__(self, owner: Owner) -> None:
        super().__init__()
        self.owner = owner
        self.nodes: list[Node] = []
        self.paused = False
        self.dormant = False
        """Followed enough for now: until the next call of a model or of backward."""
        self.inside = 0
        self.operations = 0
        self._names: dict[Callable[..., Any], str] = {}
        self._makers: dict[int, tuple[weakref.ref[Tensor], Node]] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # what torch calls for each operation
        kwargs = kwargs or {}
        name = self._names.get(func)
        if name is None:
            name = self._names[func] = canonical(func)
        if not name or self.paused or self.dormant or transforming():
            return func(*args, **kwargs)
        self.inside += 1
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            self.owner.broke(name, bind(name, func, args, kwargs), error)
            raise
        finally:
            self.inside -= 1
        began = perf_counter()
        self.paused = True
        try:
            self._note(name, func, args, kwargs, result)
        except Exception as failure:
            self.owner.fail(failure)
        finally:
            self.paused = False
            self.operations += 1
            self.owner.seconds += perf_counter() - began
        return result

    def _note(self, name: str, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        in_place = is_in_place(func)
        made = tensors_in([args[0]] if in_place and args else [result])
        inputs = tensors_in(args) + (tensors_in(kwargs.values()) if kwargs else [])
        if not made or any(map(is_lazy, (*made, *inputs))):
            return
        nodes = [self.maker(tensor) for tensor in inputs]
        module = self.owner.module_of()
        if not self._belongs(inputs, nodes, made[0], module) or (in_place and is_weight(inputs[0])):
            self.owner.prepared(name, inputs, made[0], in_place)
            return
        bound = bind(name, func, args, kwargs)
        node = self._node(plain_name(name, bound), module)
        node.inputs = [
            PARAMETER if maker is None and is_weight(tensor) else maker or OUTSIDE
            for maker, tensor in zip(nodes, inputs, strict=True)
        ]
        node.input_shapes = [list(tensor.shape) for tensor in inputs]
        node.attributes = attributes_of(node.name, bound, module)
        node.describe(made[0], next((t for t in inputs if is_weight(t)), None))
        for tensor in made:
            self._makers[id(tensor)] = (weakref.ref(tensor), node)
        self.nodes.append(node)
        self.owner.noted(node, bound, inputs, made[0])
        node.frame = None  # a frame keeps the user's tensors alive

    def _belongs(
        self, inputs: list[Tensor], nodes: list[Node | None], made: Tensor, module: nn.Module | None
    ) -> bool:
        """Whether an operation is part of the graph, and not of making data or counting batches."""
        if any(node is not None for node in nodes):
            return True
        if module is not None and inputs:  # what is made of nothing is a constant
            return made.is_floating_point() or made.dim() > 0
        if len(inputs) == 1 and not made.requires_grad and is_weight(inputs[0]):
            return False  # weight.data, to be filled
        learns = made.requires_grad and not is_leaf(made) and torch.is_grad_enabled()
        return learns or any(is_weight(tensor) for tensor in inputs)

    def _node(self, name: str, module: nn.Module | None) -> Node:
        frame = users_frame(sys._getframe(3))
        return Node(name, place(frame), frame, module)

    def maker(self, tensor: Tensor) -> Node | None:
        """The operation that made a tensor, if it was seen."""
        found = self._makers.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else None

    def forget(self) -> None:
        """Begin a new pass: what was made before counts as made outside."""
        self.nodes = []
        self._makers = {}


def transforming() -> bool:
    """Whether torch.func or the jit is at work: tensors then hold no numbers of their own."""
    # vmap, grad and jvp hand over wrapped tensors without numbers; a tracer's are made up.
    functorch: Any = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue]
    return functorch.peek_interpreter_stack() is not None or torch.jit.is_tracing()


def push(tracer: Tracer) -> None:
    """Put the tracer under all other modes: no `with` of the user's ever pops it by mistake."""
    others = _pop_all()
    torch.overrides._push_mode(tracer)
    for mode in others:
        torch.overrides._push_mode(mode)


def pop(tracer: Tracer) -> None:
    """Take the tracer out of the stack of modes, wherever it is."""
    for mode in _pop_all():
        if mode is not tracer:
            torch.overrides._push_mode(mode)


def _pop_all() -> list[TorchFunctionMode]:
    modes: list[TorchFunctionMode] = []
    while torch._C._len_torch_function_stack():
        modes.append(torch.overrides._pop_mode())
    return modes[::-1]
