"""Every kind of pixel to 8-bit RGB: the second half of the policy in docs/images.md. No torch."""

from __future__ import annotations

import numpy as np
from PIL import Image

_GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "F"})


def is_gray(mode: str) -> bool:
    """Say whether a picture of this Pillow mode has no colour.

    >>> is_gray("L"), is_gray("I;16B"), is_gray("P")
    (True, True, False)
    """
    return mode in _GRAY_MODES or mode.startswith("I;16")


def to_rgb(image: Image.Image) -> np.ndarray:
    """Load an opened picture as (H, W, 3) uint8 RGB, transparent parts over white.

    Raises whatever Pillow raises on damaged data, and ValueError on values that are not finite.
    """
    image.load()
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        gray = _to_8_bits(np.asarray(image), _is_sixteen_bit(image))
        return np.repeat(gray[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return np.array(Image.alpha_composite(white, rgba).convert("RGB"))
    return np.array(image.convert("RGB"))


def _is_sixteen_bit(image: Image.Image) -> bool:
    # Some Pillow versions open a 16-bit PNG as 32-bit integers.
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")


def _to_8_bits(values: np.ndarray, sixteen: bool) -> np.ndarray:
    """Scale wide gray values (H, W) to uint8 by the range they come in (docs/images.md)."""
    if sixteen:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    wide = values.astype(np.float64)
    low, high = float(wide.min()), float(wide.max())
    if not np.isfinite([low, high]).all():
        raise ValueError("values that are not finite")
    if low >= 0 and high <= 1 and values.dtype.kind == "f":
        wide *= 255
    elif low >= 0 and high <= 255:
        pass
    elif low >= 0 and high <= 65535:
        wide /= 257
    else:
        wide = (wide - low) * 255 / (high - low) if high > low else np.zeros_like(wide)
    return (wide + 0.5).astype(np.uint8)
