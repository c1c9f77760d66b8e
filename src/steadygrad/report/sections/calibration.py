"""Whether the probabilities can be believed."""

from __future__ import annotations

from typing import Any

from steadygrad.report import reading
from steadygrad.report.data import ReportData
from steadygrad.report.figures import BOTTOM, LEFT, RIGHT, TOP
from steadygrad.report.markup import Html, tag
from steadygrad.report.scales import Scale, ticks
from steadygrad.report.words import count, number_or_none, percent

SIDE, COUNTS = 350.0, 130.0
"""Pixels: the height of the reliability diagram, and of the counts below it."""
WIDTH = 470.0


def draw(data: ReportData) -> Html:
    """Reliability diagram, the pictures behind each bar, and the expected calibration error."""
    split, evaluation = data.scored or ("", {})
    bins: list[dict[str, Any]] = reading.rows(evaluation, "calibration")
    bins = [one for one in bins if number_or_none(one.get("count"))]
    if not bins:
        return Html("")
    figure = tag(
        "figure",
        tag("figcaption", tag("h3", "Reliability"), _legend()),
        _reliability(bins),
        class_="chart card",
    )
    counted = tag("figure", tag("h3", "Pictures per confidence"), _counts(bins), class_="chart")
    words = tag("div", *_words(split, evaluation, bins), counted, class_="card prose")
    return tag("div", figure, words, class_="grid")


def _legend() -> Html:
    items = (("level", "share right"), ("gap", "gap to confidence"), ("dashed", "ideal"))
    swatches = (tag("span", tag("i", class_=f"swatch {look}"), name) for look, name in items)
    return tag("span", *swatches, class_="legend")


def _reliability(bins: list[dict[str, Any]]) -> Html:
    x = Scale(0.0, 1.0, LEFT, WIDTH - RIGHT)
    y = Scale(0.0, 1.0, SIDE - BOTTOM, TOP)
    parts: list[Html] = []
    for value in ticks(0, 1):
        at = y(value)
        text = f"{100 * value:g} %"
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="grid"))
        parts.append(tag("text", text, x=LEFT - 7, y=at + 4, class_="tick end"))
        parts.append(tag("text", text, x=x(value), y=SIDE - BOTTOM + 17, class_="tick middle"))
    parts += [_bin(one, x, y) for one in bins]
    ends = {"x1": x(0), "y1": y(0), "x2": x(1), "y2": y(1)}
    parts.append(tag("line", **ends, class_="ideal"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(tag("text", "confidence", x=middle, y=SIDE - 6, class_="name middle"))
    label = "Reliability diagram: share of right answers in each range of confidence"
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH:g} {SIDE:g}", role="img", aria_label=label)


def _bin(one: dict[str, Any], x: Scale, y: Scale) -> Html:
    left, right = x(float(one["low"])), x(float(one["high"]))
    accuracy = number_or_none(one.get("accuracy")) or 0.0
    confidence = number_or_none(one.get("confidence")) or 0.0
    top, ideal, base = y(accuracy), y(confidence), y(0.0)
    width = max(right - left - 2, 1.0)
    # Pixels count downwards: what is drawn higher is smaller.
    high, low = min(top, ideal), max(top, ideal)
    tip = (
        f"confidence {percent(one['low'], 0)} to {percent(one['high'], 0)}: "
        f"{count(one['count'])} pictures, mean confidence {percent(confidence)}, "
        f"{percent(accuracy)} right"
    )
    return tag(
        "g",
        tag("rect", x=left + 1, y=low, width=width, height=base - low, class_="fill tone-blue"),
        tag("rect", x=left + 1, y=high, width=width, height=low - high, class_="gap"),
        tag("line", x1=left + 1, x2=left + 1 + width, y1=top, y2=top, class_="level"),
        tag("rect", x=left + 1, y=y(1), width=width, height=base - y(1), class_="catch"),
        data_tip=tip,
    )


def _counts(bins: list[dict[str, Any]]) -> Html:
    x = Scale(0.0, 1.0, LEFT, WIDTH - RIGHT)
    most = max(float(one["count"]) for one in bins)
    base, parts = COUNTS - 24, list[Html]()
    for one in bins:
        left, right = x(float(one["low"])), x(float(one["high"]))
        height = (base - 16) * float(one["count"]) / most
        bar = {"x": left + 1, "y": base - height, "width": max(right - left - 2, 1.0)}
        parts.append(tag("rect", **bar, height=height, class_="fill tone-gray"))
        where = {"x": (left + right) / 2, "y": base - height - 4}
        parts.append(tag("text", count(one["count"]), **where, class_="tick middle small"))
    parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=base, y2=base, class_="axis"))
    for value in ticks(0, 1):
        text = f"{100 * value:g} %"
        parts.append(tag("text", text, x=x(value), y=base + 17, class_="tick middle"))
    label = "Number of pictures in each range of confidence"
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH:g} {COUNTS:g}", role="img", aria_label=label)


def _words(split: str, evaluation: dict[str, Any], bins: list[dict[str, Any]]) -> list[Html]:
    total = sum(float(one["count"]) for one in bins)
    signed = sum(
        float(one["count"])
        * (
            (number_or_none(one.get("confidence")) or 0)
            - (number_or_none(one.get("accuracy")) or 0)
        )
        for one in bins
    )
    signed /= total
    error = number_or_none(evaluation.get("expected_calibration_error"))
    words: list[Html] = []
    if error is not None:
        words.append(tag("p", percent(error), class_="big"))
        words.append(
            tag(
                "p",
                f"expected calibration error on {count(total)} {split} pictures: how far ",
                "confidence and the share of right answers are apart, on average over pictures.",
            )
        )
    if abs(signed) < 0.01:
        text = "Confidence fits: on average it is within one point of the accuracy."
    elif signed > 0:
        text = (
            f"Overconfident by {percent(signed)} on average: where it says 90 %, expect less. "
            "Label smoothing or mixup lower the confidence."
        )
    else:
        text = (
            f"Underconfident by {percent(-signed)} on average: it is right more often than it "
            "says. That is usual after label smoothing, mixup or averaging."
        )
    words.append(tag("p", text))
    return words
