"""One file to deploy, model.onnx, and the proof that it answers as training did."""

from steadygrad.export.proof import Parity, prove
from steadygrad.export.write import export

__all__ = ["Parity", "export", "prove"]
