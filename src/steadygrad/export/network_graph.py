"""Preprocessing, network and softmax as an ONNX graph, traced by torch's exporter."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch
from torch import Tensor, nn

from steadygrad.errors import SteadygradError
from steadygrad.export.resize_graph import OPSET
from steadygrad.models import Classifier
from steadygrad.nn.fold import fold


def network_model(classifier: Classifier) -> onnx.ModelProto:
    """squares float (N, C, S, S), 0–255 → probabilities and logits (N, K); batch norms folded.

    The classifier is left as it is.
    """
    answer = _Answer(copy.deepcopy(classifier.preprocess), fold(classifier.network))
    answer = answer.float().cpu().eval()
    example = torch.zeros(2, classifier.channels, classifier.image_size, classifier.image_size)
    with _silence():
        program = torch.onnx.export(
            answer,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["squares"],
            output_names=["probabilities", "logits"],
            dynamic_shapes=({0: torch.export.Dim("N", min=1)},),
            external_data=False,
        )
    if program is None:
        raise SteadygradError("torch.onnx.export gave no graph. Report it with the model's name.")
    model = program.model_proto
    _forget_origins(model)
    return model


class _Answer(nn.Module):
    def __init__(self, preprocess: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.network = network

    def forward(self, squares: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(self.preprocess(squares))
        return torch.softmax(logits, dim=1), logits


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter's progress lines and its warnings about itself off the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _forget_origins(model: onnx.ModelProto) -> None:
    """Remove the exporter's notes: stack traces with this machine's paths, in every node."""
    graph = model.graph
    del graph.value_info[:]
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output, graph, model):
        del item.metadata_props[:]
        item.doc_string = ""
