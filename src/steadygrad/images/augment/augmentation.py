"""All augmentation of a recipe, in its order, for one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch

from steadygrad.images.augment.colour import jitter_colour
from steadygrad.images.augment.erase import erase_rectangles
from steadygrad.images.augment.geometry import (
    flip_left_right,
    resized_crop_rotate,
    shift_and_flip,
)
from steadygrad.images.augment.mixing import cutmix, mixup, one_hot
from steadygrad.images.augment.trivial import trivial_augment
from steadygrad.images.randomness import derived_seed
from steadygrad.record import Recipe


@dataclass(frozen=True)
class Augmentation:
    """What happens to a batch of training pictures; every field's neutral value is "nothing".

    Order: shift, crop, rotate and flip in one resampling; TrivialAugment; colour; erasing;
    mixup or cutmix (a coin per batch where both are on).
    """

    flip: str = "none"
    shift: int = 0
    min_crop: float = 1.0
    rotation: float = 0.0
    trivial: float = 0.0
    colour: float = 0.0
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    train_size: int = 0
    seed: int = 0

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Self:
        """The augmentation a resolved recipe asks for."""
        return cls(
            flip=recipe.flip,
            shift=recipe.shift,
            min_crop=recipe.min_crop,
            rotation=recipe.rotation,
            trivial=recipe.trivial,
            colour=recipe.colour,
            erasing=recipe.erasing,
            mixup=recipe.mixup,
            cutmix=recipe.cutmix,
            train_size=recipe.train_size,
            seed=recipe.seed,
        )

    def __call__(
        self,
        pixels: torch.Tensor,
        labels: torch.Tensor,
        indices: torch.Tensor,
        *,
        epoch: int,
        rng: torch.Generator,
        num_classes: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Change one batch.

        `pixels` (B, C, H, W) uint8, `labels` (B,) int64, `indices` (B,) the pictures' places in
        the data (for alternate flips). Returns pixels, uint8 or float32 in [0, 255], and targets:
        the labels, or (B, num_classes) float32 where pictures were mixed. A pure function of its
        arguments and `rng`'s state.
        """
        pixels = self._move(pixels, indices, epoch, rng)
        if self.trivial > 0:
            pixels = trivial_augment(pixels, rng, self.trivial)
        if self.colour > 0:
            pixels = jitter_colour(pixels, rng, self.colour)
        if self.erasing > 0:
            pixels = erase_rectangles(pixels, rng, self.erasing)
        return self._mix(pixels, labels, rng, num_classes)

    def _move(
        self, pixels: torch.Tensor, indices: torch.Tensor, epoch: int, rng: torch.Generator
    ) -> torch.Tensor:
        flip = flip_left_right(self.flip, indices, epoch, derived_seed(self.seed, "flip"), rng)
        smaller = self.train_size > 0 and self.train_size != pixels.shape[2]
        if self.min_crop < 1 or self.rotation > 0 or smaller:
            return resized_crop_rotate(
                pixels,
                flip,
                rng,
                min_crop=self.min_crop,
                rotation=self.rotation,
                shift=self.shift,
                size=max(0, self.train_size),
            )
        if self.shift > 0 or self.flip != "none":
            largest = min(self.shift, min(pixels.shape[2:]) - 1)
            shift = torch.randint(-largest, largest + 1, (len(pixels), 2), generator=rng)
            return shift_and_flip(pixels, flip, shift)
        return pixels

    def _mix(
        self, pixels: torch.Tensor, labels: torch.Tensor, rng: torch.Generator, num_classes: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self.mixup <= 0 and self.cutmix <= 0:
            return pixels, labels
        targets = one_hot(labels, num_classes)
        coin = float(torch.rand(1, generator=rng))
        if self.cutmix > 0 and (self.mixup <= 0 or coin < 0.5):
            return cutmix(pixels, targets, rng, self.cutmix)
        return mixup(pixels, targets, rng, self.mixup)
