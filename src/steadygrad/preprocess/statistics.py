"""The statistics of the training pictures, exact and in one pass over a memmap (no torch here)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from steadygrad.errors import InputError, choose

# A whitening matrix has (C·H·W)² numbers: 4096² float32 are 64 MiB, the most a small model bears.
MAXWHITENED_VALUES = 4096

# Added to every variance before whitening, in (pixel / 255)²: a direction whose standard
# deviation is under 2.5 gray levels is noise (rounding alone gives 0.29) and is not blown up.
# Krizhevsky 2009 ("Learning Multiple Layers of Features from Tiny Images", appendix A) and the
# Stanford UFLDL tutorial whiten with such an ε.
WHITENING_EPSILON = 1e-4

# Rows per product of the covariance: 256 · 255² < 2²⁴, so every float32 sum of products of
# pixels is a whole number that float32 holds exactly, whatever the order of summation.
_EXACT_ROWS = 256

_CHUNK_BYTES = 4 << 20


@dataclass(frozen=True)
class TrainingPixels:
    """uint8 pictures (N, H, W, C), read a few megabytes at a time so that memmaps stay on disk."""

    array: Any
    indices: np.ndarray
    epsilon: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W), as the network sees a picture."""
        height, width, channels = self.array.shape[1:]
        return channels, height, width

    def chunks(self, rows: int = 0) -> Iterator[np.ndarray]:
        """The pictures in turn, uint8 (n, H, W, C), `rows` at a time (0: about 4 MiB)."""
        rows = rows or max(1, _CHUNK_BYTES // math.prod(self.shape))
        for start in range(0, len(self.indices), rows):
            yield np.asarray(self.array[self.indices[start : start + rows]])


@dataclass(frozen=True)
class Fitted:
    """output = matrix @ (pixels · scale + shift); scale (C, 1, 1), shift (C, 1 or H, 1 or W)."""

    scale: np.ndarray
    shift: np.ndarray
    matrix: np.ndarray | None = None


def _per_channel(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.float64).reshape(-1, 1, 1)


def _channel_moments(pixels: TrainingPixels) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of every channel, in gray levels; whole numbers until the last division."""
    channels = pixels.shape[0]
    totals, squares, count = [0] * channels, [0] * channels, 0
    for chunk in pixels.chunks():
        for channel in range(channels):
            # float64 holds these sums of whole numbers exactly.
            values = chunk[..., channel].astype(np.float64).ravel()
            totals[channel] += int(values.sum())
            squares[channel] += int(values @ values)
        count += chunk[..., 0].size
    means = [total / count for total in totals]
    variances = [(count * s - t * t) / count**2 for s, t in zip(squares, totals)]
    return np.asarray(means), np.asarray(variances)


def _image_total(pixels: TrainingPixels) -> np.ndarray:
    """The sum of all pictures, (C, H, W) int64."""
    total = np.zeros(pixels.array.shape[1:], dtype=np.int64)
    for chunk in pixels.chunks():
        total += chunk.sum(axis=0, dtype=np.int64)
    return total.transpose(2, 0, 1)


def _fit_none(pixels: TrainingPixels) -> Fitted:
    channels = pixels.shape[0]
    return Fitted(_per_channel([1.0] * channels), _per_channel([0.0] * channels))


def _fit_mean_image(pixels: TrainingPixels) -> Fitted:
    mean = _image_total(pixels) / (len(pixels.indices) * 255.0)
    return Fitted(_per_channel([1 / 255.0] * pixels.shape[0]), -mean)


def _fit_channel_mean(pixels: TrainingPixels) -> Fitted:
    means, _ = _channel_moments(pixels)
    return Fitted(_per_channel([1 / 255.0] * len(means)), _per_channel(-means / 255.0))


def _fit_channel_mean_std(pixels: TrainingPixels) -> Fitted:
    means, variances = _channel_moments(pixels)
    # A constant channel has no deviation to divide by: it is centred and left in units of 255.
    deviations = np.where(variances > 0, np.sqrt(variances), 255.0)
    return Fitted(_per_channel(1 / deviations), _per_channel(-means / deviations))


def _fit_minmax(pixels: TrainingPixels) -> Fitted:
    low = np.full(pixels.shape[0], 255.0)
    high = np.zeros(pixels.shape[0])
    for chunk in pixels.chunks():
        low = np.minimum(low, chunk.min(axis=(0, 1, 2)))
        high = np.maximum(high, chunk.max(axis=(0, 1, 2)))
    constant = high == low
    scale = 2 / np.where(constant, 255.0, high - low)
    return Fitted(_per_channel(scale), _per_channel(-low * scale - np.where(constant, 0.0, 1.0)))


def _principal_directions(pixels: TrainingPixels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (C, H, W), variances (D,) falling and directions (D, D) in rows, of pixel / 255.

    Exact covariance of all pictures, in one pass. Cost: N·D² multiply-adds, then D³.
    """
    size = math.prod(pixels.shape)
    total = np.zeros(size)
    products = np.zeros((size, size))
    for chunk in pixels.chunks(rows=_EXACT_ROWS):
        rows = chunk.transpose(0, 3, 1, 2).reshape(len(chunk), size).astype(np.float32)
        total += rows.sum(axis=0, dtype=np.float64)
        products += rows.T @ rows
    mean = total / len(pixels.indices)
    products /= len(pixels.indices)
    products -= np.outer(mean, mean)
    variances, directions = np.linalg.eigh(products)
    variances = np.maximum(variances[::-1], 0.0) / 255.0**2
    directions = directions.T[::-1]
    # A direction's sign is arbitrary: the largest entry is made positive, so refits agree.
    largest = directions[np.arange(size), np.abs(directions).argmax(axis=1)]
    return mean.reshape(pixels.shape) / 255.0, variances, directions * np.sign(largest)[:, None]


def _with_matrix(pixels: TrainingPixels, mean: np.ndarray, matrix: np.ndarray) -> Fitted:
    return Fitted(_per_channel([1 / 255.0] * pixels.shape[0]), -mean, matrix)


def _fit_pca(pixels: TrainingPixels) -> Fitted:
    mean, _, directions = _principal_directions(pixels)
    return _with_matrix(pixels, mean, directions)


def _fit_pca_whiten(pixels: TrainingPixels) -> Fitted:
    mean, variances, directions = _principal_directions(pixels)
    return _with_matrix(pixels, mean, directions / np.sqrt(variances + pixels.epsilon)[:, None])


def _fit_zca_whiten(pixels: TrainingPixels) -> Fitted:
    mean, variances, directions = _principal_directions(pixels)
    whitened = directions / np.sqrt(variances + pixels.epsilon)[:, None]
    return _with_matrix(pixels, mean, directions.T @ whitened)


PREPROCESS: dict[str, Callable[[TrainingPixels], Fitted]] = {
    "none": _fit_none,
    "mean-image": _fit_mean_image,
    "channel-mean": _fit_channel_mean,
    "channel-mean-std": _fit_channel_mean_std,
    "minmax": _fit_minmax,
    "pca": _fit_pca,
    "pca-whiten": _fit_pca_whiten,
    "zca-whiten": _fit_zca_whiten,
}
WHITENED = ("pca", "pca-whiten", "zca-whiten")
PER_PIXEL = ("mean-image", *WHITENED)


def check_preprocess(name: str, shape: tuple[int, int, int]) -> None:
    """Say early whether `name` can be used on pictures of shape (C, H, W); else an InputError.

    >>> check_preprocess("zca-whiten", (3, 64, 64))
    Traceback (most recent call last):
    steadygrad.errors.InputError: --preprocess zca-whiten relates every pixel to every other...
    """
    choose("preprocessing", name, PREPROCESS)
    size = math.prod(shape)
    if name in WHITENED and size > MAXWHITENED_VALUES:
        side = math.isqrt(MAXWHITENED_VALUES // shape[0])
        raise InputError(
            f"--preprocess {name} relates every pixel to every other, so a picture may hold at "
            f"most {MAXWHITENED_VALUES} numbers; {shape[0]}×{shape[1]}×{shape[2]} = {size}. "
            f"Type --image-size {side} (or less), or --preprocess channel-mean-std."
        )
