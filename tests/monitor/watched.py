"""Runs a training function under a Monitor and returns its Record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from steadygrad.monitor import Monitor
from steadygrad.record import Graph, Operation, Record


def watch(work: Callable[[], Any], period: int = 1) -> Record:
    """What the monitor writes of `work()`; an exception of it is noted and raised again."""
    record = Record()
    monitor = Monitor(record.add, period)
    monitor.install()
    error: BaseException | None = None
    try:
        work()
    except BaseException as raised:
        error = raised
        raise
    finally:
        monitor.finish(error)
        watch.record = record  # type: ignore[attr-defined]
    assert monitor.failures == []
    return record


def names(graph: Graph) -> list[str]:
    return [operation.name for operation in graph.operations]


def operation(graph: Graph, name: str, number: int = 0) -> Operation:
    return [o for o in graph.operations if o.name == name][number]
