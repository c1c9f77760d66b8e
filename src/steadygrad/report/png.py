"""A PNG from numbers, for matrices too large for a table."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

Colour = tuple[int, int, int, int]
"""Red, green, blue, opacity, 0–255."""


def png(rows: Sequence[Sequence[Colour]]) -> bytes:
    """Encode rows of RGBA pixels (PNG specification, ISO 15948).

    >>> png([[(255, 0, 0, 255)]])[1:4]
    b'PNG'
    """
    height, width = len(rows), len(rows[0])
    # Each line begins with its filter, 0: none.
    raw = b"".join(b"\0" + bytes(v for pixel in row for v in pixel) for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check
