"""A network before and after an initialisation scheme: the two tables and the verdict."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from steadygrad.initializing.signals import Signals, measure
from steadygrad.initializing.trend import Trend
from steadygrad.nn.initialize import (
    DATA_SCHEMES,
    Sample,
    initialize,
    left_alone,
    symmetric_layers,
)

KEPT = 10.0
"""A size that changes less than tenfold over all layers is kept: training is not the slower for
it (Glorot, Bengio 2010, figures 6 and 7, differ by such factors between layers)."""
LOST = 1000.0
"""Beyond this the first layers get nothing that counts, or everything."""
DROWNED = 0.01
"""Share of an output that differs between examples, under which biases have drowned the signal:
they keep its standard deviation up where the weights have long lost it."""
NORMS_PER_LAYER = 1 / 3
"""With a norm for every third layer the scale is set anew often enough (rule init-scale)."""


@dataclass(frozen=True)
class Examination:
    """What `examine` found; `to_dict` is what --json writes."""

    scheme: str
    before: Signals
    after: Signals
    left_alone: dict[str, str]
    """Parameters the scheme does not draw, and why."""
    notes: dict[str, str]
    """Layer → what a scheme that looks at data did to it."""
    symmetric: list[str]
    """Layers whose units all start the same, and so would stay the same."""
    verdict: str
    healthy: bool
    """After the scheme, signal and gradient keep their size through depth."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is no number is None."""
        return {
            "scheme": self.scheme,
            "before": _plain(self.before),
            "after": _plain(self.after),
            "left_alone": self.left_alone,
            "notes": self.notes,
            "symmetric": self.symmetric,
            "verdict": self.verdict,
            "healthy": self.healthy,
        }


def examine(
    model: nn.Module,
    sample: Sample,
    scheme: str = "auto",
    *,
    std: float = 0.01,
    generator: torch.Generator | None = None,
    targets: Tensor | None = None,
) -> Examination:
    """Measure the signal of `model`, initialise it by `scheme`, and measure again.

    The model keeps the new weights. `targets`, class labels, make the loss cross entropy.

    >>> network = nn.Sequential(*[nn.Linear(64, 64) for _ in range(10)])
    >>> found = examine(network, torch.randn(32, 64), "orthogonal")
    >>> found.healthy, round(found.after.signal.factor, 2)
    (True, 1.0)
    """
    before = measure(model, sample, targets)
    rows = initialize(model, scheme, std=std, generator=generator, sample=sample)
    after = measure(model, sample, targets)
    symmetric = symmetric_layers(model)
    return Examination(
        scheme,
        before,
        after,
        left_alone(model),
        {row.name: row.note for row in rows if row.note},
        symmetric,
        _verdict(scheme, before, after, symmetric),
        is_healthy(after) and not symmetric,
    )


def is_healthy(signals: Signals) -> bool:
    """Whether signal and gradient keep their size, to a factor of ten, through all layers."""
    return (
        signals.finite
        and _last_spread(signals) >= DROWNED
        and all(
            trend is None or 1 / KEPT <= trend.total <= KEPT
            for trend in (signals.signal, signals.gradient)
        )
    )


def _verdict(scheme: str, before: Signals, after: Signals, symmetric: list[str]) -> str:
    sentences = [f"As it came: {_state(before)}.", f"With {scheme}: {_state(after)}."]
    if symmetric:
        first = f"In {len(symmetric)} layers" if len(symmetric) > 1 else f"In {symmetric[0]}"
        sentences.append(
            f"{first} all units are the same, get the same gradient and stay the same for ever: "
            "draw the weights at random."
        )
        return " ".join(sentences)
    if after.small_head:
        sentences.append(
            f"The last layer, {after.small_head}, starts small, which is meant (a first loss of "
            "ln C), and has no part in the trend."
        )
    closed = _closed(after)
    if closed:
        sentences.append(
            f"{closed} layer{'s' * (closed > 1)} in residual branches that start at zero get no "
            "gradient before the first update, as meant."
        )
    if after.norms_per_layer >= NORMS_PER_LAYER:
        sentences.append("The norms set the scale anew, so the choice matters little here.")
    if is_healthy(after) and not is_healthy(before):
        sentences.append(f"Use {scheme}.")
    elif is_healthy(after):
        sentences.append("Both will train.")
    elif is_healthy(before):
        sentences.append("The weights as they came are the better start.")
    elif after.finite:
        sentences.append(
            "Try another scheme: lsuv scales each layer on your own data, and norms make the "
            "choice matter little."
            if scheme not in DATA_SCHEMES
            else "Norms between the layers would help more than another scheme."
        )
    return " ".join(sentences)


def _state(signals: Signals) -> str:
    if not signals.finite:
        return "the signal breaks: NaN or infinity on the way"
    if not _last_spread(signals):
        return "no signal gets through: the last hidden layer gives every example the same"
    if signals.signal is None:
        hidden = " before the head" if signals.small_head else ""
        return f"fewer than three layers in a row{hidden} carry a signal, so there is no trend"
    words = [f"the signal {_words(signals.signal)}"]
    if signals.gradient is not None:
        words.append(f"the gradient's norm {_words(signals.gradient)} on its way down")
    elif not _closed(signals):
        words.append("hardly any layer gets a gradient")
    spread = _last_spread(signals)
    if spread < DROWNED:
        words.append(
            f"and only {spread:.1g} of what the last hidden layer puts out differs between "
            "examples (the rest is biases)"
        )
    return ", ".join(words)


def _last_spread(signals: Signals) -> float:
    """Of the last layer before the head that gives anything: zero-started branches don't."""
    path = [row for row in signals.layers if row.on_path][:-1]
    found = [row.spread for row in path if row.std > 0 and not math.isnan(row.spread)]
    if found:
        return found[-1]
    return 0.0 if path and not any(row.std > 0 for row in path) else 1.0


def _words(trend: Trend) -> str:
    total = trend.total
    how = f"(×{trend.factor:.3g} per layer, ×{total:.2g} over {trend.layers})"
    if 1 / KEPT <= total <= KEPT:
        return f"keeps its size {how}"
    if total < 1:
        return f"{'vanishes' if total < 1 / LOST else 'fades'} {how}"
    return f"{'explodes' if total > LOST else 'grows'} {how}"


def _closed(signals: Signals) -> int:
    """Layers without gradient although one before them has its full size: it came past them."""
    path = [row.gradient_norm for row in signals.layers if row.on_path]
    largest = max((norm for norm in path if math.isfinite(norm)), default=0.0)
    reached = [i for i, norm in enumerate(path) if norm > largest / LOST]
    return sum(norm == 0 for norm in path[reached[0] :]) if reached else 0


def _plain(signals: Signals) -> dict[str, Any]:
    values = dataclasses.asdict(signals)
    for row in values["layers"]:
        for key in ("std", "gradient", "gradient_norm", "spread"):
            row[key] = row[key] if math.isfinite(row[key]) else None
    for key in ("signal", "gradient"):
        trend = getattr(signals, key)
        if trend is not None:
            values[key]["total"] = trend.total
    return values
