"""Pictures as the plain idiom feeds them: a Dataset with PIL transforms, one picture at a time.

torchvision has no build for every torch, so its transforms are written out here, step for step:
ToPILImage, RandomCrop with padding, RandomHorizontalFlip, ToTensor, Normalize.
"""

from __future__ import annotations

import random
from itertools import count

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from side_by_side.measure import Measurement, Task
from steadygrad.images.batches import Batch, Batches

SHIFT = 4


class Pictures(Dataset[tuple[Tensor, int]]):
    """Training pictures with their labels, changed one at a time; `raw`: uint8, not normalised."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, task: Task, *, raw: bool = False):
        self.images, self.labels, self.task, self.raw = images, labels, task, raw
        self.mean = torch.tensor(task.mean).view(-1, 1, 1)
        self.std = torch.tensor(task.std).view(-1, 1, 1)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        array = self.images[index]
        image = Image.fromarray(array[..., 0] if self.task.channels == 1 else array)
        if self.task.augment:
            image = ImageOps.expand(image, SHIFT)
            left, top = random.randint(0, 2 * SHIFT), random.randint(0, 2 * SHIFT)
            image = image.crop((left, top, left + self.task.size, top + self.task.size))
            if random.random() < 0.5:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(image).reshape(image.height, image.width, -1))
        pixels = pixels.permute(2, 0, 1).contiguous()
        if not self.raw:
            pixels = (pixels.float().div(255) - self.mean) / self.std
        return pixels, int(self.labels[index])


def loader(measurement: Measurement, task: Task, *, raw: bool = False) -> DataLoader:
    """The usual DataLoader over the training pictures."""
    with np.load(measurement.arrays) as arrays:
        pictures = Pictures(arrays["train_images"], arrays["train_labels"], task, raw=raw)
    return DataLoader(
        pictures, batch_size=task.batch_size, shuffle=True, num_workers=measurement.workers
    )


class Score:
    """Validation accuracy of a network that takes normalised input."""

    def __init__(self, measurement: Measurement, task: Task) -> None:
        self._arrays, self._task = measurement.arrays, task
        self._inputs: Tensor | None = None
        self._labels = torch.empty(0)

    def __call__(self, network: nn.Module) -> float:
        if self._inputs is None:
            with np.load(self._arrays) as arrays:
                pixels = torch.from_numpy(arrays["val_images"]).permute(0, 3, 1, 2).float() / 255
                self._labels = torch.from_numpy(arrays["val_labels"])
            mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (self._task.mean, self._task.std))
            self._inputs = (pixels - mean) / std
        network.eval()
        with torch.no_grad():
            answers = torch.cat([network(part).argmax(1) for part in self._inputs.split(500)])
        network.train()
        return (answers == self._labels).float().mean().item()


class OneByOne:
    """Our batches' place taken by the usual DataLoader: what feeding by worker processes costs."""

    def __init__(self, measurement: Measurement, task: Task, batches: Batches) -> None:
        self._length = len(batches)
        feed = loader(measurement, task, raw=True)
        self._batches = (batch for _ in count() for batch in feed)

    def __len__(self) -> int:
        return self._length

    def batch(self, epoch: int, step: int) -> Batch:  # noqa: ARG002
        """Whatever the loader gives next."""
        images, labels = next(self._batches)
        return Batch(images, labels, torch.empty(0))
