"""One plain name for each operation, whatever way it was called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

_NO_OPERATIONS = """
dim size numel nelement ndimension stride storage storage_offset untyped_storage data_ptr
is_floating_point is_complex is_contiguous is_pinned is_sparse is_tensor element_size get_device
item tolist numpy requires_grad_ retain_grad register_hook backward
register_post_accumulate_grad_hook __len__ __hash__ __repr__ __format__ __bool__ __float__ __int__
__index__ __contains__ __deepcopy__ __reduce_ex__ __array__ __dlpack__ __set__ __delete__
is_same_size is_set_to is_nonzero set_ resize_ share_memory_ is_shared _set_grad_enabled
manual_seed seed pin_memory record_stream result_type is_inference allclose equal can_cast
promote_types _has_compatible_shallow_copy_type is_conj is_neg is_grad_enabled _is_view has_names
__dir__ __setstate__ is_signed
"""
SKIPPED = frozenset(_NO_OPERATIONS.split())
"""Questions about a tensor, and what is tapped elsewhere; they make no tensor of the graph."""

ALIASES = {
    "iadd": "add", "radd": "add", "isub": "sub", "rsub": "sub", "imul": "mul", "rmul": "mul",
    "truediv": "div", "itruediv": "div", "rtruediv": "div", "true_divide": "div", "rdiv": "div",
    "divide": "div", "multiply": "mul", "subtract": "sub", "idiv": "div", "ipow": "pow",
    "rpow": "pow", "rmatmul": "matmul", "imatmul": "matmul", "mm": "matmul", "mv": "matmul",
    "addmm": "matmul", "negative": "neg", "multi_head_attention_forward": "attention",
    "scaled_dot_product_attention": "attention", "concat": "cat", "concatenate": "cat",
    "hstack": "cat", "vstack": "cat",
    "gru_cell": "gru", "lstm_cell": "lstm", "rnn_tanh": "rnn", "rnn_relu": "rnn",
    "rnn_tanh_cell": "rnn", "dropout1d": "feature_dropout", "dropout2d": "feature_dropout",
    "dropout3d": "feature_dropout", "feature_alpha_dropout": "alpha_dropout", "absolute": "abs",
    "special_expit": "sigmoid", "expit": "sigmoid", "upsample": "interpolate",
    "special_log_softmax": "log_softmax", "special_softmax": "softmax", "softmin": "softmax",
    "index_select": "index", "take_along_dim": "gather",
    "native_layer_norm": "layer_norm", "fix": "trunc",
    "native_batch_norm": "batch_norm", "prelu_kernel": "prelu", "clip": "clamp",
}  # fmt: skip
"""Python's and torch's other spellings → the plain name."""


def canonical(function: Callable[..., Any]) -> str:
    """The plain name of a torch function; "" for what is no operation of the graph.

    >>> [canonical(f) for f in (torch.relu_, torch.Tensor.__iadd__, torch.mm, torch.Tensor.size)]
    ['relu', 'add', 'matmul', '']
    """
    name = getattr(function, "__name__", "")
    if name == "__get__":
        return "detach" if function == torch.Tensor.data.__get__ else ""  # type: ignore[attr-defined]
    if name in SKIPPED or not name:
        return ""
    plain = name.strip("_") or name
    plain = ALIASES.get(plain, plain)
    if "max_pool" in plain:
        return "max_pool"
    if "avg_pool" in plain:
        return "avg_pool"
    return plain


def is_in_place(function: Callable[..., Any]) -> bool:
    """Whether a function changes its first argument: `relu_`, `+=`, `x[i] = …`."""
    name = getattr(function, "__name__", "")
    if name.startswith("__i") and name not in ("__invert__", "__index__", "__int__"):
        return True
    return name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))
