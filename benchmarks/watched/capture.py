"""Watch a script from outside for tools that want to be handed model, batch, loss and optimizer.

`install` patches torch before the script runs; the script itself stays as it is. What a user would
write by hand into a script (this is my model, this my loss) is read off its calls.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules.loss import _Loss
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map


@dataclass
class Call:
    """A call of a model that no other module made."""

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Any
    began: int
    """How many entries the tape had once the model had answered."""


@dataclass
class Entry:
    """One tensor operation."""

    function: Callable[..., Any]
    args: Any
    kwargs: dict[str, Any]
    result: Any


@dataclass
class Seen:
    """What happened up to the first backward, and who wants to be told of what comes."""

    calls: list[Call] = field(default_factory=list)
    tape: list[Entry] = field(default_factory=list)
    optimizers: list[torch.optim.Optimizer] = field(default_factory=list)
    first: bool = True
    """No backward yet."""
    before_call: list[Callable[[nn.Module], None]] = field(default_factory=list)
    after_backward: list[Callable[[torch.Tensor], None]] = field(default_factory=list)
    before_step: list[Callable[[torch.optim.Optimizer], None]] = field(default_factory=list)

    def optimizer_of(self, module: nn.Module) -> torch.optim.Optimizer | None:
        """The optimizer that holds most of a module's parameters."""
        own = {id(parameter) for parameter in module.parameters()}

        def held(optimizer: torch.optim.Optimizer) -> int:
            return sum(id(p) in own for group in optimizer.param_groups for p in group["params"])

        best = max(self.optimizers, key=held, default=None)
        return best if best is not None and held(best) else None


class Tape(TorchFunctionMode):
    """Notes the operations outside of modules until the first backward."""

    def __init__(self, seen: Seen, depth: list[int]) -> None:
        super().__init__()
        self.seen, self.depth = seen, depth

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.seen.first and not self.depth and torch.is_grad_enabled():
            self.seen.tape.append(Entry(func, args, kwargs or {}, result))
        return result


def install() -> tuple[Seen, Tape]:
    """Patch calls of modules, backward and optimizers; the tape is to be entered by the caller."""
    seen, depth = Seen(), []
    watch_calls(seen, depth)
    watch_backward(seen)
    watch_optimizers(seen)
    return seen, Tape(seen, depth)


def watch_calls(seen: Seen, depth: list[int]) -> None:
    original = nn.Module.__call__

    @functools.wraps(original)
    def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        outermost = not depth and torch.is_grad_enabled() and not isinstance(module, _Loss)
        if isinstance(module, _Loss) or not has_parameters(module):
            return original(module, *args, **kwargs)
        if outermost:
            for told in seen.before_call:
                told(module)
        depth.append(1)
        try:
            output = original(module, *args, **kwargs)
        finally:
            depth.pop()
        if outermost and seen.first:
            seen.calls.append(Call(module, args, kwargs, output, len(seen.tape)))
        return output

    nn.Module.__call__ = call


def has_parameters(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def watch_backward(seen: Seen) -> None:
    original = torch.autograd.backward

    @functools.wraps(original)
    def backward(tensors: Any, *args: Any, **kwargs: Any) -> None:
        original(tensors, *args, **kwargs)
        loss = tensors if isinstance(tensors, torch.Tensor) else tensors[0]
        seen.first = False
        for told in seen.after_backward:
            told(loss)

    torch.autograd.backward = backward


def watch_optimizers(seen: Seen) -> None:
    original = torch.optim.Optimizer.__init__

    @functools.wraps(original)
    def init(optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> None:
        original(optimizer, *args, **kwargs)
        seen.optimizers.append(optimizer)

    torch.optim.Optimizer.__init__ = init

    def step(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for told in seen.before_step:
            told(optimizer)

    register_optimizer_step_pre_hook(step)


def loss_of(seen: Seen, call: Call, loss: torch.Tensor) -> tuple[Any, Any] | None:
    """The script's way from the model's output to its loss, as (loss_fn, targets).

    Plain cross entropy of the output is handed over as such, since tools know it by name. Anything
    else is a replay of the noted operations on another output; None where the loss does not come
    from this output by noted operations.
    """
    outputs = {id(leaf) for leaf in tensors_in(call.output)}
    entries = between(seen.tape[call.began :], outputs, loss)
    if len(entries) == 1 and entries[0].function is nn.functional.cross_entropy:
        entry = entries[0]
        if len(entry.args) >= 2 and entry.args[0] is call.output and is_plain(entry):
            return nn.functional.cross_entropy, entry.args[1]
    if not entries and id(loss) not in outputs:
        return None
    return functools.partial(replay, entries, call.output, loss), None


def is_plain(entry: Entry) -> bool:
    defaults = {"weight": None, "ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0}
    given = {k: v for k, v in entry.kwargs.items() if v is not None}
    return len(entry.args) == 2 and all(defaults.get(k, v) == v for k, v in given.items())


def tensors_in(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_flatten(value)[0] if isinstance(leaf, torch.Tensor)]


def between(tape: list[Entry], outputs: set[int], loss: torch.Tensor) -> list[Entry]:
    """The operations on the way from the outputs to the loss, in order."""
    reached = set(outputs)
    forward = []
    for entry in tape:
        if reached & {id(leaf) for leaf in tensors_in((entry.args, entry.kwargs))}:
            forward.append(entry)
            reached |= {id(leaf) for leaf in tensors_in(entry.result)}
    wanted, kept = {id(loss)}, []
    for entry in reversed(forward):
        if wanted & {id(leaf) for leaf in tensors_in(entry.result)}:
            kept.append(entry)
            wanted |= {id(leaf) for leaf in tensors_in((entry.args, entry.kwargs))}
    return kept[::-1]


def replay(entries: list[Entry], old: Any, loss: torch.Tensor, new: Any) -> torch.Tensor:
    """The loss of another output: the same operations again."""
    now = {id(a): b for a, b in zip(tree_flatten(old)[0], tree_flatten(new)[0])}

    def instead(leaf: Any) -> Any:
        return now.get(id(leaf), without_graph(leaf))

    for entry in entries:
        args, kwargs = tree_map(instead, (entry.args, entry.kwargs))
        result = entry.function(*args, **kwargs)
        now.update((id(a), b) for a, b in zip(tensors_in(entry.result), tensors_in(result)))
    return now[id(loss)]


def without_graph(leaf: Any) -> Any:
    """What other models contributed is a constant: its graph was freed by the script's backward."""
    made = isinstance(leaf, torch.Tensor) and leaf.grad_fn is not None
    return leaf.detach() if made else leaf
