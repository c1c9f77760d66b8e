"""Which signals and gradients of a network are too small or too large: the drawing's colours."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from steadygrad.report.graph_box import Box, Leaf

GRADIENT_LIMITS = (1e-4, 1e-2, 1e1, 1e2)
"""L2 norm of an output's gradient by that of the model's output: vanished, small, large, exploded.
Fresh nets without norms, of torch's own, He's or Xavier's weights, have 9e-4 (eight ReLU layers) to
2; eight sigmoid layers 2e-7, ReLU layers of 1.5 times He's std 4e3 over twenty of them."""
NORMED_GRADIENT_LIMITS = (1e-4, 1e-2, 1e3, 1e4)
"""Where norms stand between the layers the gradient grows on its way down, by up to 1.2 a layer
(Yang et al. 2019, arXiv 1902.08129), and healthy nets live with it, as a larger gradient in front
of a norm makes the weights longer and so the next steps shorter (Arora, Li, Lyu 2019, arXiv
1812.03981). Fresh ResNet-50s have 60 (2 pictures of 224) to 1000 (8 of 32: norms over 8 numbers),
a MobileNet 100; 100 convolutions with norms but no shortcuts, which do not train, a million."""
SIGNAL_LIMITS = (1e-2, 1e-1, 1e1, 1e2)
"""RMS of an output, the lower two by 1 or what the first operation gives if that is less, the upper
two by 1 or that if it is more: layers are made for signals of size one, and what embeddings of
std 0.02 or pixels up to 255 begin with is nobody's target."""
NORMS_PER_LAYER = 1 / 3
"""With a norm for every third layer the scale is set anew often enough (rule init-scale)."""
BOUNDED = frozenset({"softmax", "log_softmax", "sigmoid", "hardsigmoid", "attention"})
"""Operations that set the size of their output themselves: it says nothing about the signal."""
SMALL, BROKEN = -1, 3


def rate(leaves: Sequence[Leaf], ends: Collection[int]) -> None:
    """Give each operation its levels; `ends` are those that made what the model returned.

    What does not come from an input (a bias moved to another type) has none.
    """
    counted = [_counts(leaf, is_reached) for leaf, is_reached in zip(leaves, _reached(leaves))]
    signals, gradients = _signal_levels(leaves, counted), _gradient_levels(leaves, counted, ends)
    for leaf, signal, gradient in zip(leaves, signals, gradients):
        box = leaf.box
        box.signal_level, box.gradient_level = signal, gradient
        if _is_broken(box.values):
            box.signal_level = box.gradient_level = BROKEN
        box.leaving = (box.signal_level, box.gradient_level)


def _counts(leaf: Leaf, is_reached: bool) -> bool:
    box = leaf.box
    several = box.kind == "operation" and math.prod(box.shape) > 1
    return several and is_reached and not _is_broken(box.values)


def _reached(leaves: Sequence[Leaf]) -> list[bool]:
    """Whether something that goes into the pass leads there; all, where nothing is known to."""
    found: list[bool] = []
    for leaf in leaves:
        found.append(leaf.box.kind == "input" or any(found[source] for source in leaf.inputs))
    return found if any(found) else [True] * len(leaves)


def _gradient_levels(
    leaves: Sequence[Leaf], counted: Sequence[bool], ends: Collection[int]
) -> list[int]:
    norms = [gradient_norm(leaf.box) if counts else None for leaf, counts in zip(leaves, counted)]
    order = [*(norms[end] for end in sorted(ends, reverse=True)), *reversed(norms)]
    # Where the output has none (a loss that is already perfect), the last operation that has one.
    reference = next((norm for norm in order if norm), None)
    limits = NORMED_GRADIENT_LIMITS if _is_normed(leaves) else GRADIENT_LIMITS
    levels = [level(norm, reference, limits) for norm in norms]
    healthy = [norm is not None and found >= 0 for norm, found in zip(norms, levels)]
    above = _before(leaves, healthy)
    # A shortcut brought the gradient past what is small here: zero-started branches, layer scales.
    return [max(found, SMALL) if passed else found for found, passed in zip(levels, above)]


def _signal_levels(leaves: Sequence[Leaf], counted: Sequence[bool]) -> list[int]:
    sizes = [
        leaf.box.values.get("rms") if counts and leaf.box.operation not in BOUNDED else None
        for leaf, counts in zip(leaves, counted)
    ]
    start = next((size for size in sizes if size), 1.0)
    levels = [
        min(0, level(size, min(start, 1.0), SIGNAL_LIMITS))
        or max(0, level(size, max(start, 1.0), SIGNAL_LIMITS))
        for size in sizes
    ]
    healthy = [size is not None and found >= 0 for size, found in zip(sizes, levels)]
    restored = _behind(leaves, healthy)
    more_weights = _behind(leaves, [leaf.weighted for leaf in leaves])
    for place, takers in enumerate(_takers(leaves)):
        if takers and all(_is_norm(leaves[taker].box) for taker in takers):
            levels[place] = 0  # the norm sets the size anew
        elif not more_weights[place]:
            levels[place] = max(0, levels[place])  # small logits are a good start
        elif restored[place]:
            levels[place] = max(SMALL, levels[place])
    return levels


def _takers(leaves: Sequence[Leaf]) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in leaves]
    for place, leaf in enumerate(leaves):
        for source in leaf.inputs:
            found[source].append(place)
    return found


def _before(leaves: Sequence[Leaf], marked: Sequence[bool]) -> list[bool]:
    """Whether a marked one leads to each."""
    found: list[bool] = []
    for leaf in leaves:
        found.append(any(marked[source] or found[source] for source in leaf.inputs))
    return found


def _behind(leaves: Sequence[Leaf], marked: Sequence[bool]) -> list[bool]:
    """Whether each leads to a marked one."""
    found = [False] * len(leaves)
    for place in range(len(leaves) - 1, -1, -1):
        for source in leaves[place].inputs:
            found[source] = found[source] or found[place] or marked[place]
    return found


def _is_norm(box: Box) -> bool:
    return box.operation.endswith("_norm")


def _is_normed(leaves: Sequence[Leaf]) -> bool:
    norms = sum(_is_norm(leaf.box) for leaf in leaves)
    return norms >= NORMS_PER_LAYER * max(1, sum(leaf.weighted for leaf in leaves))


def gradient_norm(box: Box) -> float | None:
    """L2 norm of the loss's gradient by the output, however many numbers share it."""
    rms = box.values.get("grad_rms")
    return None if rms is None else rms * math.sqrt(math.prod(box.shape))


def level(value: float | None, reference: float | None, limits: Sequence[float]) -> int:
    """-2 to 2: where a value stands beside its reference.

    >>> [level(x, 1.0, GRADIENT_LIMITS) for x in (1e-5, 5e-3, 1.0, 50.0, 1e3)]
    [-2, -1, 0, 1, 2]
    """
    if value is None or not reference or not math.isfinite(reference):
        return 0
    ratio = value / reference
    low, small, large, high = limits
    return (ratio > large) + (ratio > high) - (ratio < small) - (ratio < low)


def _is_broken(values: dict[str, float]) -> bool:
    if values.get("non_finite_fraction") or values.get("grad_non_finite"):
        return True
    return any(not math.isfinite(values.get(key, 0.0)) for key in ("rms", "grad_rms"))
