"""Where the numbers a model gets were made, and which line gave a weight its first values."""

from __future__ import annotations

import weakref

from torch import Tensor
from torch.nn.parameter import is_lazy

from steadygrad.monitor.inventory import Inventory
from steadygrad.monitor.lines import here
from steadygrad.monitor.statistics import is_plain
from steadygrad.record import Where
from steadygrad.rules.graph import names

MOVES = names(
    "getitem stack cat reshape view flatten squeeze unsqueeze permute transpose contiguous clone "
    "to index split chunk narrow detach cuda cpu as_tensor expand repeat flip"
)
"""Operations that keep the numbers: where those were made stays the answer."""


MOST = 20_000
"""Tensors that are remembered."""


class Origins:
    """Remembers, per tensor that is still there, the user's line that made its numbers."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._made: dict[int, tuple[weakref.ref[Tensor], Where]] = {}

    def note(self, name: str, inputs: list[Tensor], result: Tensor, in_place: bool) -> None:
        """An operation outside the graph ran."""
        if is_lazy(result) or not result.is_floating_point() or not is_plain(result):
            return
        if in_place or not inputs:
            # By address: `weight.data` and a Parameter made of a tensor share their numbers.
            self._filled(result)
            if in_place:
                return
        before = self.of(inputs[0]) if inputs else None
        same = bool(inputs) and inputs[0].dtype == result.dtype
        where = before if name in MOVES and (same or before is not None) else here()
        if where is not None and where.file:
            self.put(result, where)

    def _filled(self, tensor: Tensor) -> None:
        filled = self._inventory.filled
        if len(filled) > MOST:
            filled.clear()
        filled[tensor.data_ptr()] = here()

    def put(self, tensor: Tensor, where: Where) -> None:
        """A tensor's numbers come from that line."""
        if len(self._made) > MOST:
            self._made = {k: v for k, v in self._made.items() if v[0]() is not None}
        self._made[id(tensor)] = (weakref.ref(tensor), where)

    def of(self, tensor: Tensor) -> Where | None:
        """The line, if the tensor could be followed."""
        found = self._made.get(id(tensor))
        if found is not None and found[0]() is tensor:
            return found[1]
        base = tensor._base
        return self.of(base) if base is not None else None
