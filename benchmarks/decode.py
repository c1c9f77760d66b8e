"""Decode JPEGs and bring them to 224 pixels: Steadygrad against Pillow alone, one thread each.

    python benchmarks/decode.py [--repeats 7]

Pictures are made on the spot (noise at all scales, JPEG quality 90), the two ways take turns so
that a busy machine troubles both alike, and medians are compared. Aims: 1.5 times as fast on
500-pixel pictures, 5 times on 12-megapixel ones.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from steadygrad.images.decode import decode
from steadygrad.images.resize import working_square

SIZE = 224
QUALITY = 90
# name: (width, height, detail, files, aim). Detail is how much of one octave's strength the next
# finer one keeps. Entropy decoding, which no scaling saves, grows with it: a soft 12-megapixel
# photograph has about 2 MB, a crisp one 3 to 4 MB.
CASES = {
    "500 pixels": (500, 375, 0.75, 40, 1.5),
    "12 MP, soft": (4000, 3000, 0.65, 3, 5.0),
    "12 MP, crisp": (4000, 3000, 0.75, 3, 5.0),
}


def natural_like(
    width: int, height: int, detail: float, generator: np.random.Generator
) -> Image.Image:
    """Noise at every scale, each octave finer and fainter, most of it common to the colours."""
    picture = np.zeros((height, width, 3), dtype=np.float32)
    cells, strength = 4, 70.0
    while cells < max(width, height):
        small = generator.normal(size=(cells * height // width + 1, cells, 3)).astype(np.float32)
        layer = np.zeros(0)
        for channel in range(3):
            scan = Image.fromarray(small[..., channel]).resize((width, height), Image.BICUBIC)
            layer = np.asarray(scan)
            picture[..., channel] += strength * layer
        if cells >= 16:
            picture += strength * layer[..., None]
        cells, strength = cells * 2, strength * detail
    return Image.fromarray(np.clip(picture + 128, 0, 255).astype(np.uint8))


def ours(path: Path) -> np.ndarray:
    return working_square(decode(path, shorter_side=SIZE).pixels, SIZE, 3, "squash")


def pillow_alone(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.BILINEAR))


def seconds_per_file(way: Callable[[Path], np.ndarray], paths: list[Path]) -> float:
    start = time.perf_counter()
    for path in paths:
        way(path)
    return (time.perf_counter() - start) / len(paths)


def measure(paths: list[Path], repeats: int) -> dict[str, list[float]]:
    ways = {"steadygrad": ours, "pillow": pillow_alone}
    for way in ways.values():
        way(paths[0])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats):
        order = list(ways) if repeat % 2 == 0 else list(reversed(ways))
        for name in order:
            seconds[name].append(seconds_per_file(ways[name], paths))
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    print(
        f"{'':14} {'files':>5} {'kB':>6} {'pillow ms':>10} {'ours ms':>8} {'ratio':>6} {'aim':>5}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, (width, height, detail, count, aim) in CASES.items():
            paths = [Path(folder) / f"{width}-{detail}-{number}.jpg" for number in range(count)]
            for path in paths:
                natural_like(width, height, detail, generator).save(path, quality=QUALITY)
            seconds = measure(paths, repeats)
            ours_ms = statistics.median(seconds["steadygrad"]) * 1e3
            pillow_ms = statistics.median(seconds["pillow"]) * 1e3
            size = statistics.mean(path.stat().st_size for path in paths) / 1e3
            print(
                f"{name:14} {count:5} {size:6.0f} {pillow_ms:10.2f} {ours_ms:8.2f} "
                f"{pillow_ms / ours_ms:6.2f} {aim:5}"
            )


if __name__ == "__main__":
    main()
