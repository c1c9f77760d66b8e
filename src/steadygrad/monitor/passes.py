"""Cuts what the tracer sees into passes, measures them, and writes them as lines of the Record."""

from __future__ import annotations

import traceback
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from steadygrad.monitor.attributes import LOSSES, attributes_of
from steadygrad.monitor.autopsy import first_bad
from steadygrad.monitor.batches import Neighbours, Repetition, class_labels, main_input, measure
from steadygrad.monitor.evaluations import Evaluations
from steadygrad.monitor.lines import here, is_users
from steadygrad.monitor.measure import (
    HISTOGRAM_EVERY,
    RECTIFIERS,
    DeadUnits,
    loss_values,
    measure_result,
    norm_gap,
)
from steadygrad.monitor.nodes import Naming, Node, layer_keys, operations, signals, structure
from steadygrad.monitor.origins import Origins
from steadygrad.monitor.statistics import Pending, is_plain, sample
from steadygrad.monitor.tracer import Tracer, pop, push
from steadygrad.record import Batch, Epoch, Graph, LayerSignals, Loop, Where

if TYPE_CHECKING:
    from steadygrad.monitor.monitor import Monitor

GRAPHS = 24
"""Different graphs of a kind that are written at most."""
EVALUATED_RUNS, EVALUATED_BATCHES = 3, 3
"""Of the first evaluations so many batches are watched; of later ones one."""
EVALUATION_SHARE = 0.04
"""Of the run's time at which later evaluations are left alone."""
PENDING_CALLS = 8
"""Forward passes without backward, from another line than training's, that are an evaluation."""
MODES = {
    "norms": (nn.modules.batchnorm._NormBase,),
    "dropouts": (nn.modules.dropout._DropoutNd,),
}


class Segment:
    """What follows one call of a model, up to the next."""

    def __init__(self, batch: Batch | None, outputs: list[Node]) -> None:
        self.batch = batch
        self.outputs = outputs
        self.used = False
        """A backward went through it."""


class Passes:
    """The pass that runs now, and everything that outlives a pass."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.tracer = Tracer(self)
        self.watching = False
        self.pending = Pending()
        self.evaluations = Evaluations()
        self.neighbours = Neighbours()
        self.repetition = Repetition()
        self.origins = Origins(monitor.inventory)
        self.roots: list[Node] = []
        self.segments: list[Segment] = [Segment(None, [])]
        self.stack: list[nn.Module] = []
        self.carried = 0
        self.carried_where: Where | None = None
        self.batch_size = 0
        self.last_accuracy: float | None = None
        self.called: Where | None = None
        self.seconds_of_evaluation = 0.0
        self._pushed = False
        self._prelude = True
        self._dead: dict[str, DeadUnits] = {}
        self._told: dict[str, set[Any]] = {"train": set(), "evaluation": set()}
        self._training_lines: set[tuple[str | None, int | None]] = set()
        self._watched = 0
        self._light: Batch | None = None
        self._exception: dict[str, Any] = {}
        self._old: list[Any] = []
        self._evaluated = 0
        self.naming = Naming(
            monitor.inventory.module_name,
            monitor.inventory.parameter_name,
            monitor.inventory.where_built,
        )

    # Tracer's owner.

    @property
    def seconds(self) -> float:
        """The monitor's own time."""
        return self.monitor.seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        self.monitor.seconds = value
        if self._prelude and value > 0.15:
            self._prelude = False
            self._hold(False)

    def module_of(self) -> nn.Module | None:
        """The innermost module that is being called."""
        return self.stack[-1] if self.stack else None

    def prepared(self, name: str, inputs: list[Tensor], result: Tensor, in_place: bool) -> None:
        """An operation outside the graph: data are made or weights filled."""
        self.origins.note(name, inputs, result, in_place)

    def fail(self, failure: Exception) -> None:
        """Our own failure."""
        self.monitor.fail(failure)

    def broke(self, name: str, bound: dict[str, Any], error: Exception) -> None:
        """An operation of the script raised: keep what it was given."""
        self.monitor.guarded(self._broke, name, bound, error)

    def _broke(self, name: str, bound: dict[str, Any], error: Exception) -> None:
        values: dict[str, float] = {}
        if name in LOSSES:
            loss_values(name, bound, None, values)
        self._exception = {
            "operation": name,
            "text": str(error),
            "attributes": attributes_of(name, bound, self.module_of()),
            "shapes": {k: list(v.shape) for k, v in bound.items() if isinstance(v, Tensor)},
            "values": values,
        }

    def noted(self, node: Node, bound: dict[str, Any], result: Tensor) -> None:
        """An operation of the graph ran."""
        node.segment = len(self.segments) - 1
        if self.stack:
            node.called = self.called
        if node.parameter is not None:
            held = self.monitor.inventory.meet(node.parameter, node.frame, node.module)
            held.used_by = held.used_by or "?"
        wants_gradient = measure_result(
            node, result, self.pending, self._watched % HISTOGRAM_EVERY == 0
        )
        if node.name in RECTIFIERS and result.dim() >= 2 and is_plain(result):
            node.attributes["channel_dim"] = node.channel_dim
            self._count_dead(node, result)
        if node.name == "batch_norm" and node.attributes.get("training"):
            norm_gap(bound, node.values)
        if node.name in LOSSES:
            loss_values(node.name, bound, result, node.values)
            self._loss_noted(node, bound, result)
        elif node.name in ("getitem", "gather", "eq"):
            self._labels_noted(node, bound, result)
        if wants_gradient and result.requires_grad and torch.is_grad_enabled():
            self._follow_gradient(node, result)
        if node.name in ("add", "cat", "stack") and not self.stack and result.requires_grad:
            self._carry(node, bound)

    def _count_dead(self, node: Node, result: Tensor) -> None:
        module = self.naming.module(node.module) if node.module is not None else ""
        key = f"{module}:{node.where.line}:{result.shape[node.channel_dim % result.dim()]}"
        if result.requires_grad:
            count = sum(
                other.name == node.name
                and other.module is node.module
                and other.where.line == node.where.line
                for other in self.tracer.nodes
            )
            dead = self._dead.setdefault(f"{key}:{count}", DeadUnits())
            found = dead.add(result, node.channel_dim)
            if found is not None:
                node.values["dead_fraction"], node.values["dead_window"] = found

    def _follow_gradient(self, node: Node, result: Tensor) -> None:
        values, pending = node.values, self.pending

        def measure_gradient(gradient: Tensor) -> None:
            numbers = sample(gradient).float()
            pending.put(values, "grad_rms", numbers.square().mean().sqrt())
            if not values.get("grad_rms", 0.0) < 1e30:
                bad = (~torch.isfinite(numbers)).float().mean()
                pending.put(values, "grad_non_finite", bad)

        result.register_hook(measure_gradient)

    def _loss_noted(self, node: Node, bound: dict[str, Any], result: Tensor) -> None:
        data, target = bound.get("input"), bound.get("target")
        if not isinstance(data, Tensor):
            return
        self.label(data, class_labels(target))
        size = data.shape[0] if data.dim() else 1
        accuracy = node.values.get("accuracy")
        if result.requires_grad:
            self.last_accuracy = accuracy
            if "value" in node.values:
                self.monitor._losses.append(node.values["value"])
        else:
            self.evaluations.loss(node.values.get("value", float("nan")), size)
            if accuracy is not None:
                self.evaluations.accuracy(accuracy * size, size)

    def _labels_noted(self, node: Node, bound: dict[str, Any], result: Tensor) -> None:
        if self.stack or not is_plain(result):
            return
        if node.name == "eq":
            made = [n for n in node.inputs if isinstance(n, Node)]
            if result.dtype is torch.bool and result.dim() == 1 and made and _decides(made[0]):
                correct = float(result.sum())
                if torch.is_grad_enabled():
                    self.last_accuracy = correct / max(1, len(result))
                self.evaluations.accuracy(correct, len(result))
            return
        index = next((v for k, v in bound.items() if k not in ("input", "self")), None)
        picked = index[-1] if isinstance(index, tuple) and len(index) == 2 else index
        data = bound.get("input", bound.get("self"))
        if isinstance(picked, Tensor) and not picked.is_floating_point() and data is not None:
            self.label(data, class_labels(picked))

    def _carry(self, node: Node, bound: dict[str, Any]) -> None:
        """A sum over steps that still hangs on the graph of an earlier step."""
        for value in bound.values():
            if (
                isinstance(value, Tensor)
                and value.requires_grad
                and not value.is_leaf
                and self.tracer.maker(value) is None
                and value.numel() == 1
            ):
                self.carried += 1
                self.carried_where = node.where

    # The life of a pass.

    def open(self) -> None:
        """Watch from here on."""
        self.watching = True
        self._prelude = self._prelude and self.monitor.step == 0
        self._begin()
        self._hold(True)

    def close(self) -> None:
        """Stop watching; what the pass holds was written before or is dropped."""
        self.watching = False
        self._prelude = False
        self._hold(False)
        self._begin()

    def _begin(self) -> None:
        self.tracer.forget()
        self.roots = []
        self.segments = [Segment(None, [])]

    def suspend(self, pause: bool) -> None:
        """See nothing while an optimizer computes; go on after it."""
        if self._pushed:
            (pop if pause else push)(self.tracer)

    def _hold(self, wanted: bool) -> None:
        if wanted and not self._pushed and self.monitor.live:
            self.monitor.taps.eager(True)
            push(self.tracer)
        elif not wanted and self._pushed:
            pop(self.tracer)
            self.monitor.taps.eager(False)
        self._pushed = wanted and self.monitor.live

    @property
    def tracing(self) -> bool:
        """Whether operations are seen right now."""
        return self._pushed

    def root_called(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """The user calls a model."""
        model = self.monitor.inventory.model(module)
        where = here()
        images = main_input(args, kwargs)
        if not model.has_parameters or images is None:
            return
        grad = torch.is_grad_enabled()
        if self.watching and not self._pushed:
            self._hold(True)
        self._leave_segment()
        self.called = where
        evaluates = not grad or not module.training
        if evaluates or self._stray(where):
            model.evaluation_calls += 1
            self._evaluation_called(model.name, module, where)
        else:
            model.training_calls += 1
            self.batch_size = int(images.shape[0])
            self.repetition.add(images)
        batch = Batch(self.monitor.step, "train", model=model.name, where=where)
        batch.training, batch.grad_enabled, batch.size = module.training, grad, len(images)
        if self._pushed:
            batch.origin = self.origins.of(images)
            measure(images, batch, self.pending)
            batch.modes = modes(module)
            self._old.append(images)
            self.segments.append(Segment(batch, []))
        elif not evaluates:
            self._light = batch
            batch.shape = list(images.shape)

    def _stray(self, where: Where) -> bool:
        line = (where.file, where.line)
        waiting = sum(s.batch is not None and not s.used for s in self.segments)
        known = self._training_lines
        return bool(known) and line not in known and waiting >= PENDING_CALLS

    def _evaluation_called(self, name: str, module: nn.Module, where: Where) -> None:
        run = self.evaluations.call(name, where, self.monitor.step, module.training)
        if run.calls == 1:
            self._evaluated += 1
        if not torch.is_grad_enabled():
            self.monitor.book.used_for("evaluation")
        many = EVALUATED_BATCHES if self._evaluated <= EVALUATED_RUNS else 1
        wanted = run.calls <= many and self._affordable()
        if run.calls <= many + 1 or wanted != self._pushed:
            self._hold(wanted or (self.watching and torch.is_grad_enabled() and run.calls <= many))

    def _affordable(self) -> bool:
        elapsed = perf_counter() - (self.monitor._began or perf_counter())
        return self._evaluated <= EVALUATED_RUNS or (
            self.seconds_of_evaluation < EVALUATION_SHARE * elapsed / 4
        )

    def _leave_segment(self) -> None:
        """Another model call begins: was the last one an evaluation? Then it is written now."""
        last = self.segments[-1]
        if last.batch is None or last.used:
            return
        waiting = [s for s in self.segments if s.batch is not None and not s.used]
        if not last.batch.grad_enabled or not last.batch.training or len(waiting) > 64:
            self._write_evaluation(len(self.segments) - 1)

    def root_returned(self, result: Any) -> None:
        """The model's call is over."""
        if self._pushed and self.segments[-1].batch is not None:
            made = [self.tracer.maker(t) for t in _tensors(result)]
            self.segments[-1].outputs = [node for node in made if node is not None]

    def label(self, data: Tensor, labels: list[int]) -> None:
        """A loss got these labels with a prediction: they belong to the last batch of that size."""
        if not labels:
            return
        if not self._pushed:
            if self._light is not None and self._light.size == len(labels):
                self._light.labels = labels
            return
        maker = self.tracer.maker(data)
        near = [self.segments[maker.segment]] if maker is not None else []
        for segment in (*near, *reversed(self.segments)):
            batch = segment.batch
            if batch is not None and batch.size >= len(labels) and not batch.labels:
                batch.labels = labels
                return

    def rooted(self, losses: list[Tensor]) -> None:
        """backward is called on these."""
        if not self._pushed:
            return
        if any(
            is_plain(t)
            and t.numel() == 1
            and t.device.type == "cpu"
            and not torch.isfinite(t.detach())
            for t in losses
        ):
            self._examine(losses[0])
        for tensor in losses:
            node = self.tracer.maker(tensor)
            if node is None:
                continue
            self.roots.append(node)
            known = node.ancestors()
            for other in self.tracer.nodes:
                if id(other) in known:
                    segment = self.segments[other.segment]
                    segment.used = True
                    if segment.batch is not None:
                        line = segment.batch.where
                        self._training_lines.add((line.file, line.line))

    def _examine(self, loss: Tensor) -> None:
        """A loss that is no number on a step that is watched: everything is in the signals."""

    def unwatched_loss(self, loss: Tensor) -> None:
        """The loss is NaN or infinite on a step that was not watched: look for the first cause."""
        name, where = first_bad(loss, self.monitor._tensors())
        step = self.monitor.step
        self.monitor.sink(LayerSignals(step, name, {"non_finite_fraction": 1.0}))
        if where == "input":
            self.monitor.sink(Batch(step, inputs={"non_finite_fraction": 1.0}))

    def end_evaluation(self, step: int) -> Epoch | None:
        """A backward begins: whatever ran since the last update without one is over."""
        run = self.evaluations.current
        if run is None:
            return None
        if self._pushed:
            # The pass that leads to this backward is the last segment; the rest was evaluation.
            for index in range(1, len(self.segments) - 1):
                batch = self.segments[index].batch
                if batch is not None and not (batch.training and batch.grad_enabled):
                    self._write_evaluation(index)
        last = self.segments[-1].batch
        learns = last is not None and last.grad_enabled and not last.training
        if learns and run.calls > 0:
            run.calls -= 1  # in evaluation mode, yet trained: no evaluation
            run.training = run.training and run.calls > 0
        return self.evaluations.end(step) if run.calls else self._no_run()

    def _no_run(self) -> None:
        self.evaluations.current = None

    def flush_light(self, wanted: bool) -> None:
        """After a step that was not watched: its labels, while the run is young."""
        light, self._light = self._light, None
        if wanted and light is not None and light.labels:
            light.step = self.monitor.step - 1
            self.monitor.sink(light)

    def flush_training(self) -> None:
        """An update is done: write the pass that led to it."""
        for index, segment in enumerate(self.segments):
            batch = segment.batch
            if batch is None or segment.used:
                continue
            if not batch.grad_enabled or (not batch.training and self.roots):
                self._write_evaluation(index)
        self.pending.flush()
        nodes = self.tracer.nodes
        if nodes and self.roots:
            self._write(nodes, "train", [s for s in self.segments if s.batch is not None])
            self.monitor.tell_facts()
        self._watched += 1

    def _write_evaluation(self, index: int) -> None:
        segment = self.segments[index]
        nodes = [node for node in self.tracer.nodes if node.segment == index]
        began = perf_counter()
        if nodes:
            self.tracer.nodes = [node for node in self.tracer.nodes if node.segment != index]
            self.pending.flush()
            self._write(nodes, "evaluation", [segment])
        segment.batch = None
        self.seconds_of_evaluation += perf_counter() - began

    def _write(self, nodes: list[Node], kind: str, segments: list[Segment]) -> None:
        sink, step = self.monitor.sink, max(0, self.monitor.step - (kind == "train"))
        if self.monitor.step == 0:
            step = 0
        keys = layer_keys(nodes, self.naming)
        for node, key in zip(nodes, keys, strict=True):
            held = None if node.parameter is None else self.monitor.inventory.find(node.parameter)
            if held is not None and held.used_by in ("", "?"):
                held.used_by = key
        graph = Graph(step, kind, operations(nodes, keys, self.naming))
        position = {id(node): i for i, node in enumerate(nodes)}
        graph.roots = [position[id(n)] for n in self.roots if id(n) in position]
        outputs = [n for segment in segments for n in segment.outputs]
        graph.outputs = [position[id(n)] for n in outputs if id(n) in position]
        shape = structure(graph)
        if shape not in self._told[kind] and len(self._told[kind]) < GRAPHS:
            self._told[kind].add(shape)
            sink(graph)
        for segment in segments:
            if segment.batch is not None:
                segment.batch.kind = kind
                sink(segment.batch)
        for line in signals(nodes, keys, step, kind):
            sink(line)
        self._learn_neighbours(kind, segments)

    def _learn_neighbours(self, kind: str, segments: list[Segment]) -> None:
        old, self._old = self._old, []
        if kind != "train" or self.neighbours.found:
            return
        for segment in segments:
            batch = segment.batch
            for images in old:
                if batch is not None and batch.labels and list(images.shape) == batch.shape:
                    self.neighbours.add(images, batch.labels)
                    break

    def note_exception(self, error: BaseException) -> None:
        """The script died of this."""
        frames = [f for f in traceback.extract_tb(error.__traceback__) if is_users(f.filename)]
        found = dict(self._exception) if self._exception.get("text") == str(error) else {}
        found |= {"type": type(error).__name__, "text": str(error)}
        if frames:
            found |= {"file": frames[-1].filename, "line": frames[-1].lineno}
        self.monitor.book.loop.exception = found

    def write(self, loop: Loop) -> None:
        """Fill in what `Loop` says of batches and evaluation."""
        self.evaluations.write(loop)
        loop.neighbours = dict(self.neighbours.found)
        loop.batch_period, loop.periods_seen = self.repetition.result()


def modes(module: nn.Module) -> dict[str, int]:
    """`Batch.modes`."""
    found = dict.fromkeys(("norms", "norms_training", "dropouts", "dropouts_training"), 0)
    for inner in module.modules():
        for name, kinds in MODES.items():
            if isinstance(inner, kinds):
                found[name] += 1
                found[f"{name}_training"] += inner.training
    return found


def _tensors(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    values = result.values() if isinstance(result, dict) else result
    if isinstance(values, list | tuple) or isinstance(result, dict):
        return [value for value in values if isinstance(value, Tensor)]
    return []


def _decides(node: Node) -> bool:
    """Whether a node's result are classes chosen: argmax, a maximum's position, a threshold."""
    for _ in range(6):
        if node.name in ("argmax", "max", "topk", "round", "gt", "ge", "lt"):
            return True
        made = [n for n in node.inputs if isinstance(n, Node)]
        if not made:
            return False
        node = made[0]
    return False
