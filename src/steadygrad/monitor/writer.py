"""Turns a finished pass into lines of the Record."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from steadygrad.monitor.batches import Neighbours
from steadygrad.monitor.lines import is_users
from steadygrad.monitor.nodes import Naming, Node, layer_keys, operations, signals, structure
from steadygrad.record import Graph

if TYPE_CHECKING:
    from steadygrad.monitor.calls import Segment
    from steadygrad.monitor.monitor import Monitor

GRAPHS = 24
"""Different graphs of a kind that are written at most."""


class Writer:
    """Writes graphs once, signals and batches each time."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.neighbours = Neighbours()
        self._told: dict[str, set[Any]] = {"train": set(), "evaluation": set()}
        inventory = monitor.inventory
        self._naming = Naming(
            inventory.module_name, inventory.parameter_name, inventory.where_built
        )

    def write(
        self,
        nodes: Sequence[Node],
        kind: str,
        segments: Sequence[Segment],
        roots: Sequence[Node],
    ) -> None:
        """One pass: its graph where it is new, its signals, its batches."""
        monitor = self._monitor
        monitor.observer.pending.flush()
        # A training pass is written after the update it led to.
        step = max(0, monitor.step - (kind == "train"))
        keys = layer_keys(nodes, self._naming)
        for node, key in zip(nodes, keys, strict=True):
            held = None if node.parameter is None else monitor.inventory.find(node.parameter)
            if held is not None and held.used_by in ("", "?"):
                held.used_by = key
        graph = Graph(step, kind, operations(nodes, keys, self._naming))
        position = {id(node): number for number, node in enumerate(nodes)}
        outputs = [node for segment in segments for node in segment.outputs]
        graph.roots = [position[id(n)] for n in roots if id(n) in position]
        graph.outputs = [position[id(n)] for n in outputs if id(n) in position]
        shape = structure(graph)
        if shape not in self._told[kind] and len(self._told[kind]) < GRAPHS:
            self._told[kind].add(shape)
            monitor.sink(graph)
        for segment in segments:
            if segment.batch is not None:
                segment.batch.kind = kind
                monitor.sink(segment.batch)
                if kind == "train" and segment.batch.labels and segment.images is not None:
                    self.neighbours.add(segment.images, segment.batch.labels)
        for line in signals(nodes, keys, step, kind):
            monitor.sink(line)
        if kind == "train":
            monitor.tell_facts()


def exception_line(error: BaseException, seen: dict[str, Any]) -> dict[str, Any]:
    """`Loop.exception`: what the script died of, with what the failing operation was given."""
    found = dict(seen) if seen.get("text") == str(error) else {}
    found |= {"type": type(error).__name__, "text": str(error)}
    frames = [f for f in traceback.extract_tb(error.__traceback__) if is_users(f.filename)]
    if frames:
        found |= {"file": frames[-1].filename, "line": frames[-1].lineno}
    return found
