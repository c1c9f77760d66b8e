"""The models and weights met so far, their names, and the lines that made them."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from steadygrad.monitor.lines import name_in
from steadygrad.record import Parameter, Where

WRAPPERS = re.compile(r"(^|\.)(?:module|_orig_mod|_fsdp_wrapped_module)(?=\.|$)")
"""What DataParallel, DistributedDataParallel and torch.compile put in front of a name."""


class Held:
    """One weight: its name, where it came from and what its updates showed."""

    __slots__ = (
        "group", "made", "missing", "name", "optimizer", "received", "ref", "registered",
        "row", "used_by", "watched",
    )  # fmt: skip

    def __init__(self, tensor: Tensor, name: str, registered: bool) -> None:
        self.ref = weakref.ref(tensor)
        self.name, self.registered = name, registered
        self.made = Where()
        self.used_by = ""
        self.optimizer: int | None = None
        self.group = 0
        self.watched = self.received = self.missing = 0
        self.row: Parameter | None = None

    def plain(self) -> Parameter | None:
        """As a line of the Record, as it was when last asked should the tensor be gone."""
        tensor = self.ref()
        if tensor is None:
            return self.row
        self.row = Parameter(
            name=self.name,
            shape=list(tensor.shape),
            trainable=tensor.requires_grad,
            registered=self.registered,
            optimizer=self.optimizer,
            group=self.group,
            used_by=self.used_by,
            where=self.made,
            watched=self.watched,
            received=self.received,
            missing=self.missing,
        )
        return self.row


class Model:
    """One module the user calls himself."""

    def __init__(self, module: nn.Module, name: str) -> None:
        self.ref = weakref.ref(module)
        self.name = name
        self.training_calls = self.evaluation_calls = 0
        self.row: dict[str, Any] = {}
        """As it was last written: what is gone is still told of."""
        self.has_parameters = any(True for _ in module.parameters())


class Inventory:
    """Names for modules and weights, the same at every step."""

    def __init__(self) -> None:
        # By identity: torchmetrics' modules hash by their state, and not at all while being built.
        self._built: dict[int, tuple[weakref.ref[nn.Module], Where]] = {}
        self.filled: dict[int, Where] = {}
        """Address of a tensor's numbers → the user's line that filled it last before training."""
        self.models: dict[int, Model] = {}
        self.held: dict[int, Held] = {}
        self._modules: dict[int, tuple[weakref.ref[nn.Module], str]] = {}

    def model(self, module: nn.Module) -> Model:
        """The model a root call goes to, taken up when it is new."""
        model = self.models.get(id(module))
        if model is None or model.ref() is not module:
            first = not any(m.has_parameters for m in self.models.values())
            model = Model(module, self._free_name(type(module).__name__))
            self.models[id(module)] = model
            prefix = "" if first and model.has_parameters else model.name
            self._take_up(module, prefix)
        return model

    def _free_name(self, wanted: str) -> str:
        taken = {model.name for model in self.models.values()}
        name, count = wanted, 1
        while name in taken:
            count += 1
            name = f"{wanted}{count}"
        return name

    def _take_up(self, root: nn.Module, prefix: str) -> None:
        for dotted, module in root.named_modules(prefix=prefix):
            name = WRAPPERS.sub("", dotted).strip(".")
            if id(module) not in self._modules or self._modules[id(module)][0]() is not module:
                self._modules[id(module)] = (weakref.ref(module), name or type(module).__name__)
        for dotted, tensor in root.named_parameters(prefix=prefix):
            if is_lazy(tensor):
                continue
            self.take(tensor, WRAPPERS.sub("", dotted).strip("."), registered=True)

    def refresh(self, root: nn.Module) -> None:
        """Look for layers a model got after it was first called."""
        model = self.models.get(id(root))
        if model is not None and model.ref() is root:
            first = next((m for m in self.models.values() if m.has_parameters), None)
            self._take_up(root, "" if model is first else model.name)

    def take(self, tensor: Tensor, name: str, registered: bool) -> Held:
        """Remember a weight; one known by a variable's name gets its dotted one."""
        held = self.held.get(id(tensor))
        if held is None or held.ref() is not tensor:
            held = self.held[id(tensor)] = Held(tensor, name, registered)
            held.made = self.filled.get(tensor.data_ptr(), Where())
        elif registered and not held.registered:
            held.name, held.registered = name, True
        return held

    def learning(self) -> Iterator[Tensor]:
        """Every weight met that is still there and learns."""
        for held in self.held.values():
            tensor = held.ref()
            if tensor is not None and tensor.requires_grad:
                yield tensor

    def find(self, tensor: Tensor) -> Held | None:
        """What is known of a weight."""
        held = self.held.get(id(tensor))
        return held if held is not None and held.ref() is tensor else None

    def meet(self, tensor: Tensor, frame: FrameType | None, module: nn.Module | None) -> Held:
        """A weight that an operation takes: found, or taken up under its variable's name."""
        held = self.find(tensor)
        if held is None:
            name = name_in(frame, tensor)
            if not name and module is not None:
                inner = next((k for k, p in module.named_parameters() if p is tensor), "")
                name = f"{self.module_name(module)}.{inner}" if inner else ""
                held = self._made_again(tensor, name) if name else None
            held = held or self.take(tensor, name or f"tensor{len(self.held)}", registered=False)
        if not held.made.file and module is not None:
            held.made = self.where_built(module) or Where()
        return held

    def _made_again(self, tensor: Tensor, name: str) -> Held | None:
        """A weight of a layer that each forward pass builds anew goes on as the one before."""
        for key, held in list(self.held.items()):
            if held.name == name and not held.registered and held.ref() is None:
                del self.held[key]
                held.ref = weakref.ref(tensor)
                self.held[id(tensor)] = held
                return held
        return None

    def module_name(self, module: nn.Module) -> str:
        """A module's dotted name; one that no model holds is called by its class."""
        known = self._modules.get(id(module))
        if known is not None and known[0]() is module:
            return known[1]
        name = self._free_name(type(module).__name__)
        self._modules[id(module)] = (weakref.ref(module), name)
        return name

    def parameter_name(self, tensor: Tensor) -> str:
        """A weight's dotted name, "" if it is unknown."""
        held = self.find(tensor)
        return held.name if held is not None else ""

    def note_built(self, module: nn.Module, where: Where) -> None:
        """A module was built at the user's line `where`."""
        key = id(module)
        self._built[key] = (weakref.ref(module, lambda _: self._built.pop(key, None)), where)

    def where_built(self, module: nn.Module | None) -> Where | None:
        """The user's line that built a module."""
        known = self._built.get(id(module))
        return known[1] if known is not None and known[0]() is module else None

    def plain_models(self) -> list[dict[str, Any]]:
        """`Loop.models`."""
        rows: list[dict[str, Any]] = []
        for model in self.models.values():
            module = model.ref()
            if module is not None and model.has_parameters:
                built = self.where_built(module) or Where()
                model.row = {
                    "name": model.name,
                    "class": type(module).__name__,
                    "file": built.file,
                    "line": built.line,
                    "num_parameters": sum(p.numel() for p in module.parameters() if not is_lazy(p)),
                }
            if model.row:
                calls = (model.training_calls, model.evaluation_calls)
                rows.append(
                    model.row
                    | dict(zip(("training_calls", "evaluation_calls"), calls, strict=True))
                )
        return rows
