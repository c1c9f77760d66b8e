"""Keeps count of optimizers, schedules and loaders: what `Loop` says of the user's loop."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from steadygrad.monitor.lines import here
from steadygrad.record import Loader, Loop, Optimizer, Scheduler, Where

PLAIN = (bool, int, float, str)
GROUP_KEYS = ("lr", "initial_lr", "weight_decay", "momentum", "nesterov", "betas", "eps")


class Tracked:
    """One optimizer and what was seen of it."""

    def __init__(self, optimizer: torch.optim.Optimizer, where: Where) -> None:
        self.ref = weakref.ref(optimizer)
        self.line = Optimizer(type(optimizer).__name__, where)
        self.backwards = 0
        """Since its last update."""
        self.per_step: deque[int] = deque(maxlen=50)

    def refresh(self) -> None:
        """Bring the plain numbers of its groups up to date."""
        optimizer = self.ref()
        if optimizer is None:
            return
        self.line.groups = [
            {key: plain(group[key]) for key in GROUP_KEYS if key in group}
            | {"num_parameters": len(group["params"])}
            for group in optimizer.param_groups
        ]
        self.line.decoupled_decay = "AdamW" in self.line.name or any(
            group.get("decoupled_weight_decay") for group in optimizer.param_groups
        )
        self.line.backwards_per_step = median(self.per_step) if self.per_step else 0.0


def plain(value: Any) -> Any:
    """A number or text as it is, a one-element tensor's number, text for anything else."""
    if isinstance(value, PLAIN) or value is None:
        return value
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return float(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(type(value).__name__)


class LoopBook:
    """All optimizers, schedules and loaders of the run, by the order of their making."""

    def __init__(self) -> None:
        self.optimizers: list[Tracked] = []
        self.schedulers: list[tuple[weakref.ref[Any], Scheduler]] = []
        self.loaders: list[tuple[weakref.ref[Any], Loader]] = []
        self.current_loader: Loader | None = None
        self.manual: Optimizer | None = None
        """Stands for updates by hand."""
        self.loop = Loop()

    def optimizer(self, optimizer: torch.optim.Optimizer) -> tuple[int, Tracked]:
        """The optimizer's place and record, taken up when it is new."""
        inner = getattr(optimizer, "optimizer", None)
        if isinstance(inner, torch.optim.Optimizer):  # a wrapper, as accelerate's
            return self.optimizer(inner)
        for number, tracked in enumerate(self.optimizers):
            if tracked.ref() is optimizer:
                return number, tracked
        self.optimizers.append(Tracked(optimizer, here(optimizer, depth=1)))
        return len(self.optimizers) - 1, self.optimizers[-1]

    def tensors(self) -> Iterator[Tensor]:
        """Every tensor an optimizer holds."""
        for tracked in self.optimizers:
            optimizer = tracked.ref()
            if optimizer is not None:
                for group in optimizer.param_groups:
                    yield from group["params"]

    def by_hand(self, stale: bool) -> None:
        """A watched round of a loop that changes its weights without an optimizer."""
        if self.manual is None:
            self.manual = Optimizer("manual")
        self.manual.watched += 1
        self.manual.steps += 1
        self.manual.stale += stale
        self.manual.where = self.manual.step_where = self.loop.backward_where

    def scheduler(self, scheduler: Any) -> Scheduler:
        """The schedule's record, taken up when it is new."""
        for ref, line in self.schedulers:
            if ref() is scheduler:
                return line
        line = Scheduler(type(scheduler).__name__, here(scheduler, depth=1))
        optimizer = getattr(scheduler, "optimizer", None)
        if isinstance(optimizer, torch.optim.Optimizer):
            line.optimizer, tracked = self.optimizer(optimizer)
            line.first_lr = _lr(optimizer)
            line.arguments["_updates_before"] = tracked.line.steps
            line.arguments["_epochs_before"] = self.epochs()
        self.schedulers.append((weakref.ref(scheduler), line))
        return line

    def scheduler_stepped(self, scheduler: Any) -> None:
        """The user called `scheduler.step()`."""
        line = self.scheduler(scheduler)
        line.steps += 1
        line.step_where = here(depth=1)
        if line.optimizer is not None:
            tracked = self.optimizers[line.optimizer]
            if line.steps == 1 and tracked.line.steps == line.arguments.get("_updates_before", 0):
                line.before_optimizer = True
        self._note_rate(line)

    def loader(self, loader: DataLoader[Any]) -> Loader:
        """The loader's record, taken up when it is new."""
        for ref, line in self.loaders:
            if ref() is loader:
                return line
        line = Loader(here(loader, depth=1), batch_size=loader.batch_size or 0)
        line.drop_last = bool(loader.drop_last)
        line.sampler = type(getattr(loader, "sampler", None)).__name__
        try:
            line.num_batches = len(loader)
            line.num_examples = len(loader.dataset)  # type: ignore[arg-type]
        except (TypeError, NotImplementedError, AttributeError):
            pass  # an iterable data set has no length
        self.loaders.append((weakref.ref(loader), line))
        return line

    def loader_begun(self, loader: DataLoader[Any]) -> None:
        """The user began to iterate over a loader."""
        self.current_loader = self.loader(loader)
        self.current_loader.iterations += 1

    def used_for(self, kind: str) -> None:
        """The batches that come from the current loader are for training or evaluation."""
        if self.current_loader is not None and self.current_loader.kind != "train":
            self.current_loader.kind = kind

    def epochs(self) -> int:
        """Passes begun over the busiest training loader."""
        counts = [line.iterations for _, line in self.loaders if line.kind == "train"]
        return max(counts, default=0)

    def plain(self) -> Loop:
        """`Loop` with everything brought up to date (a new object each time)."""
        for tracked in self.optimizers:
            tracked.refresh()
        for ref, line in self.schedulers:
            self._refresh_scheduler(ref(), line)
        self.loop.optimizers = [tracked.line for tracked in self.optimizers]
        if self.manual is not None:
            self.loop.optimizers.append(self.manual)
        self.loop.schedulers = [line for _, line in self.schedulers]
        self.loop.loaders = [line for _, line in self.loaders]
        return self.loop

    def _refresh_scheduler(self, scheduler: Any, line: Scheduler) -> None:
        kept = {key: line.arguments[key] for key in line.arguments if key.startswith("_")}
        line.epochs = self.epochs() - int(kept.get("_epochs_before", 0))
        if line.optimizer is not None:
            before = int(kept.get("_updates_before", 0))
            line.optimizer_steps = self.optimizers[line.optimizer].line.steps - before
            self._note_rate(line)
        if scheduler is None:
            return
        line.arguments = {
            key: plain(value)
            for key, value in vars(scheduler).items()
            if isinstance(value, (*PLAIN, list)) and not key.startswith("_")
        }
        milestones = getattr(scheduler, "milestones", None)
        if milestones is not None:
            line.arguments["milestones"] = sorted(milestones)
        line.arguments.update(kept)

    def _note_rate(self, line: Scheduler) -> None:
        """The rate as it is now; kept when the optimizer is gone."""
        optimizer = None if line.optimizer is None else self.optimizers[line.optimizer].ref()
        if optimizer is not None:
            line.last_lr = _lr(optimizer)


def _lr(optimizer: torch.optim.Optimizer) -> float:
    return max((float(group["lr"]) for group in optimizer.param_groups), default=0.0)
