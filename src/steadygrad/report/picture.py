"""Small pictures for the page: made from pixels, put into it as data."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from steadygrad.report.data import Picture
from steadygrad.report.markup import Html, tag

SMALL = 48
"""Up to this side a picture is kept exactly (PNG) and drawn with visible pixels."""
KINDS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif"}


def thumbnail(pixels: NDArray[np.uint8] | Any, max_side: int = 112) -> bytes:
    """A small PNG or JPEG of one picture: pixels (H, W), (H, W, 1) or (H, W, 3), uint8.

    >>> thumbnail(np.zeros((8, 8, 1), np.uint8))[1:4]
    b'PNG'
    """
    pixels = np.ascontiguousarray(pixels, dtype=np.uint8)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    image = Image.fromarray(pixels)
    image.thumbnail((max_side, max_side))
    file = io.BytesIO()
    if max(image.size) <= SMALL:
        image.save(file, "PNG", optimize=True)
    else:
        image.save(file, "JPEG", quality=82, optimize=True)
    return file.getvalue()


def image_tag(picture: Picture, alt: str) -> Html:
    """The picture as an `img` with its bytes inside; a grey square if the bytes are no picture."""
    kind = _kind(picture.image)
    if kind is None:
        return tag("span", class_="nopicture", role="img", aria_label=f"{alt} (not shown)")
    text = base64.b64encode(picture.image).decode("ascii")
    source = f"data:image/{kind};base64,{text}"
    # PNG: bytes 16 to 24 are width and height.
    width = int.from_bytes(picture.image[16:20]) if kind == "png" else SMALL + 1
    return tag("img", src=source, alt=alt, class_="pixels" if width <= SMALL else None)


def _kind(content: bytes) -> str | None:
    for start, kind in KINDS.items():
        if content.startswith(start):
            return kind
    return "webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else None


def within(pictures: list[Picture], limit: int, budget: int) -> list[Picture]:
    """The first pictures, at most `limit` of them and `budget` bytes together."""
    kept: list[Picture] = []
    for picture in pictures[:limit]:
        budget -= len(picture.image)
        if budget < 0:
            break
        kept.append(picture)
    return kept
