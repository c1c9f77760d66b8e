"""Write model.onnx: one self-contained file from raw pixels to probabilities."""

from __future__ import annotations

import json
import os
from pathlib import Path

import onnx
import onnx.compose

from steadygrad import __version__
from steadygrad.errors import SteadygradError
from steadygrad.export.network_graph import network_model
from steadygrad.export.resize_graph import resize_model
from steadygrad.models import Classifier


def export(classifier: Classifier, path: str | os.PathLike[str]) -> None:
    """Write `classifier` as one ONNX file that takes raw pictures of any size.

    Input "pixels": uint8 (N, H, W, 3) RGB. Outputs: "probabilities" and "logits", float32 (N, K).
    Inside: gray conversion where the model is gray, the resize of training, preprocessing, the
    network with batch norms folded, softmax. The metadata holds the class names and what
    `predict` needs. The file appears whole or not at all.
    """
    squares = resize_model(classifier.image_size, classifier.channels, classifier.resize)
    network = network_model(classifier)
    squares.ir_version = network.ir_version
    # The two graphs number their inner values alike; only the joint keeps its name.
    squares = onnx.compose.add_prefix(
        squares, "resize/", rename_inputs=False, rename_outputs=False, rename_functions=False
    )
    model = onnx.compose.merge_models(squares, network, io_map=[("squares", "squares")])
    model.producer_name = "steadygrad"
    model.producer_version = __version__
    model.graph.name = "classifier"
    onnx.helper.set_model_props(model, metadata(classifier))
    onnx.checker.check_model(model, full_check=True)
    _write(model, Path(path))


def metadata(classifier: Classifier) -> dict[str, str]:
    """What the file says about itself: plain strings, class names as JSON."""
    return {
        "steadygrad_version": __version__,
        "classes": json.dumps(list(classifier.classes)),
        "image_size": str(classifier.image_size),
        "channels": str(classifier.channels),
        "resize": classifier.resize,
        "shorter_side": str(classifier.image_size),
        "preprocess": json.dumps(classifier.preprocess.to_dict()),
    }


def _write(model: onnx.ModelProto, path: Path) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(model.SerializeToString())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SteadygradError(
            f"Could not write {path}: {error.strerror}. Free the space or choose another folder."
        ) from error
