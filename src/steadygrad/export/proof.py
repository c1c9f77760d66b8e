"""The proof that a model.onnx answers as training did, on real pictures."""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from steadygrad.errors import InputError, SteadygradError
from steadygrad.images.decode import BrokenImage, decode
from steadygrad.images.resize import working_square
from steadygrad.models import Classifier
from steadygrad.predict import Predictor

NUM_FILES = 64
MAX_PROBABILITY_DIFFERENCE = 1e-3

# Pictures in memory together; a photo decoded whole is tens of megabytes.
_AT_ONCE = 8

# Two classes this close are a tie in float32: either is the training-time answer.
TIE = 1e-5


@dataclass(frozen=True)
class Parity:
    """How well model.onnx agrees with the model that was trained.

    `full_decode_…` is the difference when large JPEGs are decoded whole instead of at the half,
    quarter or eighth that training and `predict` take: what another runtime's decoder will see.
    """

    num_files: int
    top1_agreement: float
    max_abs_probability_difference: float
    full_decode_max_abs_probability_difference: float
    passed: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values for summary.json."""
        return asdict(self)


def prove(
    classifier: Classifier,
    onnx_path: str | os.PathLike[str],
    pictures: Sequence[str | os.PathLike[str]] | np.ndarray,
    num_files: int = NUM_FILES,
) -> Parity:
    """Compare answers on `num_files` pictures spread over `pictures` (on all, where fewer).

    `pictures`: files, or uint8 (N, H, W, C). Training-time answers are those of the float32
    classifier on the CPU, in evaluation, on pixels as the cache holds them; the file's are those
    `predict` gives. Top-1 must agree on all (but for ties within 1e-5) and probabilities within
    1e-3; else the model is renamed to model.onnx.failed and SteadygradError says by how much.
    """
    path = Path(onnx_path)
    predictor = Predictor(path)
    reference = copy.deepcopy(classifier).cpu().float().eval()
    pairs = _read(pictures, num_files, predictor.shorter_side)
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    while some := list(itertools.islice(pairs, _AT_ONCE)):
        trained = _trained(reference, [pixels for pixels, _ in some])
        deployed = predictor.answer([_colour(pixels) for pixels, _ in some])
        other = [row for row, (pixels, whole) in enumerate(some) if whole is not pixels]
        whole = deployed.copy()
        whole[other] = predictor.answer([some[row][1] for row in other])
        parts.append((trained, deployed, whole))
    if not parts:
        raise InputError("None of the pictures given for the proof of the export can be decoded.")
    parity = compare(*(np.concatenate(column) for column in zip(*parts)))
    if not parity.passed:
        failed = path.with_name(path.name + ".failed")
        os.replace(path, failed)
        raise SteadygradError(
            f"The exported model does not answer as the trained one: top-1 agrees on "
            f"{parity.top1_agreement:.2%} of {parity.num_files} pictures (expected 100 %), "
            f"probabilities differ by up to {parity.max_abs_probability_difference:.2g} "
            f"(expected {MAX_PROBABILITY_DIFFERENCE:g} at most). It was renamed to {failed.name}: "
            "do not deploy it. Look for weights that are not finite, and for layers whose answer "
            "depends on the batch or on chance in evaluation."
        )
    return parity


def compare(trained: np.ndarray, deployed: np.ndarray, whole: np.ndarray) -> Parity:
    """Parity of three tables of probabilities (N, K); a NaN anywhere is no agreement."""
    top = deployed.argmax(axis=1)
    behind = trained.max(axis=1) - trained[np.arange(len(top)), top]
    agreement = float((behind <= TIE).mean())
    difference = float(np.abs(trained - deployed).max())
    return Parity(
        num_files=len(top),
        top1_agreement=agreement,
        max_abs_probability_difference=difference,
        full_decode_max_abs_probability_difference=float(np.abs(trained - whole).max()),
        passed=agreement == 1.0 and difference <= MAX_PROBABILITY_DIFFERENCE,
    )


def _read(
    pictures: Sequence[str | os.PathLike[str]] | np.ndarray,
    num_files: int,
    shorter_side: int | None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pixels (H, W, C) as training saw them, and decoded whole; broken files are passed over.

    Taken at even distances, so that a list sorted by class gives some of every class.
    """
    wanted = min(num_files, len(pictures))
    for position in np.linspace(0, len(pictures) - 1, wanted).round().astype(int):
        picture = pictures[position]
        if isinstance(picture, np.ndarray):
            yield picture, picture
            continue
        try:
            decoded = decode(picture, shorter_side)
            is_whole = decoded.pixels.shape[:2] == (decoded.height, decoded.width)
            yield decoded.pixels, decoded.pixels if is_whole else decode(picture).pixels
        except BrokenImage:
            continue


@torch.no_grad()
def _trained(classifier: Classifier, pictures: list[np.ndarray]) -> np.ndarray:
    """Probabilities (n, K) by the path of training: the cache's squares, then the classifier."""
    size, channels, how = classifier.image_size, classifier.channels, classifier.resize
    squares = np.stack([working_square(pixels, size, channels, how) for pixels in pictures])
    logits = classifier(torch.from_numpy(squares).permute(0, 3, 1, 2))
    return torch.softmax(logits, dim=1).numpy()


def _colour(pixels: np.ndarray) -> np.ndarray:
    """Gray arrays (H, W, 1) as the RGB that the file takes."""
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
