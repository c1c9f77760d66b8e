"""Classify pictures with an exported model: onnxruntime and a decoder, no torch.

The proof of an export runs this same code, so what is proven is what is deployed.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steadygrad.errors import InputError
from steadygrad.images.decode import BrokenImage, decode
from steadygrad.images.source.listing import walk

# Files looked at together: enough to keep the decoding threads busy and to find equal sizes.
_FILES_AT_ONCE = 32

# Pixel bytes of one run: the graph holds four times as much as float32.
_BYTES_AT_ONCE = 32 << 20

_METADATA = ("classes", "image_size", "channels", "shorter_side")


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of one file, most likely first, or why it has none."""

    path: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    error: str | None = None


class Predictor:
    """An exported model: `path` is a model.onnx or the run folder that holds one.

    `threads` limits decoding and computing (0: the cores this process may use). A missing file,
    one that is no ONNX model and one that Steadygrad did not write raise InputError.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 0) -> None:
        self.path = find_model(path)
        self.threads = threads or _num_cores()
        self.session = _open_session(self.path, self.threads)
        self.metadata = _read_metadata(self.session, self.path)
        try:
            self.classes: tuple[str, ...] = tuple(json.loads(self.metadata["classes"]))
            self.image_size = int(self.metadata["image_size"])
            self.shorter_side = int(self.metadata["shorter_side"]) or None
        except ValueError as error:
            raise InputError(
                f"The metadata of {str(self.path)!r} is damaged ({error}). Export the model again."
            ) from error

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (N, H, W, 3) RGB → float32 (N, K); 0 pictures give (0, K)."""
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
            raise InputError(
                f"The model takes uint8 pixels (N, H, W, 3); got {pixels.dtype} of shape "
                f"{pixels.shape}. Give RGB pixels 0–255, neither scaled nor transposed."
            )
        rows = max(1, _BYTES_AT_ONCE // max(1, pixels[:1].nbytes))
        parts = [
            self.session.run(["probabilities"], {"pixels": pixels[start : start + rows]})[0]
            for start in range(0, len(pixels), rows)
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(self.classes)), np.float32)

    def answer(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Pictures (H, W, 3) uint8 of any sizes → probabilities (N, K); equal sizes share a run."""
        answers = np.empty((len(pictures), len(self.classes)), np.float32)
        groups: dict[tuple[int, ...], list[int]] = {}
        for position, pixels in enumerate(pictures):
            groups.setdefault(pixels.shape, []).append(position)
        for positions in groups.values():
            stacked = np.stack([pictures[position] for position in positions])
            answers[positions] = self.probabilities(stacked)
        return answers

    def decode(self, path: str | os.PathLike[str]) -> np.ndarray:
        """Pixels (H, W, 3) of a file as training saw them; BrokenImage where it cannot be read."""
        return decode(Path(path), self.shorter_side).pixels

    def classify(
        self, files: Iterable[str | os.PathLike[str]], top_k: int = 5
    ) -> Iterator[Prediction]:
        """Yield a Prediction for every file, folders walked, in the order given.

        A file that cannot be read gets `error` and no classes; the others go on.
        """
        with ThreadPoolExecutor(self.threads) as pool:
            named = picture_files(files)
            while paths := tuple(itertools.islice(named, _FILES_AT_ONCE)):
                decoded = list(pool.map(self._try_decode, paths))
                answers = iter(self.answer([p for p in decoded if not isinstance(p, str)]))
                for path, pixels in zip(paths, decoded):
                    if isinstance(pixels, str):
                        yield Prediction(str(path), error=pixels)
                    else:
                        yield self._name(path, next(answers), top_k)

    def _try_decode(self, path: Path) -> np.ndarray | str:
        try:
            return self.decode(path)
        except BrokenImage as error:
            return error.reason

    def _name(self, path: Path, probabilities: np.ndarray, top_k: int) -> Prediction:
        # Stable, so that equal probabilities come in the order of the classes.
        best = np.argsort(-probabilities, kind="stable")[: max(1, top_k)]
        return Prediction(
            str(path),
            tuple(self.classes[index] for index in best),
            tuple(float(probabilities[index]) for index in best),
        )


def find_model(path: str | os.PathLike[str]) -> Path:
    """The model.onnx that `path` is, or that lies in the folder `path`."""
    found = Path(path)
    if found.is_dir():
        found = found / "model.onnx"
        if not found.is_file():
            raise InputError(
                f"There is no model.onnx in {os.fspath(path)!r}. Expected a run folder with an "
                f"exported model: type `steadygrad export {os.fspath(path)}` first."
            )
    if not found.is_file():
        raise InputError(
            f"There is no file {os.fspath(path)!r}. Give a model.onnx or the run folder that "
            "holds one."
        )
    return found


def picture_files(files: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """Every file named, and for a folder every picture below it, in natural order.

    Hidden files and those whose names say that they are no pictures are passed over in folders, as
    in training; a file named outright is always tried. InputError where a folder can't be read.
    """
    for file in files:
        path = Path(file)
        if path.is_dir():
            yield from (path / name for name in walk(path, set()).pictures)
        else:
            yield path


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _open_session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only
    try:
        return onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except OSError as error:
        raise InputError(f"Cannot read {str(path)!r}: {error.strerror}.") from error
    except Exception as error:  # onnxruntime's own exceptions have no common base but this
        raise InputError(
            f"{str(path)!r} is no ONNX model that onnxruntime can run "
            f"({str(error).splitlines()[0]}). Give the model.onnx of a run folder."
        ) from error


def _read_metadata(session: Any, path: Path) -> dict[str, str]:
    found = session.get_modelmeta().custom_metadata_map
    missing = [key for key in _METADATA if key not in found]
    if missing:
        raise InputError(
            f"{str(path)!r} does not say its {' and '.join(missing)}, so Steadygrad did not "
            "write it. Give a model.onnx that `steadygrad train` or `steadygrad export` wrote."
        )
    return dict(found)
