"""One policy for every kind of picture, and one exception for every kind of damage."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from steadygrad.images import decode as module
from steadygrad.images.decode import BrokenImage, decode, is_gray, read_header


def texture(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """Smooth colours with some detail, (H, W, 3) uint8."""
    small = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def encode(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def reason(data: bytes) -> str:
    with pytest.raises(BrokenImage) as error:
        decode(data)
    return error.value.reason


def pillow(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "GIF", "WEBP", "JPEG"])
def test_every_format_gives_what_was_saved(format):
    pixels = texture()
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}.get(format, {})
    data = encode(Image.fromarray(pixels), format, **options)
    decoded = decode(data)
    assert decoded.format == format
    assert (decoded.width, decoded.height) == (64, 48)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.shape == (48, 64, 3)
    error = np.abs(decoded.pixels.astype(int) - pixels)
    # JPEG is lossy, GIF has 256 colours.
    assert error.mean() < 16 if format in ("JPEG", "GIF") else error.max() == 0
    header = read_header(data)
    assert (header.format, header.width, header.height) == (format, 64, 48)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("L", 200, (200, 200, 200)),
        ("1", 1, (255, 255, 255)),
        ("RGB", (10, 20, 30), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 0, 51), (204, 204, 204)),
        ("LA", (0, 51), (204, 204, 204)),
        ("LA", (90, 255), (90, 90, 90)),
        ("I;16", 0, (0, 0, 0)),
        ("I;16", 65535, (255, 255, 255)),
        ("I;16", 128, (0, 0, 0)),
        ("I;16", 129, (1, 1, 1)),
        ("I;16", 257 * 77 + 128, (77, 77, 77)),
        ("I;16", 257 * 77 + 129, (78, 78, 78)),
    ],
)
def test_png_modes(mode, value, expected):
    data = encode(Image.new(mode, (5, 4), value), "PNG")
    decoded = decode(data)
    assert decoded.pixels.reshape(-1, 3).tolist() == [list(expected)] * 20
    assert read_header(data).mode == decoded.mode


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_sixteen_bit_tiff_is_scaled_not_clipped(mode):
    values = np.linspace(0, 65535, 48).astype(np.uint16).reshape(6, 8)
    image = Image.fromarray(values)
    data = encode(image, "TIFF") if mode == "I;16" else _big_endian_tiff(values)
    expected = np.floor(values / 257 + 0.5).astype(np.uint8)
    np.testing.assert_array_equal(decode(data).pixels[..., 0], expected)


def _big_endian_tiff(values: np.ndarray) -> bytes:
    """A TIFF of 16-bit big-endian gray, as microscopes write them."""
    height, width = values.shape
    body = values.astype(">u2").tobytes()
    entries = [
        (256, width), (257, height), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1),
        (278, height), (279, len(body)),
    ]  # fmt: skip
    directory = struct.pack(">H", len(entries))
    for tag, number in entries:
        directory += struct.pack(">HHII", tag, 4, 1, number)
    return b"MM\0*" + struct.pack(">I", 8 + len(body)) + body + directory + b"\0\0\0\0"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 100.4, 255.0]], np.float32), [0, 100, 255]),
        (np.array([[0, 257 * 5, 65535]], np.int32), [0, 5, 255]),
        (np.array([[-100, 0, 100]], np.int32), [0, 128, 255]),
        (np.array([[0, 1, 200]], np.int32), [0, 1, 200]),
        (np.array([[-7.0, -7.0, -7.0]], np.float32), [0, 0, 0]),
    ],
)
def test_wide_values_by_the_range_they_come_in(values, expected):
    decoded = decode(encode(Image.fromarray(values), "TIFF"))
    assert decoded.pixels[0, :, 0].tolist() == expected
    assert is_gray(decoded.mode)


def test_values_that_are_not_finite_are_damage():
    data = encode(Image.fromarray(np.array([[0, np.nan]], np.float32)), "TIFF")
    assert "not finite" in reason(data)


def test_palette_with_transparency_goes_over_white():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    assert decode(encode(image, "PNG")).pixels.tolist() == [[[255, 0, 0], [0, 0, 255]]]
    data = encode(image, "PNG", transparency=1)
    assert decode(data).pixels.tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_colour_key_of_plain_rgb_is_transparent_too():
    image = Image.fromarray(np.array([[[1, 2, 3], [9, 9, 9]]], np.uint8))
    data = encode(image, "PNG", transparency=(1, 2, 3))
    assert decode(data).pixels.tolist() == [[[255, 255, 255], [9, 9, 9]]]


def test_alpha_follows_the_formula():
    generator = np.random.default_rng(1)
    rgba = generator.integers(0, 256, (20, 20, 4), dtype=np.uint8)
    alpha = rgba[..., 3:].astype(float) / 255
    expected = rgba[..., :3] * alpha + 255 * (1 - alpha)
    decoded = decode(encode(Image.fromarray(rgba), "PNG")).pixels
    assert np.abs(decoded - expected).max() <= 1


def test_cmyk_jpeg_as_pillow_treats_it_adobe_inversion_included():
    data = encode(Image.fromarray(texture()).convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in data  # Adobe's marker, hence inverted values
    decoded = decode(data)
    assert decoded.mode == "CMYK"
    np.testing.assert_array_equal(decoded.pixels, pillow(data))
    assert np.abs(decoded.pixels.astype(int) - texture()).mean() < 6


def test_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    for format, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("TIFF", {})):
        data = encode(frames[0], format, save_all=True, append_images=frames[1:], **options)
        assert decode(data).pixels[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation(format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(texture(32, 48)), format, exif=exif)
    decoded = decode(data)
    np.testing.assert_array_equal(decoded.pixels, pillow(data))
    expected = (32, 48) if orientation >= 5 else (48, 32)
    assert (decoded.width, decoded.height) == expected
    header = read_header(data)
    assert (header.width, header.height) == expected


def test_unreadable_exif_turns_nothing():
    data = encode(Image.fromarray(texture()), "JPEG", exif=b"Exif\0\0garbage that is no TIFF")
    assert decode(data).pixels.shape == (48, 64, 3)


JPEG_KINDS = [
    {"quality": 90},
    {"quality": 75, "subsampling": "4:2:2"},
    {"quality": 100, "subsampling": "4:4:4"},
    {"quality": 90, "progressive": True},
    {"quality": 30, "optimize": True},
    {"quality": 90, "restart_marker_blocks": 3},
    {"quality": 90, "keep_rgb": True},
]


@pytest.mark.parametrize("options", JPEG_KINDS, ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("shorter_side", [None, 20, 40, 80])
def test_simplejpeg_and_pillow_agree_to_the_bit(monkeypatch, options, mode, shorter_side):
    if mode == "L":
        options = {key: options[key] for key in options if key not in ("subsampling", "keep_rgb")}
    data = encode(Image.fromarray(texture(333, 411)).convert(mode), "JPEG", **options)
    fast = decode(data, shorter_side)
    calls = []
    monkeypatch.setattr(module, "_by_simplejpeg", lambda *arguments: calls.append(arguments))
    slow = decode(data, shorter_side)
    assert calls  # the second time it was Pillow's turn
    np.testing.assert_array_equal(fast.pixels, slow.pixels)


def test_plain_jpeg_does_not_go_through_pillow(monkeypatch):
    data = encode(Image.fromarray(texture()), "JPEG")
    monkeypatch.setattr(module, "to_rgb", None)
    np.testing.assert_array_equal(decode(data).pixels, simplejpeg.decode_jpeg(data))


@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 300))
def test_scale_leaves_twice_the_shorter_side(width, height, shorter_side):
    scale = module._scale(width, height, shorter_side)
    assert scale in (1, 2, 4, 8)
    shorter = -(-min(width, height) // scale)
    assert scale == 1 or shorter >= 2 * shorter_side
    if scale < 8 and min(width, height) >= 64:  # and no larger one would have done
        assert -(-min(width, height) // (2 * scale)) < 2 * shorter_side


@pytest.mark.parametrize(("shorter_side", "shape"), [(200, (400, 512)), (100, (200, 256))])
def test_scaled_jpeg_looks_the_same(shorter_side, shape):
    data = encode(Image.fromarray(texture(800, 1024)), "JPEG", quality=95)
    decoded = decode(data, shorter_side)
    assert decoded.pixels.shape == (*shape, 3)
    assert (decoded.width, decoded.height) == (1024, 800)
    small = Image.open(io.BytesIO(data)).resize(shape[::-1], Image.Resampling.BOX)
    assert np.abs(decoded.pixels.astype(int) - np.asarray(small)).mean() < 2


def test_other_formats_are_not_scaled():
    data = encode(Image.fromarray(texture(300, 300)), "PNG")
    assert decode(data, 20).pixels.shape == (300, 300, 3)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("keep", [0.3, 0.7, 0.98])
def test_truncated_jpeg(mode, keep):
    data = encode(Image.fromarray(texture(200, 200)).convert(mode), "JPEG", quality=95)
    assert reason(data[: int(len(data) * keep)]) == "truncated"


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_jpeg_with_its_middle_missing_is_truncated_though_it_ends_well(mode):
    data = encode(Image.fromarray(texture(200, 200)).convert(mode), "JPEG", quality=95)
    data = data[: len(data) // 2] + b"\xff\xd9"
    assert Image.open(io.BytesIO(data)).convert("RGB")  # Pillow alone says nothing
    assert reason(data) == "truncated"


def test_jpeg_with_rubbish_after_its_end_is_fine():
    data = encode(Image.fromarray(texture()), "JPEG")
    np.testing.assert_array_equal(decode(data + b"\0" * 500).pixels, decode(data).pixels)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.parametrize("keep", [0.3, 0.7, 0.95])
def test_truncated_others(format, keep):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), format)
    assert reason(data[: int(len(data) * keep)])


def test_png_without_its_last_chunk_is_truncated():
    data = encode(Image.fromarray(texture()), "PNG")
    assert reason(data[:-12]) == "truncated"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello, I am text", "not a picture"),
        (b"\0" * 1000, "not a picture"),
        (b"\0\0\0\x20ftypheic" + b"\0" * 50, "HEIC"),
        (b"\xff\xd8\xff\xe0", ""),
        (b"\x89PNG\r\n\x1a\n", ""),
        (b"BM", ""),
        (b"GIF89a\0\0\0\0\0\0\0", ""),
    ],
)
def test_what_is_no_picture(data, words):
    assert words in reason(data)


def _png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((60_000, 60_000), "over the limit"),
        ((13_378, 13_378), "over the limit"),
        ((2_000_000_000, 1), ""),
        ((100, 30_000), "256 times"),
        ((0, 10), ""),
    ],
)
def test_bombs_and_absurd_sizes_are_refused_by_their_header(size, words):
    data = _png_claiming(*size)
    assert words in reason(data)
    with pytest.raises(BrokenImage):
        read_header(data)


def test_the_limit_holds_whatever_pillow_is_set_to(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert "over the limit" in reason(_png_claiming(60_000, 60_000))


def test_paths_that_give_no_file(tmp_path):
    with pytest.raises(BrokenImage, match="vanished"):
        decode(tmp_path / "gone.jpg")
    with pytest.raises(BrokenImage, match="not a file"):
        decode(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(BrokenImage, match="not a file"):  # and does not wait for a writer
        read_header(tmp_path / "pipe.jpg")


def test_decoding_and_listing_need_no_torch():
    code = (
        "import sys, steadygrad.images.decode, steadygrad.images.source; "
        "print([name for name in ('torch', 'sklearn') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_path_and_bytes_give_the_same(tmp_path):
    data = encode(Image.fromarray(texture()), "JPEG")
    (tmp_path / "a.jpg").write_bytes(data)
    np.testing.assert_array_equal(decode(tmp_path / "a.jpg").pixels, decode(data).pixels)
    np.testing.assert_array_equal(decode(str(tmp_path / "a.jpg")).pixels, decode(data).pixels)


def _seeds() -> list[bytes]:
    image = Image.fromarray(texture(24, 32))
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        encode(image, "JPEG", exif=exif),
        encode(image, "JPEG", progressive=True),
        encode(image.convert("CMYK"), "JPEG"),
        encode(image.convert("RGBA"), "PNG", exif=exif),
        encode(image.quantize(16), "PNG", transparency=3),
        encode(image.quantize(16), "GIF"),
        encode(image, "WEBP"),
        encode(image, "WEBP", lossless=True, exif=exif),
        encode(image, "BMP"),
        encode(image, "TIFF", compression="tiff_lzw"),
        encode(image, "TIFF", compression="jpeg"),
        encode(image, "TIFF", exif=exif),
        encode(Image.fromarray(np.arange(64, dtype=np.float32).reshape(8, 8)), "TIFF"),
    ]


SEEDS = _seeds()


def _picture_or_reason(function, data: bytes):
    try:
        return function(data)
    except BrokenImage as error:
        return error.reason


@settings(max_examples=400, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=0, max_size=8),
    keep=st.one_of(st.just(1.0), st.floats(0, 1)),
    front=st.booleans(),
)
def test_damaged_bytes_give_a_picture_or_broken_image(seed, changes, keep, front):
    data = bytearray(seed)
    # Headers are where readers trip, so half of the damage goes there.
    reach = min(200, len(data)) if front else len(data)
    for place, value in changes:
        data[min(int(place * reach), len(data) - 1)] = value
    damaged = bytes(data[: int(len(data) * keep)])
    for function in (decode, read_header):
        outcome = _picture_or_reason(function, damaged)
        if isinstance(outcome, str):
            assert 0 < len(outcome) <= 140
            assert "\n" not in outcome
        else:
            assert outcome.width > 0
            assert outcome.height > 0


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"BM", b"II*\0", b"GIF89a"]))
def test_random_bytes_give_broken_image(body, magic):
    assert _picture_or_reason(decode, magic + body)
