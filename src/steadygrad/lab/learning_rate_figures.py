"""Figures of the learning-rate experiment: rates, schedules, and what an epoch does."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from steadygrad.lab.drawing import BLUE, GRAY, VERMILION, curve, figure, label, points
from steadygrad.lab.learning_rate_runs import TIMES, WARMUP, Measured
from steadygrad.lab.short_runs import Run
from steadygrad.lab.training import smoothed
from steadygrad.schedules import multiplier

COLUMNS = 4  # schedules in a row of small pictures
LIMIT = 10.0
"""Nats; a loss above is no better told than a broken one."""
SHOWN = 20  # a smoothed curve averages over this part of a run


def draw_rates(found: Measured) -> Figure:
    """Loss curves by rate, and where each ends."""
    drawn, axes = figure(
        1,
        2,
        height=3.9,
        caption=f"Left: loss over the updates, each point the mean of the last 1/{SHOWN} of a run; "
        "rates at which the numbers broke are left out. Right: the loss each rate ends with; "
        f"crosses at the top: the numbers broke, or the loss ended above {LIMIT:g}.",
    )
    left, right = axes[0]
    guess = math.log(found.num_classes)
    whole = {rate: run for rate, run in found.rates.items() if run.last_train[0] <= LIMIT}
    for order, (rate, run) in enumerate(whole.items()):
        curve(left, smooth(run), f"{rate:g}", order)
    ends = {rate: run.last_train[0] for rate, run in whole.items()}
    right.plot(list(ends), list(ends.values()), "o-", color=BLUE)
    top = 2 * max(ends.values())
    broken = [rate for rate in found.rates if rate not in whole]
    if broken:
        right.plot(broken, [top] * len(broken), "X", color=VERMILION, label="broke")
    right.axhline(guess, color=GRAY, linestyle=":", label="guessing, ln C")
    right.set_xscale("log")
    right.set_xticks(list(found.rates), [f"{rate:g}" for rate in found.rates], fontsize=8)
    right.minorticks_off()
    for panel in (left, right):
        plain_log(panel)
    shown = np.concatenate([smooth(run) for run in whole.values()])
    left.set_ylim(0.8 * shown.min(), min(LIMIT, 1.2 * shown.max()))
    label(left, "update", "training loss (nats)")
    label(right, "learning rate", "training loss at the end (nats)")
    keys, texts = left.get_legend_handles_labels()
    more, more_texts = right.get_legend_handles_labels()
    texts = [f"rate {text}" for text in texts]
    drawn.legend([*keys, *more], [*texts, *more_texts], loc="outside lower center", ncols=5)
    return drawn


def draw_schedules(found: Measured) -> Figure:
    """Two small pictures for each schedule: its rate, and the loss under it."""
    bands = math.ceil(len(found.schedules) / COLUMNS)
    drawn, axes = figure(
        2 * bands,
        COLUMNS,
        height=3.1 * bands,
        sharex=True,
        sharey="row",
        caption="Above: learning rate over its peak along the run. Below: training loss of "
        "logistic regression under it, small batches and wrong labels; in gray that under the "
        "constant rate.",
    )
    progress = np.linspace(0, 1, 400)
    constant = smooth(found.schedules["constant"])
    for order, (name, run) in enumerate(found.schedules.items()):
        band, column = divmod(order, COLUMNS)
        above, below = axes[2 * band, column], axes[2 * band + 1, column]
        shape, warmup = name.split(",")[0], WARMUP if "warm-up" in name else 0.0
        above.plot(progress, [multiplier(shape, float(p), warmup) for p in progress], color=BLUE)
        for values, look in ((constant, {"color": GRAY, "linewidth": 1.0}), (smooth(run), {})):
            below.plot(np.linspace(0, 1, len(values)), values, **{"color": BLUE, **look})
        above.set_title(name)
        below.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        below.set_ylim(0)
        if column == 0:
            above.set_ylabel("rate over peak")
            below.set_ylabel("loss (nats)")
    for panel in axes[-1]:
        panel.set_xlabel("share of the run")
    return drawn


def draw_epochs(found: Measured) -> Figure:
    """Batch size against rate per epoch; doubled data per epoch and per update."""
    drawn, axes = figure(
        1,
        3,
        height=3.9,
        sharey=True,
        caption=f"Left: batch and rate {TIMES} times as large give the same curve per epoch; a "
        "larger batch alone does not. Middle and right: with every picture twice an epoch does "
        "twice the work; over the updates the curves are one.",
    )
    left, middle, right = axes[0]
    for panel, runs in ((left, found.batches), (middle, found.doubled)):
        for order, (name, run) in enumerate(runs.items()):
            points(panel, range(1, len(run.epochs) + 1), losses_by_epoch(run), name, order)
        panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
    for order, (name, run) in enumerate(found.doubled.items()):
        updates = np.arange(1, len(run.epochs) + 1) * (len(run.losses) // len(run.epochs))
        points(right, updates, losses_by_epoch(run), name, order)
    plain_log(left)  # the others share it
    label(left, "epoch", "loss on the training pictures (nats)", "batch and rate")
    label(middle, "epoch", "", "data doubled by copies")
    label(right, "update", "", "the same over the updates")
    return drawn


def losses_by_epoch(run: Run) -> list[float]:
    """Training loss after each epoch."""
    return [epoch[0] for epoch in run.epochs]


def smooth(run: Run) -> list[float]:
    """A run's losses as a curve."""
    return smoothed(run.losses, max(10, len(run.losses) // SHOWN))


def plain_log(axes: Axes) -> None:
    """A logarithmic axis upwards with numbers as one says them: 0.5, not 5 × 10⁻¹."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
