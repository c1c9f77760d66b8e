"""Learning curves: loss, accuracy, learning rate, gradient, with what happened on the axis."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from steadygrad.record import Event, Record
from steadygrad.report.data import ReportData
from steadygrad.report.figures import Chart, Mark, Series
from steadygrad.report.figures import draw as draw_chart
from steadygrad.report.markup import Html, tag
from steadygrad.report.measure import best_epoch, first_not_finite, thin, train_loss
from steadygrad.report.tables import numeric, numeric_head, table
from steadygrad.report.words import count, duration, number, number_or_none, percent

MAX_MARKS = 24
OTHER_SCALE = 10.0
"""Times the largest training loss; where every validation loss is above, one axis shows neither."""


def draw(data: ReportData) -> Html:
    """One chart a quantity, over steps; then the events and the epochs as tables."""
    record = data.record
    if not record.steps and not record.epochs:
        return tag("p", "Nothing was trained: there is no step to draw.", class_="empty card")
    marks = _marks(record)
    charts = [
        loss(record, marks),
        held_out_loss(record),
        accuracy(record),
        learning_rate(record),
        gradient(record),
    ]
    # One axis for all: what happens at the same step stands at the same place.
    span = (0.0, float(max(_last_step(record), 1)))
    same = [replace(chart, x_range=span) for chart in charts if chart]
    drawn, events = [draw_chart(chart) for chart in same], _events(record.events)
    if events and len(drawn) % 2:
        # Two charts stand in a row; the events fill the last one.
        return tag("div", tag("div", *drawn, events, class_="grid"), _epochs(record))
    return tag("div", tag("div", *drawn, class_="grid"), events, _epochs(record))


def loss(record: Record, marks: list[Mark]) -> Chart:
    """Training loss of each batch, raw and smoothed, and validation loss of each epoch."""
    raw, mean, window = train_loss(record.steps)
    series = [Series("raw", *raw, tone="blue", look="faint")]
    name = "training" if window == 1 else f"training, mean of {window} steps"
    series.append(Series(name, *mean, tone="blue"))
    if not _other_scale(record):
        series.append(_by_epoch(record, "val_loss", "validation", "orange"))
    broken = first_not_finite(record.steps)
    note = "Training loss is what was minimised, label smoothing and mixing included."
    if broken is not None:
        note = f"The training loss is not a finite number from step {count(broken)} on."
        marks = [*marks, Mark(broken, "NaN", f"step {broken}: the loss is not finite")]
    return Chart("loss", "Loss", series, "step", marks=marks, note=note)


def held_out_loss(record: Record) -> Chart | None:
    """Validation loss alone, where it is on another scale than the training loss."""
    if not _other_scale(record):
        return None
    note = (
        "On an axis of its own: it is far from the training loss in size, as a sum over pictures "
        "is from their mean."
    )
    series = [_by_epoch(record, "val_loss", "validation", "orange")]
    return Chart("val-loss", "Validation loss", series, "step", note=note)


def _other_scale(record: Record) -> bool:
    train = [v for step in record.steps if (v := number_or_none(step.loss)) is not None]
    held_out = [v for e in record.epochs if (v := number_or_none(e.val_loss)) is not None]
    return bool(train) and bool(held_out) and min(held_out) > OTHER_SCALE * max(train)


def accuracy(record: Record) -> Chart | None:
    """Accuracy after each epoch, the best one marked."""
    series = [
        _by_epoch(record, "train_accuracy", "training", "blue"),
        _by_epoch(record, "val_accuracy", "validation", "orange"),
    ]
    if not any(value is not None for one in series for value in one.ys):
        return None
    best = best_epoch(record.epochs)
    marks, note = list[Mark](), ""
    if best is not None:
        note = (
            f"Best validation accuracy {percent(best.val_accuracy)} after epoch {best.epoch + 1}."
        )
        marks.append(Mark(best.step, "best", note))
    return Chart("accuracy", "Accuracy", series, "step", percent=True, marks=marks, note=note)


def learning_rate(record: Record) -> Chart | None:
    """The learning rate of every update."""
    if not record.steps:
        return None
    points = thin([float(s.step) for s in record.steps], [s.lr for s in record.steps])
    series = [Series("learning rate", *points, tone="green")]
    return Chart("lr", "Learning rate", series, "step", y_range=(0.0, None))


def gradient(record: Record) -> Chart | None:
    """The gradient's norm before clipping, where it was measured."""
    measured = [step for step in record.steps if number_or_none(step.grad_norm) is not None]
    if not measured:
        return None
    points = thin([float(s.step) for s in measured], [s.grad_norm for s in measured])
    return Chart("gradient", "Gradient norm", [Series("norm", *points, tone="purple")], "step")


def _by_epoch(record: Record, name: str, label: str, tone: str) -> Series:
    xs = [float(epoch.step) for epoch in record.epochs]
    ys = [number_or_none(getattr(epoch, name)) for epoch in record.epochs]
    return Series(label, *thin(xs, ys), tone=tone, look="dots")


def _last_step(record: Record) -> int:
    return max([s.step for s in record.steps] + [e.step for e in record.epochs], default=0)


def _marks(record: Record) -> list[Mark]:
    last = _last_step(record)
    numbered = [
        (index, event)
        for index, event in enumerate(sorted(record.events, key=lambda event: event.step), 1)
        # What was decided before the first step is listed below, not drawn on the axis.
        if 0 < event.step <= last
    ]
    marks: list[Mark] = []
    for step, group in groupby(numbered, key=lambda pair: pair[1].step):
        pairs = list(group)
        first, end = pairs[0][0], pairs[-1][0]
        text = "; ".join(event.text for _, event in pairs)
        span = str(first) if first == end else f"{first}–{end}"
        marks.append(Mark(step, span, f"step {step}: {text}"))
    return marks[:MAX_MARKS]


def _events(events: list[Event]) -> Html | None:
    if not events:
        return None
    ordered = sorted(events, key=lambda event: event.step)
    rows = [
        [str(index), numeric(count(event.step)), event.name, event.text]
        for index, event in enumerate(ordered, 1)
    ]
    body = table(["#", numeric_head("step"), "event", "what happened"], rows, class_="events")
    summary = tag("summary", f"What the run decided and met ({count(len(events))})")
    return tag("details", summary, body, class_="card", open=len(events) <= 12)


def _epochs(record: Record) -> Html | None:
    if not record.epochs:
        return None
    rows = [
        [
            str(epoch.epoch + 1),
            numeric(count(epoch.step)),
            numeric(number(epoch.train_loss)),
            numeric(number(epoch.val_loss)),
            numeric(percent(epoch.train_accuracy)),
            numeric(percent(epoch.val_accuracy)),
            numeric(duration(epoch.seconds)),
        ]
        for epoch in record.epochs
    ]
    names = ("step", "train loss", "val loss", "train accuracy", "val accuracy", "time")
    heads = ["epoch", *map(numeric_head, names)]
    summary = tag("summary", f"The same as numbers, epoch by epoch ({count(len(rows))})")
    return tag("details", summary, table(heads, rows, class_="numbers"), class_="card")
