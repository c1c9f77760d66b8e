"""Which pictures are copies of each other: to the byte, to the pixel, or nearly.

Near duplicates are searched in two stages. Coarse: an 8 × 8 gray miniature, centred and scaled to
unit length; pictures whose miniatures are close are candidates. Fine: the mid frequencies of a
24 × 24 colour miniature of one picture must be explained by those of the other, shifted and
stretched by under 1.5 cells and times ONE gain for all colours. What is left unexplained separates
copies from look-alikes (docs/audit.md has the figures on real sets).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

COARSE_CELLS = 8
FINE_CELLS = 24
MIN_SIDE = 32
"""Smaller pictures carry too little to tell copies from look-alikes (handwritten digits)."""
MIN_TEXTURE = 2.0
"""Gray levels of standard deviation, coarse and in the mid frequencies: less is a blank picture."""
COARSE_DISTANCE = 0.2
"""Squared distance of unit miniatures: 3 % off two borders stays below in 9 of 10 photos."""
UNEXPLAINED = 0.10
"""Largest unexplained share of the mid frequencies. JPEG quality 25 leaves under 0.05 (photos),
different photos of one thing start near 0.15."""
MAX_SHIFT = 1.5
"""Cells (6 % of the side): beyond it the linear model of a shift means nothing."""
MAX_GAIN = 2.0
CROWDED = 20
"""Mean number of pictures within COARSE_DISTANCE of one; in sets under 8,000 pictures one in 400 of
them, but not under 3. Beyond it the set is one of look-alikes: CIFAR-10 has 4, sets of photos 0.4
to 2.3, the digits 13 among 1,797, Fashion-MNIST 5,000."""
CROWDED_LIMITS = (0.005, 0.0025)
"""Re-encoding at quality 90 leaves under 0.002 at 28 x 28; lookalike trousers start at 0.006."""
CROWDED_SHARE = 0.03
"""Largest share of a crowded set that may turn out to be near duplicates and be believed."""
MAX_CANDIDATES = 200_000
MIN_CORRELATION = 0.3
"""Of mid frequencies before alignment: 3 % of shift leaves more than this in 99 of 100 photos."""
CHROMA_WEIGHT = 0.5
"""JPEG keeps colour at half resolution: colour counts, but less than light."""
CROWDED_NOTE = (
    "Many pictures of this set look alike: only near duplicates that agree almost to the pixel "
    "are listed."
)
TILE_ROWS, TILE_COLUMNS = 512, 65_536
"""One tile of distances takes 134 MB."""


@dataclass
class NearPairs:
    """Pairs of indices (P, 2) that show the same picture, and what to know about the search."""

    pairs: np.ndarray
    notes: list[str] = field(default_factory=list)


def exact_groups(pixels: np.ndarray, keys: Sequence[tuple[str, int, int] | None]) -> np.ndarray:
    """Number the pictures (N,) so that those with equal bytes or equal pixels share a number.

    `keys` holds (digest of the file's bytes, or "" where there is none, width, height), or None for
    a picture to leave alone.
    Equal working-size pixels count only when the files' own sizes agree too. The number is the
    smallest index of the group.

    >>> pixels = np.zeros((3, 2, 2, 1), np.uint8)
    >>> exact_groups(pixels, [("a", 2, 2), ("b", 2, 2), None]).tolist()
    [0, 0, 2]
    """
    first_seen: dict[object, int] = {}
    pairs: list[tuple[int, int]] = []
    for index, key in enumerate(keys):
        if key is None:
            continue
        digest, width, height = key
        content = hashlib.blake2b(pixels[index].tobytes(), digest_size=16).digest()
        names: list[object] = [("pixels", content, width, height)]
        names += [("bytes", digest)] if digest else []
        pairs += [(first_seen.setdefault(name, index), index) for name in names]
    return join(len(keys), np.array(pairs, np.int64).reshape(-1, 2))


def join(num: int, pairs: np.ndarray) -> np.ndarray:
    """Number 0 … num-1 so that paired ones share the smallest index among them.

    >>> join(5, np.array([[1, 3], [3, 4]])).tolist()
    [0, 1, 2, 1, 1]
    """
    parent = list(range(num))

    def find(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second in pairs.tolist():
        low, high = sorted((find(first), find(second)))
        parent[high] = low
    return np.array([find(index) for index in range(num)], np.int64)


def near_pairs(pixels: np.ndarray, indices: np.ndarray) -> NearPairs:
    """Find re-encoded, resized, slightly brightened, shifted or cropped copies among `indices`.

    pixels (N, side, side, C) uint8 at the working size. Mirrored or rotated copies, and crops of
    more than about 3 %, are not looked for. 70,000 pictures take about 10 s on one core.
    """
    none = np.zeros((0, 2), np.int64)
    if pixels.shape[1] < MIN_SIDE:
        note = f"Near duplicates are not searched under {MIN_SIDE} pixels; exact ones are."
        return NearPairs(none, [note])
    indices, coarse = coarse_descriptors(pixels, indices)
    if len(indices) < 2:
        return NearPairs(none)
    limit, crowded = candidate_limit(coarse)
    pairs = candidate_pairs(coarse, limit)
    used, places = np.unique(pairs, return_inverse=True)
    pairs = places.reshape(-1, 2)
    unexplained = confirm(fine_descriptors(pixels, indices[used]), pairs)
    limit = crowded_limit(pairs, unexplained, len(indices)) if crowded else UNEXPLAINED
    pairs = indices[used[pairs[unexplained <= limit]]].reshape(-1, 2)
    return NearPairs(pairs, [CROWDED_NOTE] if crowded else [])


def area_average(length: int, cells: int) -> np.ndarray:
    """The (cells, length) matrix that averages `length` pixels into `cells` equal stretches.

    >>> area_average(4, 2).tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    edges = np.linspace(0, length, cells + 1)
    pixel = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    overlap = np.clip(overlap, 0, None)
    return (overlap / overlap.sum(1, keepdims=True)).astype(np.float32)


def _miniatures(pixels: np.ndarray, indices: np.ndarray, cells: int) -> Iterator[np.ndarray]:
    """Chunks (n, C, cells, cells) float32, 0–255, in the order of `indices`."""
    average = area_average(pixels.shape[1], cells)
    chunk = max(1, 2**24 // int(np.prod(pixels.shape[1:])))  # 64 MB as float32
    for start in range(0, len(indices), chunk):
        images = np.asarray(pixels[indices[start : start + chunk]], np.float32)
        yield average @ images.transpose(0, 3, 1, 2) @ average.T


def coarse_descriptors(pixels: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gray miniatures as unit vectors (n, 64) of the pictures that are not blank, and which."""
    rows = [m.mean(1).reshape(len(m), -1) for m in _miniatures(pixels, indices, COARSE_CELLS)]
    vectors = np.concatenate(rows) if rows else np.zeros((0, COARSE_CELLS**2), np.float32)
    vectors -= vectors.mean(1, keepdims=True)
    keep = vectors.std(1) >= MIN_TEXTURE
    vectors = vectors[keep]
    return indices[keep], vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def candidate_pairs(vectors: np.ndarray, limit: float) -> np.ndarray:
    """Pairs (P, 2) of unit vectors within squared distance `limit`; the MAX_CANDIDATES nearest.

    Rows are sorted along the first principal axis; only those within the limit on that axis can be
    within it altogether, which spares most of the products.
    """
    centred = vectors - vectors.mean(0)
    axis = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    place = vectors @ axis
    order = np.argsort(place, kind="stable")
    vectors, place = vectors[order], place[order]
    found: list[np.ndarray] = [np.zeros((0, 2), np.int64)]
    likeness: list[np.ndarray] = [np.zeros(0, np.float32)]
    for top in range(0, len(vectors), TILE_ROWS):
        rows = vectors[top : top + TILE_ROWS]
        end = np.searchsorted(place, place[top + len(rows) - 1] + np.sqrt(limit), "right")
        for left in range(top, int(end), TILE_COLUMNS):
            cosine = rows @ vectors[left : min(left + TILE_COLUMNS, int(end))].T
            row, column = np.nonzero(cosine >= 1 - limit / 2)
            later = column + left > row + top
            row, column = row[later], column[later]
            found.append(np.stack([row + top, column + left], 1))
            likeness.append(cosine[row, column])
    pairs = np.sort(order[np.concatenate(found)], axis=1)
    nearest = np.argsort(-np.concatenate(likeness), kind="stable")[:MAX_CANDIDATES]
    return pairs[np.sort(nearest)]


def candidate_limit(vectors: np.ndarray) -> tuple[float, bool]:
    """COARSE_DISTANCE, or less where that is within reach of too many; and whether it was."""
    sample = np.linspace(0, len(vectors) - 1, min(128, len(vectors))).astype(np.int64)
    cosine = vectors[sample] @ vectors.T
    cosine[np.arange(len(sample)), sample] = -1.0
    close = 2 - 2 * cosine[cosine >= 1 - COARSE_DISTANCE / 2]
    neighbours = min(CROWDED, max(3.0, len(vectors) / 400))
    allowed = int(neighbours * len(sample))
    if len(close) <= allowed:
        return COARSE_DISTANCE, False
    return max(float(np.partition(close, allowed)[allowed]), 1e-6), True


def fine_descriptors(pixels: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Mid frequencies (n, C, 24, 24) float16, in gray levels: one blur less a wider one."""
    narrow, wide = _blur(FINE_CELLS, 0.6), _blur(FINE_CELLS, 1.9)
    rows = [
        (narrow @ m @ narrow.T - wide @ m @ wide.T).astype(np.float16)
        for m in map(_light_and_colour, _miniatures(pixels, indices, FINE_CELLS))
    ]
    shape = (0, pixels.shape[3], FINE_CELLS, FINE_CELLS)
    return np.concatenate(rows) if rows else np.zeros(shape, np.float16)


def _light_and_colour(images: np.ndarray) -> np.ndarray:
    """Luma, and red and blue less luma at CHROMA_WEIGHT; gray (n, 1, …) stays as it is."""
    if images.shape[1] == 1:
        return images
    luma = images[:, :1] * 0.299 + images[:, 1:2] * 0.587 + images[:, 2:] * 0.114  # BT.601
    return np.concatenate([luma, CHROMA_WEIGHT * (images[:, ::2] - luma)], 1)


def _blur(cells: int, sigma: float) -> np.ndarray:
    """A Gaussian blur of a row of cells as a matrix; borders repeat the last cell."""
    reach = int(3 * sigma + 1)
    matrix = np.zeros((cells, cells), np.float32)
    for offset in range(-reach, reach + 1):
        weight = np.exp(-0.5 * (offset / sigma) ** 2)
        matrix[np.arange(cells), np.clip(np.arange(cells) + offset, 0, cells - 1)] += weight
    return matrix / matrix.sum(1, keepdims=True)


def confirm(fine: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The unexplained share of each pair (P,), the worse of both directions; 1.0: no copy."""
    result = np.ones(len(pairs), np.float32)
    for start in range(0, len(pairs), 1024):
        chunk = pairs[start : start + 1024]
        source, target = (fine[chunk[:, side]].astype(np.float32) for side in (0, 1))
        product = np.einsum("pcij,pcij->p", source, target)
        norms = [np.sqrt(np.einsum("pcij,pcij->p", image, image)) for image in (source, target)]
        likely = np.flatnonzero(product > MIN_CORRELATION * norms[0] * norms[1])
        share = unexplained_share(source[likely], target[likely])
        likely, share = likely[share <= UNEXPLAINED], share[share <= UNEXPLAINED]
        back = unexplained_share(target[likely], source[likely])
        result[start + likely] = np.maximum(share, back)
    return result


def unexplained_share(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """How much of `target` (P, C, g, g) a shifted, stretched, brightened `source` leaves open.

    Least squares on five terms: the source, and its two derivatives as they are (shift) and times
    the coordinate (stretch); the linear alignment of Lucas and Kanade, 1981. 1.0 where a picture
    is blank or the fit needs an impossible gain or shift.
    """
    centre = source[:, :, 1:-1, 1:-1]
    along = (source[:, :, 1:-1, 2:] - source[:, :, 1:-1, :-2]) / 2
    down = (source[:, :, 2:, 1:-1] - source[:, :, :-2, 1:-1]) / 2
    axis = np.linspace(-1, 1, centre.shape[-1], dtype=np.float32)
    terms = np.stack([centre, along, along * axis, down, down * axis[:, None]], 1)
    terms = terms.reshape(*terms.shape[:2], math.prod(terms.shape[2:]))
    inner = target[:, :, 1:-1, 1:-1]
    wanted = inner.reshape(len(target), terms.shape[2], 1)
    products = terms @ terms.transpose(0, 2, 1)
    ridge = 1e-3 * np.trace(products, axis1=1, axis2=2) / 5 + 1e-3  # keeps smooth ones solvable
    products += ridge[:, None, None] * np.eye(5, dtype=np.float32)
    weights = np.linalg.solve(products, terms @ wanted)
    energy = (wanted[..., 0] ** 2).mean(1)
    rest = ((wanted - terms.transpose(0, 2, 1) @ weights)[..., 0] ** 2).mean(1)
    gain = weights[:, 0, 0]
    shift = np.abs(weights[:, 1:, 0]).max(1) / np.maximum(gain, 1e-3)
    luma = [(image[:, 0] ** 2).mean((1, 2)) for image in (centre, inner)]
    textured = np.minimum(*luma) >= MIN_TEXTURE**2
    possible = (gain >= 1 / MAX_GAIN) & (gain <= MAX_GAIN) & (shift <= MAX_SHIFT) & textured
    return np.where(possible, rest / np.maximum(energy, 1e-6), 1.0).astype(np.float32)


def crowded_limit(pairs: np.ndarray, unexplained: np.ndarray, num: int) -> float:
    """The largest limit that can be believed in a set of look-alikes; -1.0: none.

    Either few pictures are concerned, or nearly no pair lies between the limit and its double:
    copies lie close to 0 with a gap above, look-alikes fill the range.
    """
    for limit in CROWDED_LIMITS:
        below = unexplained <= limit
        concerned = len(np.unique(pairs[below]))
        gap = (unexplained <= 2 * limit).sum() <= 1.1 * below.sum()
        if gap or concerned <= CROWDED_SHARE * num:
            return limit
    return -1.0
