"""Where the time went."""

from __future__ import annotations

from dataclasses import replace

from steadygrad.report.data import ReportData
from steadygrad.report.figures import Chart, Series
from steadygrad.report.figures import draw as draw_chart
from steadygrad.report.markup import Html, tag
from steadygrad.report.measure import speed, time_parts
from steadygrad.report.tables import numeric, numeric_head, table
from steadygrad.report.words import duration, percent

TONES = {
    "decoding": "purple",
    "waiting": "orange",
    "computing": "blue",
    "evaluation": "green",
    "export": "amber",
    "other": "gray",
}
MUCH_WAITING = 0.1
"""Share of training spent waiting above which feeding, not computing, sets the speed."""


def draw(data: ReportData) -> Html:
    """The run's time in parts, and the speed of training over its steps."""
    # A recipe trains on pictures; somebody's script may be fed with anything.
    things = "images" if data.resolved else "examples"
    parts = [part for part in time_parts(data.timings, data.record.steps) if part[2] > 0]
    drawn: list[Html] = []
    if parts:
        drawn.append(_split(parts, things))
    xs, ys = speed(data.record.steps)
    if xs:
        series = [Series(f"{things}/s", xs, ys, tone="blue")]
        title = f"{things.capitalize()} per second"
        chart = Chart("speed", title, series, "step", y_range=(0.0, None))
        chart = replace(chart, x_range=(0.0, xs[-1]))
        drawn.append(draw_chart(chart))
    return tag("div", *drawn, class_="grid") if drawn else Html("")


def _split(parts: list[tuple[str, str, float]], things: str) -> Html:
    total = sum(seconds for _, _, seconds in parts)
    x, bars = 0.0, list[Html]()
    for key, label, seconds in parts:
        width = 600 * seconds / total
        tip = f"{label}: {duration(seconds)} ({percent(seconds / total)})"
        box = {"x": x, "y": 0, "width": max(width - 1, 0.5), "height": 26}
        bars.append(tag("rect", **box, class_=f"fill tone-{TONES[key]}", data_tip=tip))
        x += width
    svg = tag(
        "svg",
        *bars,
        viewBox="0 0 600 26",
        class_="timebar",
        preserveAspectRatio="none",
        role="img",
        aria_label="The run's time in parts",
    )
    rows = [
        [
            tag("th", tag("i", class_=f"swatch bar tone-{TONES[key]}"), label, scope="row"),
            numeric(duration(seconds)),
            numeric(percent(seconds / total)),
        ]
        for key, label, seconds in parts
    ]
    heads = ["part", numeric_head("time"), numeric_head("share")]
    title = tag("h3", f"{duration(total)} in all")
    words = tag("p", _words(parts, things), class_="note")
    return tag("div", title, svg, table(heads, rows), words, class_="card")


def _words(parts: list[tuple[str, str, float]], things: str) -> str:
    seconds = {key: value for key, _, value in parts}
    training = seconds.get("waiting", 0.0) + seconds.get("computing", 0.0)
    if not training:
        return ""
    waited = seconds.get("waiting", 0.0) / training
    said = f"Training waited for {things} {percent(waited)} of its time"
    if waited > MUCH_WAITING:
        return f"{said}: faster reading, smaller inputs or cheaper augmentation would speed it up."
    return f"{said}: feeding keeps up."
