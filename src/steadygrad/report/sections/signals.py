"""What went on inside the network: values, gradients and dead units, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steadygrad.report import heat, histograms, inside
from steadygrad.report.data import ReportData
from steadygrad.report.figures import Chart, Series
from steadygrad.report.figures import draw as draw_chart
from steadygrad.report.heat import Heat
from steadygrad.report.inside import Layer
from steadygrad.report.markup import Html, tag
from steadygrad.report.words import number, percent, plural

MAX_ROWS = 60
MAX_COLUMNS = 40
MAX_HISTOGRAMS = 40
FEW_ZEROS = 1e-3
"""Share of zeros that a layer has by chance."""
OFF_CENTRE = 3.0
"""Standard deviations of mean at which the colours end."""
SHARES = (
    (
        "dead_fraction",
        "Dead units",
        "Share of a layer's units that were zero for every one of the last examples: they pass "
        "nothing on and learn nothing. Healthy: faint, under 10 %; a row of full colour has died.",
    ),
    (
        "saturated_fraction",
        "Saturated units",
        "Share of outputs at the flat ends of tanh or sigmoid, where the gradient is near zero. "
        "Healthy: faint, well under half, above all at the first steps.",
    ),
    (
        "zero_fraction",
        "Zeros",
        "Share of outputs that are exactly zero; layers without any are left out. Healthy: about "
        "half after a ReLU; all zeros means that nothing passes.",
    ),
)
"""Statistic, title, how to read it."""


def draw(data: ReportData) -> Html:
    """Pictures through depth first, then over the steps."""
    found = inside.layers(data.record)
    if not found:
        return Html("")
    profiles = [chart for chart in (_spread(found), _gradient(found)) if chart]
    maps = [_sizes(found), _gradients(found), _means(found), *_shares(found)]
    return tag(
        "div",
        tag(
            "p",
            "Measured at the watched steps; a layer is one operation, in the order of computation. "
            "Step 0 is the untrained network.",
            class_="note",
        ),
        tag("div", *map(draw_chart, profiles), class_="grid") if profiles else None,
        _histograms(found),
        tag("div", *maps, class_="maps"),
    )


def _spread(found: Sequence[Layer]) -> Chart | None:
    note = (
        "Standard deviation of each layer's output. Healthy: about the same height from the first "
        "layer to the last; a line that falls or climbs steadily is a wrong initialisation."
    )
    return _profile(found, "std", ("depth-std", "Size of the signal through depth", note))


def _gradient(found: Sequence[Layer]) -> Chart | None:
    note = (
        "RMS of the loss's gradient by each layer's output. Healthy: within a factor of a hundred "
        "from one end to the other; a slope of many decades vanishes or explodes."
    )
    return _profile(found, "grad_rms", ("depth-grad", "Size of the gradient through depth", note))


def _profile(found: Sequence[Layer], key: str, words: tuple[str, str, str]) -> Chart | None:
    layers, steps = inside.through_depth(found, key)
    if len(layers) < 2:
        return None
    xs = [float(index) for index in range(1, len(layers) + 1)]
    tones = ("blue", "purple", "orange")[-len(steps) :] if len(steps) > 1 else ("blue",)
    series = [
        Series(f"step {step}", xs, [layer.value(step, key) for layer in layers], tone, "dots")
        for step, tone in zip(steps, tones)
    ]
    has_weight = all(layer.has_weight for layer in layers)
    label = "layer with weights, first to last" if has_weight else "layer, first to last"
    names = [layer.name for layer in layers]
    if any(layer.value(step, key) == 0 for layer in layers for step in steps):
        words = (*words[:2], f"{words[2]} A missing point is exactly zero.")
    anchor, title, note = words
    return Chart(anchor, title, series, label, note=note, log=True, x_names=names)


def _histograms(found: Sequence[Layer]) -> Html | None:
    layers, steps = inside.with_histograms(found, MAX_HISTOGRAMS)
    if not layers:
        return None
    title = "How each layer's output is spread"
    note = (
        "One histogram per layer and step; a row shares one axis, whose ends stand under the name, "
        "with a line at zero. Healthy: one hump of similar width in every layer. A spike at zero, "
        "all at the two ends, or a width that changes a lot from layer to layer is not. "
        "A bar with a gap near its top is cut: it is higher."
    )
    body = histograms.draw(layers, steps)
    summary = tag("summary", title)
    return tag("details", summary, tag("p", note, class_="note"), body, class_="card", open=True)


def _sizes(found: Sequence[Layer]) -> Html:
    note = (
        "Standard deviation of each layer's output over the steps; each colour step is a factor. "
        "Healthy: rows that keep their colour or change slowly."
    )
    return _log_map(found, "std", "Size of the signal over time", note)


def _gradients(found: Sequence[Layer]) -> Html:
    note = (
        "RMS of the gradient by each layer's output over the steps. Healthy: similar colours from "
        "top to bottom, slowly fainter as the loss falls; the faintest rows get hardly any or none."
    )
    return _log_map(found, "grad_rms", "Size of the gradient over time", note)


def _log_map(found: Sequence[Layer], key: str, title: str, note: str) -> Html:
    grid = inside.grid(found, key, MAX_ROWS, MAX_COLUMNS)
    part, low, high = heat.log_part(grid)
    ends = (number(low, 2), number(high, 2))
    return heat.draw(Heat(title, note, grid, part, _digits, ends))


def _digits(value: float) -> str:
    return number(value, 2)


def _means(found: Sequence[Layer]) -> Html:
    """Mean over standard deviation: how far off centre the outputs are."""
    means = inside.grid(found, "mean", MAX_ROWS, MAX_COLUMNS)
    stds = inside.grid(found, "std", MAX_ROWS, MAX_COLUMNS)
    rows = [
        [_in_stds(mean, std) for mean, std in zip(one, other)]
        for one, other in zip(means.rows, stds.rows)
    ]
    grid = inside.Grid(means.names, means.steps, rows, means.left_out)
    note = (
        "Mean of each layer's output, in its standard deviations. Healthy: within one or two; a "
        "layer whose mean is many times its spread says nearly the same of every example."
    )
    ends = (f"-{OFF_CENTRE:g}", f"+{OFF_CENTRE:g}")

    def part(value: float) -> float:
        return value / OFF_CENTRE

    return heat.draw(Heat("Off centre", note, grid, part, _digits, ends, signed=True))


def _in_stds(mean: float | None, std: float | None) -> float | None:
    if mean is None or std is None:
        return None
    if std > 0 or not math.isfinite(mean + std):
        return mean / std if std else math.nan
    # All outputs the same: as far off centre as can be, unless all are zero.
    return math.copysign(2 * OFF_CENTRE, mean) if mean else 0.0


def _shares(found: Sequence[Layer]) -> list[Html]:
    maps, none = list[Html](), list[str]()
    for key, title, note in SHARES:
        grid = inside.grid(found, key, MAX_ROWS, MAX_COLUMNS)
        if key == "zero_fraction":
            some = [layer for layer in found if max(layer.values(key), default=0.0) > FEW_ZEROS]
            grid = inside.grid(some or found, key, MAX_ROWS, MAX_COLUMNS)
        if not any(value > 0 for value in grid.finite):
            if grid.finite:
                none.append(f"{title}: none in any of {plural(len(grid.names), 'layer')}.")
            continue
        maps.append(heat.draw(Heat(title, note, grid, float, percent, ("0 %", "100 %"))))
    return [*maps, tag("p", " ".join(none), class_="card")] if none else maps
