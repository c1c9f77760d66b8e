"""The ways that train with torch: ours, the plain loop, Lightning.

A way trains until `clock.step(num_images, score)` says stop, and returns what there is to say
about it: parameters of the network, precision, memory layout.
"""

from __future__ import annotations

import pickle
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from side_by_side.measure import (
    IMAGES,
    LR,
    TASKS,
    AccuracyClock,
    Measurement,
    SpeedClock,
    Task,
)
from side_by_side.nets import network_of
from side_by_side.pictures import SHIFT, OneByOne, Score, loader
from steadygrad import (
    Images,
    Recipe,
    build,
    evaluate,
    load_images,
    machine,
    make_batches,
    resolve,
    start,
    train,
)
from steadygrad.train import TrainingState

Clock = SpeedClock | AccuracyClock
FP32 = "fp32, contiguous"


def steadygrad(measurement: Measurement, clock: Clock) -> dict[str, Any]:
    """What `steadygrad train` does up to the last step, with the plain network and optimiser."""
    task = TASKS[measurement.task]
    fp32 = {"precision": "fp32", "memory_format": "contiguous"}
    return _ours(
        measurement,
        clock,
        {
            "model": task.model,
            "epochs": 10_000,
            "batch_size": task.batch_size,
            "optimizer": "adam",
            "lr": LR,
            "weight_decay": 0.0,
            "schedule": "constant",
            "warmup": 0.0,
            "label_smoothing": 0.0,
            "average_decay": 0.0,
            "flip": "random" if task.augment else "none",
            "shift": SHIFT if task.augment else 0,
            "low_resolution": 0.0,
            **(fp32 if "bf16" in measurement.without else {}),
        },
    )


def steadygrad_short(measurement: Measurement, clock: Clock) -> dict[str, Any]:
    """What `steadygrad train DATA --epochs 2` does: its own network and recipe.

    Its rate falls to 0 over the run it is asked for, and its accuracy comes at the end: who wants a
    modest accuracy soon asks for a short run.
    """
    return _ours(measurement, clock, {"epochs": 2})


def _ours(measurement: Measurement, clock: Clock, fixed: dict[str, Any]) -> dict[str, Any]:
    if "memory" not in measurement.without:
        machine.keep_memory()
    task = TASKS[measurement.task]
    recipe = Recipe(device="cpu", threads=measurement.threads, seed=measurement.seed, **fixed)
    images = _images(measurement, task, recipe)
    recipe = resolve(recipe, images).replace(**fixed)
    classifier = build(recipe, images)
    batches = make_batches(recipe, images)
    if recipe.precision == "auto":
        found = machine.probe(classifier, batches.batch(0, 0).images)
        recipe = recipe.replace(precision=found.precision, memory_format=found.memory_format)
    state = start(classifier, recipe, len(batches))
    if "feeding" in measurement.without:
        batches = OneByOne(measurement, task, batches)
    steps = train(state, batches, recipe)
    for step in steps:
        if clock.step(step.num_images, lambda: _score(state, images, recipe.precision)):
            break
    steps.close()
    return {
        "parameters": _num_parameters(classifier.network),
        "precision": f"{recipe.precision}, {recipe.memory_format}",
    }


def _images(measurement: Measurement, task: Task, recipe: Recipe) -> Images:
    """The pictures; decoding and audit come before the first step: part of the race only."""
    if measurement.goal == "speed":
        return pickle.loads((Path(measurement.folder) / IMAGES).read_bytes())
    return load_images(task.data, recipe, data_root=measurement.data_root)


def _score(state: TrainingState, images: Images, precision: str) -> float:
    """Validation accuracy as a run measures it: with averaged weights, where it keeps any."""
    classifier = state.classifier
    averaged = state.average.applied(classifier) if state.average else nullcontext()
    with averaged:
        return evaluate(classifier, images.val, precision=precision).accuracy


def plain(measurement: Measurement, clock: Clock) -> dict[str, Any]:
    """The loop everybody copies."""
    task = TASKS[measurement.task]
    torch.manual_seed(measurement.seed)
    score = Score(measurement, task)
    batches = loader(measurement, task)
    network = network_of(task)
    optimizer = torch.optim.Adam(network.parameters(), lr=LR)
    criterion = nn.CrossEntropyLoss()
    network.train()
    running_loss = 0.0
    for _ in count():
        for images, labels in batches:
            optimizer.zero_grad()
            loss = criterion(network(images), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            if clock.step(len(images), lambda: score(network)):
                return {"parameters": _num_parameters(network), "precision": FP32}
    raise AssertionError("unreachable: a clock stops every loop")


def lightning(measurement: Measurement, clock: Clock) -> dict[str, Any]:
    """Lightning's Trainer with a DataLoader, its defaults but for logs and files."""
    import lightning as pl  # only where this way is measured

    task = TASKS[measurement.task]
    pl.seed_everything(measurement.seed)
    score = Score(measurement, task)

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network_of(task)

        def training_step(self, batch: Any, batch_index: int) -> torch.Tensor:  # noqa: ARG002
            images, labels = batch
            return F.cross_entropy(self.network(images), labels)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=LR)

    class Watch(pl.Callback):
        def on_train_batch_end(
            self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            del outputs, batch_idx
            if clock.step(len(batch[0]), lambda: score(module.network)):
                trainer.should_stop = True

    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        callbacks=[Watch()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = Module()
    trainer.fit(module, loader(measurement, task))
    return {"parameters": _num_parameters(module.network), "precision": FP32}


def _num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
