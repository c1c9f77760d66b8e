"""The signal's size through depth, forward and backward, in the first steps of the real recipe."""

from __future__ import annotations

import copy
import math
import time
from collections import defaultdict

from steadygrad.fit.watched import Watched
from steadygrad.preflight.result import Check, Status
from steadygrad.record import Graph, Operation, Recipe, Record
from steadygrad.rules.graph import is_weighted
from steadygrad.train import BatchesLike, Diverged, train
from steadygrad.training_state import TrainingState, start
from steadygrad.trials import copied, undisturbed

STEPS = 10
"""All watched; the recipe's own rate and augmentation, on a copy."""
FORWARD_WARN, FORWARD_FAIL = 100.0, 1e4
"""std of the last hidden layer by the first, either way."""
BACKWARD_WARN, BACKWARD_FAIL = 1e-3, 1e-4
"""Gradient RMS of the first layer by the last hidden one; healthy networks have 0.05 to 1.3."""
BACKWARD_LARGE = 1e3


def follow_steps(
    state: TrainingState, recipe: Recipe, batches: BatchesLike, record: Record, seconds: float
) -> list[str]:
    """Train a copy for a few watched steps and write what is measured into `record`.

    Returns what went wrong with it: in the network, or in watching.
    """
    began, failures = time.monotonic(), list[str]()
    with undisturbed():
        new = start(copied(state), recipe, len(batches))
        new.class_weights, new.total_steps = state.class_weights, state.total_steps
        watched = Watched(record, record.add)
        watched.follow(new.classifier.get_submodule("network"), recipe.model)
        with watched:
            try:
                for step in train(new, batches, recipe):
                    record.add(step)
                    if step.step >= STEPS or time.monotonic() - began > seconds:
                        break
            except Diverged as error:
                failures.append(str(error))
            # Not `end`: a run of ten steps that is over would be judged as a whole one.
        return failures + watched.failures


def check_signal(record: Record) -> Check:
    """The std of each layer's output and the RMS of its gradient, first layer to last hidden one.

    Read at the first step at which gradients reach most layers: with a head that starts at zero,
    none do at the very first.
    """
    rows = layer_sizes(record)
    stds = [std for _, std, _ in rows]
    if len(rows) < 2:
        means = "There is no depth for a signal to get lost in."
        return Check("signal through depth", "pass", f"{len(rows)} layer", means)
    forward = stds[-1] / stds[0] if stds[0] > 0 else math.nan
    grads = [gradient for _, _, gradient in rows if gradient > 0]
    backward = grads[0] / grads[-1] if len(grads) > 1 else (1.0 if grads else 0.0)
    per_layer = abs(forward) ** (1 / (len(rows) - 1)) if forward > 0 else math.nan
    numbers = {
        "layers": [name for name, _, _ in rows],
        "stds": stds,
        "gradients": [gradient for _, _, gradient in rows],
        "forward": forward,
        "backward": backward,
        "per_layer": per_layer,
    }
    saw = (
        f"{len(rows)} layers: std {stds[0]:.2g} → {stds[-1]:.2g} (× {per_layer:.2g} a layer), "
        f"gradient × {backward:.2g} from last to first"
    )
    status, means = _judge(forward, backward)
    fix = "" if status == "pass" else "--init auto (or --norm batch, fewer layers, shortcuts)"
    return Check("signal through depth", status, saw, means, fix, numbers)


def _judge(forward: float, backward: float) -> tuple[Status, str]:
    if not forward > 0 or not math.isfinite(forward):
        return "fail", "Nothing of the picture arrives: outputs are constant or no numbers."
    if backward == 0:
        return "fail", "No gradient comes back to the layers."
    size = max(forward, 1 / forward)
    if size > FORWARD_FAIL or backward < BACKWARD_FAIL:
        return "fail", "The signal is lost on its way: the first layers can't learn."
    if size > FORWARD_WARN or not BACKWARD_WARN <= backward <= BACKWARD_LARGE:
        return "warn", "The signal changes much on its way: layers learn at different speeds."
    return "pass", "It keeps its size both ways."


def layer_sizes(record: Record) -> list[tuple[str, float, float]]:
    """Per weighted layer but the last, in order: name, std of the output, RMS of its gradient."""
    graph = next((graph for graph in record.graphs if graph.kind == "train"), None)
    if graph is None:
        return []
    names = [operation.layer for operation in _hidden(graph)]
    by_step: dict[int, dict[str, dict[str, float]]] = defaultdict(dict)
    for line in record.signals:
        if line.kind == "train":
            by_step[line.step][line.layer] = line.values
    reached = [
        step
        for step, values in sorted(by_step.items())
        if sum(values.get(name, {}).get("grad_rms", 0.0) > 0 for name in names) > len(names) / 2
    ]
    values = by_step[reached[0] if reached else min(by_step, default=0)]
    return [
        (name, values[name].get("std", math.nan), values[name].get("grad_rms", 0.0))
        for name in names
        if name in values
    ]


def _hidden(graph: Graph) -> list[Operation]:
    layers = [copy.copy(each) for each in graph.operations if is_weighted(each)]
    return layers[:-1]
