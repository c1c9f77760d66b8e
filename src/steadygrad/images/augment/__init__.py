"""Augmentation of whole batches: each kind a function, drawn from one generator per batch."""

from steadygrad.images.augment.augmentation import Augmentation
from steadygrad.images.augment.colour import jitter_colour
from steadygrad.images.augment.erase import erase_rectangles
from steadygrad.images.augment.geometry import flip_left_right, resized_crop_rotate, shift_and_flip
from steadygrad.images.augment.mixing import cutmix, mixup, one_hot
from steadygrad.images.augment.trivial import trivial_augment

__all__ = [
    "Augmentation",
    "cutmix",
    "erase_rectangles",
    "flip_left_right",
    "jitter_colour",
    "mixup",
    "one_hot",
    "resized_crop_rotate",
    "shift_and_flip",
    "trivial_augment",
]
