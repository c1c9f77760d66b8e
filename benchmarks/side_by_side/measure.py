"""What is measured: the tasks, one measurement as plain data, and the two clocks. No torch here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LR = 1e-3
"""Adam's rate everybody copies."""
ARRAYS = "arrays.npz"
"""train_images (N, H, W, C) uint8, train_labels (N,) int64, val_images, val_labels."""
IMAGES = "images.pickle"
"""An Images, for measurements of speed."""
NEEDS = {"lightning": ("lightning",), "keras-torch": ("keras",), "keras-jax": ("keras", "jax")}
"""Peer → packages it takes."""
PEERS = ("plain", *NEEDS)
PARTS = {
    "memory": "memory kept between steps",
    "bf16": "bf16 and channels_last",
    "feeding": "whole batches fed without workers",
}
"""Where our speed comes from; each can be taken away."""


@dataclass(frozen=True)
class Task:
    """The same network on the same pictures for everybody."""

    title: str
    data: str
    """Name of a known set."""
    model: str
    """As `steadygrad train --model` takes it."""
    channels: int
    size: int
    """Pixels a side."""
    batch_size: int
    augment: bool
    """Random shift by up to 4 pixels and flip."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Of the training pixels in [0, 1], as scripts have them written in."""
    peers: tuple[str, ...] = PEERS
    """Who is measured beside us."""


TASKS = {
    "convnet": Task(
        "small ConvNet, 28×28 gray (Fashion-MNIST), batches of 64",
        "fashion-mnist",
        "side_by_side.nets:small_convnet",
        channels=1,
        size=28,
        batch_size=64,
        augment=False,
        mean=(0.2860,),
        std=(0.3530,),
    ),
    "convnet-512": Task(
        "the same ConvNet in batches of 512",
        "fashion-mnist",
        "side_by_side.nets:small_convnet",
        channels=1,
        size=28,
        batch_size=512,
        augment=False,
        mean=(0.2860,),
        std=(0.3530,),
        peers=("plain",),
    ),
    "resnet18": Task(
        "ResNet-18, 32×32 colour (CIFAR-10), batches of 128, shifts and flips",
        "cifar10",
        "resnet18",
        channels=3,
        size=32,
        batch_size=128,
        augment=True,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
    ),
}


@dataclass(frozen=True)
class Measurement:
    """One measurement, made in a process of its own."""

    way: str
    task: str
    goal: str
    """ "speed" or "accuracy"."""
    threads: int
    workers: int
    data_root: str | None = None
    folder: str = ""
    """Holds the task's pictures for peers (ARRAYS) and for the speed of ours (IMAGES)."""
    seed: int = 0
    without: tuple[str, ...] = ()
    """Names of PARTS that ours does without."""
    warmup_seconds: float = 1.0
    seconds: float = 2.5
    target: float = 0.9
    check_every: int = 6750
    """Training pictures between two looks at the validation pictures."""
    max_images: int = 1_000_000

    @property
    def arrays(self) -> Path:
        """The pictures as peers get them: already decoded and split."""
        return Path(self.folder) / ARRAYS

    def clock(self) -> SpeedClock | AccuracyClock:
        """Start the clock this measurement asks for."""
        if self.goal == "speed":
            return SpeedClock(self.warmup_seconds, self.seconds)
        return AccuracyClock(self.target, self.check_every, self.max_images)


class SpeedClock:
    """Images per second of whole steps, from after a warm-up on."""

    fewest_steps = 2
    """For the warm-up and for the measurement."""

    def __init__(self, warmup_seconds: float, seconds: float) -> None:
        self._warmup_seconds, self._seconds = warmup_seconds, seconds
        self._first = self._began = self._ended = 0.0
        self._steps = self._images = 0
        self._done = False

    def step(self, num_images: int, score: Callable[[], float]) -> bool:  # noqa: ARG002
        """Count one finished step; True: stop."""
        if self._done:
            return True
        now = time.perf_counter()
        self._steps += 1
        if not self._began:
            self._first = self._first or now
            if now - self._first >= self._warmup_seconds and self._steps >= self.fewest_steps:
                self._began, self._steps = now, 0
            return False
        self._images += num_images
        self._ended = now
        enough = now - self._began >= self._seconds and self._steps >= self.fewest_steps
        self._done = enough
        return enough

    def result(self) -> dict[str, object]:
        """What was measured."""
        return {
            "images_per_second": self._images / (self._ended - self._began),
            "steps": self._steps,
        }


class AccuracyClock:
    """Seconds from now until the validation accuracy first reaches a target; looking is free."""

    def __init__(self, target: float, check_every: int, max_images: int) -> None:
        self._target, self._check_every, self._max_images = target, check_every, max_images
        self._images, self._next = 0, check_every
        self._seconds, self._running_since = 0.0, time.perf_counter()
        self.looks: list[tuple[float, int, float]] = []
        """(seconds, training pictures seen, validation accuracy)."""

    def step(self, num_images: int, score: Callable[[], float]) -> bool:
        """Count one finished step, look when it is time; True: stop."""
        self._images += num_images
        if self._images < self._next:
            return False
        self.pause()
        return self.judge(score())

    def pause(self) -> None:
        """Stop the clock while the validation pictures are scored."""
        self._seconds += time.perf_counter() - self._running_since

    def judge(self, accuracy: float) -> bool:
        """Write down a look and start the clock again; True: stop."""
        self.looks.append((round(self._seconds, 2), self._images, round(accuracy, 4)))
        self._next += self._check_every
        self._running_since = time.perf_counter()
        return accuracy >= self._target or self._images >= self._max_images

    def count(self, num_images: int) -> None:
        """Count pictures of steps after which nobody looks."""
        self._images += num_images

    def result(self) -> dict[str, object]:
        """What was measured; seconds is None where the target was not reached."""
        seconds, images, accuracy = self.looks[-1]
        reached = accuracy >= self._target
        return {
            "seconds": seconds if reached else None,
            "images": images,
            "accuracy": accuracy,
            "looks": self.looks,
        }
