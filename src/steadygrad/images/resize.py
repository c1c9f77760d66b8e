"""Any picture to the working square, in integer arithmetic that the exported graph repeats."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from steadygrad.errors import choose

# ITU-R BT.601 luma in 16-bit fixed point, as Pillow has it. The weights add up to 65536, so that
# gray pixels (R = G = B) keep their value exactly.
RED_WEIGHT, GREEN_WEIGHT, BLUE_WEIGHT = 19595, 38470, 7471


def resized_shape(height: int, width: int, size: int, how: str) -> tuple[int, int]:
    """Return (height, width) after resizing and before cropping or padding to `size`.

    Squash: both sides become `size`. Crop: the shorter side does. Pad: the longer side does. The
    other side is long · size / short, rounded half up in integers, and never under 1.

    >>> resized_shape(300, 400, 224, "crop"), resized_shape(300, 400, 224, "pad")
    ((224, 299), (168, 224))
    """
    reference = choose("way to resize", how, _REFERENCES)(height, width)
    if reference == 0:
        return size, size
    return tuple(  # pyright: ignore[reportReturnType]
        max(1, (2 * side * size + reference) // (2 * reference)) for side in (height, width)
    )


_REFERENCES = {
    "squash": lambda height, width: 0,  # noqa: ARG005
    "crop": min,
    "pad": max,
}


def resize(pixels: torch.Tensor, size: int, how: str) -> torch.Tensor:
    """Resize (N, C, H, W) uint8 to (N, C, size, size) uint8, bilinear and antialiased.

    `how` is "squash" (aspect ratio changes), "crop" (shorter side to size, then the centre; the
    offset is (long - size) // 2) or "pad" (longer side to size, black around it; the offset is
    (size - short) // 2). Within 1 level of Pillow's bilinear. Fast in channels_last memory.

    >>> resize(torch.full((1, 3, 30, 40), 9, dtype=torch.uint8), 8, "pad")[0, 0, :, 0].tolist()
    [0, 9, 9, 9, 9, 9, 9, 0]
    """
    height, width = pixels.shape[-2:]
    shape = resized_shape(height, width, size, how)
    if shape != (height, width):
        pixels = F.interpolate(pixels, size=shape, mode="bilinear", antialias=True)
    if shape == (size, size):
        return pixels
    if how == "crop":
        top, left = (shape[0] - size) // 2, (shape[1] - size) // 2
        return pixels[..., top : top + size, left : left + size]
    top, left = (size - shape[0]) // 2, (size - shape[1]) // 2
    square = pixels.new_zeros((*pixels.shape[:-2], size, size))
    square[..., top : top + shape[0], left : left + shape[1]] = pixels
    return square


def to_gray(pixels: torch.Tensor) -> torch.Tensor:
    """Turn (…, 3, H, W) uint8 RGB into (…, 1, H, W) uint8 luma (ITU-R BT.601, as Pillow rounds).

    >>> to_gray(torch.tensor([255, 0, 0], dtype=torch.uint8).reshape(3, 1, 1)).item()
    76
    """
    red, green, blue = pixels.to(torch.int32).unbind(-3)
    luma = (red * RED_WEIGHT + green * GREEN_WEIGHT + blue * BLUE_WEIGHT + 0x8000) >> 16
    return luma.to(torch.uint8).unsqueeze(-3)


def working_square(pixels: np.ndarray, size: int, channels: int, how: str) -> np.ndarray:
    """Bring one picture (H, W, 1 or 3) uint8 to (size, size, channels) uint8.

    Colour goes to gray after the resize: that is cheaper, and a gray picture stays as it is.

    >>> working_square(np.zeros((5, 9, 3), np.uint8), 4, 1, "crop").shape
    (4, 4, 1)
    """
    return working_squares(pixels[None], size, channels, how)[0]


def working_squares(pixels: np.ndarray, size: int, channels: int, how: str) -> np.ndarray:
    """Do as `working_square` for a stack (N, H, W, 1 or 3) of pictures of one size."""
    if not pixels.flags.writeable:  # torch has no read-only tensors and warns
        pixels = pixels.copy()
    # A view, not a copy: (N, H, W, C) memory is what torch calls channels_last.
    squares = resize(torch.from_numpy(pixels).permute(0, 3, 1, 2), size, how)
    if channels == 1 and squares.shape[1] == 3:
        squares = to_gray(squares)
    elif channels == 3 and squares.shape[1] == 1:
        squares = squares.expand(-1, 3, -1, -1)
    return np.ascontiguousarray(squares.permute(0, 2, 3, 1).numpy())
