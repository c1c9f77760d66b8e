"""Resizing against Pillow, against its own integers, and in memory as well as in value."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from steadygrad.errors import InputError
from steadygrad.images.resize import (
    resize,
    resized_shape,
    to_gray,
    working_square,
    working_squares,
)


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    shape = (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def pillow_resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    image = Image.fromarray(pixels.squeeze() if pixels.shape[2] == 1 else pixels)
    resized = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return resized.reshape(height, width, pixels.shape[2])


SHAPES = [(50, 80), (80, 50), (31, 31), (7, 9), (200, 33)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 32, 61])
def test_squash_is_within_one_level_of_pillow(shape, channels, size):
    pixels = noise(*shape, channels)
    ours = working_square(pixels, size, channels, "squash")
    assert ours.dtype == np.uint8
    assert ours.shape == (size, size, channels)
    assert np.abs(ours.astype(int) - pillow_resize(pixels, size, size)).max() <= 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [8, 32, 61])
def test_crop_is_the_centre_of_the_resized_picture(shape, size):
    pixels = noise(*shape)
    height, width = shape
    if height < width:
        long = int(width * size / height + 0.5)
        left = (long - size) // 2
        expected = pillow_resize(pixels, size, long)[:, left : left + size]
    else:
        long = int(height * size / width + 0.5)
        top = (long - size) // 2
        expected = pillow_resize(pixels, long, size)[top : top + size]
    ours = working_square(pixels, size, 3, "crop")
    assert np.abs(ours.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [8, 32, 61])
def test_pad_keeps_the_whole_picture_amid_black(shape, size):
    pixels = np.maximum(noise(*shape), 1)  # so that black is padding
    ours = working_square(pixels, size, 3, "pad")
    height, width = resized_shape(*shape, size, "pad")
    top, left = (size - height) // 2, (size - width) // 2
    inside = ours[top : top + height, left : left + width]
    assert np.abs(inside.astype(int) - pillow_resize(pixels, height, width)).max() <= 1
    outside = ours.copy()
    outside[top : top + height, left : left + width] = 0
    assert outside.max() == 0


@given(
    st.integers(1, 70_000),
    st.integers(1, 70_000),
    st.integers(1, 1024),
    st.sampled_from(["squash", "crop", "pad"]),
)
def test_resized_shape(height, width, size, how):
    rows, columns = resized_shape(height, width, size, how)
    if how == "squash":
        assert (rows, columns) == (size, size)
        return
    reference = min(height, width) if how == "crop" else max(height, width)
    assert (min if how == "crop" else max)(rows, columns) == size
    for side, resized in ((height, rows), (width, columns)):
        # Rounded half up, in exact integers: |2·resized·reference - 2·side·size| ≤ reference.
        difference = 2 * (resized * reference - side * size)
        assert -reference < difference <= reference or resized == 1


def test_resized_shape_swaps_with_its_sides():
    for how in ("crop", "pad"):
        assert resized_shape(123, 77, 50, how) == resized_shape(77, 123, 50, how)[::-1]


@pytest.mark.parametrize("how", ["squash", "crop", "pad"])
def test_working_size_is_left_alone(how):
    pixels = noise(40, 40)
    np.testing.assert_array_equal(working_square(pixels, 40, 3, how), pixels)


def test_every_gray_level_maps_to_itself():
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(to_gray(levels.expand(2, 3, 16, 16)), levels.expand(2, 1, 16, 16))


def test_gray_is_pillows():
    pixels = noise(64, 64)
    ours = to_gray(torch.from_numpy(pixels).permute(2, 0, 1))
    expected = np.asarray(Image.fromarray(pixels).convert("L"))
    np.testing.assert_array_equal(ours[0].numpy(), expected)


def test_a_gray_picture_is_the_same_read_as_gray_or_as_colour():
    gray = noise(50, 70, 1)
    colour = np.repeat(gray, 3, axis=2)
    for how in ("squash", "crop", "pad"):
        one = working_square(gray, 32, 1, how)
        np.testing.assert_array_equal(working_square(colour, 32, 1, how), one)
        np.testing.assert_array_equal(working_square(gray, 32, 3, how), np.repeat(one, 3, axis=2))


@pytest.mark.parametrize("how", ["squash", "crop", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_stack_is_its_pictures(how, channels):
    stack = np.stack([noise(30, 40, seed=seed) for seed in range(5)])
    together = working_squares(stack, 16, channels, how)
    apart = [working_square(picture, 16, channels, how) for picture in stack]
    np.testing.assert_array_equal(together, np.stack(apart))
    assert together.flags.c_contiguous


def test_memory_layout_does_not_change_values():
    planes = torch.from_numpy(noise(45, 67)).permute(2, 0, 1)[None]
    assert torch.equal(resize(planes, 20, "crop"), resize(planes.contiguous(), 20, "crop"))


def test_read_only_pixels_are_fine():
    pixels = noise(20, 30)
    pixels.flags.writeable = False
    assert working_square(pixels, 10, 3, "crop").shape == (10, 10, 3)


def test_unknown_way_offers_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'crop'"):
        resized_shape(10, 10, 5, "corp")
