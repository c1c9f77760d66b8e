"""How fast the weights move: each update by the size of its weight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from steadygrad.report import inside
from steadygrad.report.data import ReportData
from steadygrad.report.figures import Chart, Level, Series
from steadygrad.report.figures import draw as draw_chart
from steadygrad.report.markup import Html, tag
from steadygrad.report.measure import thin
from steadygrad.report.words import number, plural

MAX_WEIGHTS = 40
MAX_STEPS = 120
HEALTHY = (1e-4, 3e-2)
"""Of runs that learn: how much an update changes a weight, by the weight's size (RMS by RMS)."""
REFERENCE = 1e-3
LIMITS = (1e-5, 1e-1)
"""Outside of these the learning rate is almost surely wrong."""
DRAWN = (1e-8, 1e2)
"""What lies further out is drawn at the edge."""
DEPTHS = 8


def draw(data: ReportData) -> Html:
    """The ratios of all weights over the steps, with the healthy band."""
    ratios = inside.update_ratios(data.record, MAX_WEIGHTS)
    positive = [value for _, _, values in ratios for value in values if 0 < value < math.inf]
    if not ratios:
        return Html("")
    if not positive:
        words = f"None of the {plural(len(ratios), 'weight')} changed at any watched step."
        return tag("p", tag("strong", words), class_="card")
    low = max(min(*positive, LIMITS[0] / 2), DRAWN[0])
    high = min(max(*positive, LIMITS[1] * 2), DRAWN[1])
    chart = Chart(
        "updates",
        "Update ratio of every weight",
        _series(ratios),
        "step",
        y_range=(low, high),
        log=True,
        log_x=True,
        levels=[
            Level(HEALTHY[0], "healthy", HEALTHY[1]),
            Level(REFERENCE, "0.001"),
            Level(LIMITS[0], "below: usually too slow", look="limit"),
            Level(LIMITS[1], "above: usually too fast", look="limit"),
        ],
        note=(
            "How much one update changes a weight, by the weight's own size (RMS by RMS). Healthy: "
            "inside the band, near 0.001. Below it the network hardly moves; above it each update "
            "forgets what the last one learned."
        ),
    )
    return tag("div", draw_chart(chart), _table(ratios), class_="grid")


def _series(ratios: Sequence[tuple[str, list[int], list[float]]]) -> list[Series]:
    last = max(len(ratios) - 1, 1)
    series: list[Series] = []
    for index, (name, steps, values) in enumerate(ratios):
        xs, ys = thin([float(step) for step in steps], values, MAX_STEPS)
        tone = f"depth{round(index / last * (DEPTHS - 1))}"
        series.append(Series(name, xs, ys, tone))
    return series


def _table(ratios: Sequence[tuple[str, list[int], list[float]]]) -> Html:
    """The same in words: how many weights are where, by their medians."""
    finite = [[value for value in values if math.isfinite(value)] for _, _, values in ratios]
    medians = [median(values) for values in finite if values]
    groups = (
        ("above 0.1: usually too fast", [m for m in medians if m > LIMITS[1]]),
        ("0.03 to 0.1: fast", [m for m in medians if HEALTHY[1] < m <= LIMITS[1]]),
        ("0.0001 to 0.03: healthy", [m for m in medians if HEALTHY[0] <= m <= HEALTHY[1]]),
        ("0.00001 to 0.0001: slow", [m for m in medians if LIMITS[0] <= m < HEALTHY[0]]),
        ("under 0.00001: usually too slow", [m for m in medians if 0 < m < LIMITS[0]]),
        ("not changed at all", [m for m in medians if m == 0]),
    )
    rows = [
        (tag("dt", name), tag("dd", plural(len(group), "weight")))
        for name, group in groups
        if group
    ]
    words = (
        "Each weight's median over the watched steps. The median of all is "
        f"{number(median(medians), 2)}."
    )
    return tag(
        "div",
        tag("h3", "Where the weights are"),
        tag("p", words),
        tag("dl", *rows, class_="facts"),
        class_="card",
    )
