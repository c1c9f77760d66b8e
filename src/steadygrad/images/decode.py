"""One picture file in, 8-bit RGB pixels out: the policy of docs/images.md. No torch here."""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from steadygrad.images.modes import is_gray, to_rgb

__all__ = ["BrokenImage", "Decoded", "Header", "decode", "is_gray", "read_bytes", "read_header"]

# Raise it whenever the same file would give other pixels: caches made before are then not used.
POLICY_VERSION = 1

# Twice Pillow's own warning level: 13,377 pixels square, half a gigabyte as RGB.
PIXEL_LIMIT = 178_956_970
# Beyond this the short side is a thread, and cropping to a square would first stretch the long
# side to hundreds of times the working size.
ASPECT_LIMIT = 256
# Files are read whole. No picture under PIXEL_LIMIT needs more.
BYTE_LIMIT = 2 << 30

# JPEG scaling by 1/2, 1/4 or 1/8 is much faster; other n/8 are slower than none.
_SCALES = (8, 4, 2)
# Under this, two scalings can round to the same size and the decoders may choose differently.
_SMALLEST_SCALED_SIDE = 64

# How libjpeg words lost picture data, as against oddities it reads over without loss.
_JPEG_DAMAGE = ("premature end", "bad huffman", "bad arithmetic", "instead of rst")
_EXIF_ORIENTATION = 0x0112


class BrokenImage(Exception):
    """A file that gives no picture; `reason` says why in a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its picture; width and height are those after EXIF rotation.

    `format` is JPEG, PNG, WEBP, BMP, GIF or TIFF; `mode` is Pillow's name: RGB, L, P, CMYK …
    """

    format: str
    mode: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded picture: `pixels` is (H, W, 3) uint8 RGB, upright.

    `width` and `height` are the file's after EXIF rotation; `pixels` is smaller where the JPEG was
    decoded at a fraction of its size. `mode` and `format` are as in `Header`.
    """

    pixels: np.ndarray
    mode: str
    width: int
    height: int
    format: str


def decode(source: str | os.PathLike[str] | bytes, shorter_side: int | None = None) -> Decoded:
    """Decode one picture, given as a path or as the file's bytes.

    With `shorter_side` a large JPEG is decoded at 1/2, 1/4 or 1/8, as long as its shorter side
    stays at least twice that: the antialiased resize that follows then still sees twice the detail
    it keeps. Raises BrokenImage with a short reason, and nothing else but MemoryError.

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("L", (3, 2), 7).save(file, "PNG")
    >>> decode(file.getvalue()).pixels.shape
    (2, 3, 3)
    """
    data = source if isinstance(source, bytes) else read_bytes(source)
    with _only_broken(), _open(io.BytesIO(data), data[:16]) as image:
        orientation = _orientation(image)
        mode, (width, height) = image.mode, image.size
        if _format(image) == "JPEG":
            pixels = _decode_jpeg(data, image, _scale(width, height, shorter_side))
        else:
            pixels = _decode_other(data, image)
        pixels = _turn(pixels, orientation)
        if orientation >= 5:
            width, height = height, width
        return Decoded(pixels, mode, width, height, _format(image))


def read_header(source: str | os.PathLike[str] | bytes) -> Header:
    """Say what a picture file holds from its header alone (tens of microseconds).

    Raises BrokenImage as `decode` does; a file can still turn out broken behind a good header.
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else _open_file(source)
    with stream, _only_broken():
        magic = stream.read(16)
        stream.seek(0)
        with _open(stream, magic) as image:
            width, height = image.size
            if _orientation(image) >= 5:
                width, height = height, width
            return Header(_format(image), image.mode, width, height)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a whole file; raises BrokenImage where it vanished, may not be read or is no file."""
    with _open_file(path) as stream, _file_errors():
        return stream.read()


def _open_file(path: str | os.PathLike[str]) -> io.BufferedReader:
    with _file_errors():
        # A named pipe or a device would block or never end: look before opening.
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise BrokenImage("not a file")
        if status.st_size > BYTE_LIMIT:
            raise BrokenImage(f"over {BYTE_LIMIT >> 30} GiB, too large for a picture")
        return Path(path).open("rb")


@contextmanager
def _file_errors() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BrokenImage("vanished: there is no such file") from error
    except PermissionError as error:
        raise BrokenImage("may not be read: permission denied") from error
    except OSError as error:
        # Too many open files or no memory says nothing about this file.
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise
        raise BrokenImage(f"cannot be read: {error.strerror}") from error


@contextmanager
def _only_broken() -> Iterator[None]:
    try:
        yield
    except (BrokenImage, MemoryError):
        raise
    # Pillow's readers raise whatever hostile bytes make them trip over (KeyError, struct.error,
    # SyntaxError, …): all of it means the file is damaged, and the cause stays attached.
    except Exception as error:
        raise BrokenImage(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"over the limit of {PIXEL_LIMIT:,} pixels"
    if isinstance(error, UnidentifiedImageError):
        return "damaged: the header can't be read"
    text = str(error).split("\n")[0][:80]
    if "truncated" in text.lower():
        return "truncated"
    return f"damaged ({text})" if text else f"damaged ({type(error).__name__})"


def _sniff(magic: bytes) -> str:
    if not magic:
        raise BrokenImage("empty file")
    if magic.startswith(b"\xff\xd8"):
        return "JPEG"
    if magic.startswith(b"\x89PNG"):
        return "PNG"
    if magic.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if magic[:4] == b"RIFF" and magic[8:12] == b"WEBP":
        return "WEBP"
    if magic.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if magic.startswith(b"BM"):
        return "BMP"
    if magic[4:8] == b"ftyp":
        raise BrokenImage("HEIC, AVIF or a video: convert it to JPEG or PNG")
    raise BrokenImage("not a picture (JPEG, PNG, WebP, BMP, GIF, TIFF)")


def _open(stream: io.IOBase, magic: bytes) -> Image.Image:
    """Open lazily with the one reader that fits the first bytes, and check the size."""
    image = Image.open(stream, formats=[_sniff(magic)])  # pyright: ignore[reportArgumentType]
    width, height = image.size
    if width < 1 or height < 1:
        raise BrokenImage(f"no pixels: {width}×{height}")
    if width * height > PIXEL_LIMIT:
        raise BrokenImage(f"{width}×{height} is over the limit of {PIXEL_LIMIT:,} pixels")
    if max(width, height) > ASPECT_LIMIT * min(width, height):
        raise BrokenImage(f"{width}×{height}: one side is over {ASPECT_LIMIT} times the other")
    return image


def _format(image: Image.Image) -> str:
    # MPO is a JPEG with more pictures behind it (phones, stereo cameras); the first one counts.
    return "JPEG" if image.format == "MPO" else str(image.format)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it can't be read."""
    if image.format == "TIFF":  # Pillow turns TIFF itself while loading
        return 1
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # getexif would decode the whole picture to look behind it
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error):
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _scale(width: int, height: int, shorter_side: int | None) -> int:
    """The largest of 8, 4, 2, 1 that leaves the shorter side at least 2 · shorter_side."""
    shorter = min(width, height)
    if shorter_side is None or shorter < _SMALLEST_SCALED_SIDE:
        return 1
    fitting = (scale for scale in _SCALES if -(-shorter // scale) >= 2 * shorter_side)
    return next(fitting, 1)


def _decode_jpeg(data: bytes, image: Image.Image, scale: int) -> np.ndarray:
    shape = (-(-image.height // scale), -(-image.width // scale), 3)
    if image.mode in ("L", "RGB"):
        pixels = _by_simplejpeg(data, "RGB", shape[:2])
        if pixels is not None and pixels.shape == shape:
            return pixels
    else:
        # CMYK is Pillow's to convert. But Pillow reads over lost data, so it is decoded here too,
        # small, to find out whether any is missing.
        _by_simplejpeg(data, "CMYK", (1, 1))
    if scale > 1:
        # Pillow takes the largest scale that leaves at least the size asked for.
        image.draft(image.mode, (image.width // scale, image.height // scale))
    return to_rgb(image)


def _by_simplejpeg(data: bytes, colorspace: str, least: tuple[int, int]) -> np.ndarray | None:
    """Decode at the smallest scale that leaves `least` (height, width); None for Pillow to try."""
    try:
        return simplejpeg.decode_jpeg(
            data, colorspace=colorspace, min_height=least[0], min_width=least[1]
        )
    except ValueError as error:
        text = str(error).lower()
        if any(damage in text for damage in _JPEG_DAMAGE):
            raise BrokenImage(
                "truncated" if "premature" in text else f"damaged ({text})"
            ) from error
        return None  # an oddity, not damage: Pillow reads more kinds


def _decode_other(data: bytes, image: Image.Image) -> np.ndarray:
    # Pillow forgives a PNG whose last chunks are missing, once all rows are there.
    if image.format == "PNG" and b"IEND" not in data:
        raise BrokenImage("truncated")
    return to_rgb(image)


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Make (H, W, C) pixels upright (EXIF 2.3, tag 0x0112)."""
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
