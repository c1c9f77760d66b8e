"""The runs of the learning-rate experiment, and the formulas its schedules are held against."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from steadygrad.lab.short_runs import Run, Study, plain_recipe, short_run
from steadygrad.schedules import SCHEDULES

RATES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
TIMES = 8
"""Batch and rate are multiplied by this much."""
WARMUP = 0.2
PEAK = 32.0
"""Peak rate of the runs under a schedule times the values in a picture: noise grows with both.

0.5 for pictures of 64 values, 0.04 for 784: high enough for the noise to show, low enough for the
loss to fall.
"""
GENTLE = 0.0025 / 8
"""Rate over batch size of the runs compared by epochs.

The proportion holds for rates far from where training breaks: times 64 this is 0.02, while 0.1 is
the best of the sweep. From 0.08 on the large batch visibly lags.
"""
WRONG_LABELS = 0.2
"""Share of them. With none the net fits every picture, all gradients end at 0, and no noise is left
for a schedule to settle."""


@dataclass(frozen=True)
class Measured:
    """All runs, by what was changed."""

    rates: dict[float, Run]
    peak: float
    schedules: dict[str, Run]
    batches: dict[str, Run]
    doubled: dict[str, Run]
    num_classes: int


def measure(study: Study, seed: int, epochs: int) -> Measured:
    """Run everything: 8 rates, 8 schedules, 3 batch sizes and rates, 2 lengths."""
    base = plain_recipe(seed, epochs)
    peak = PEAK / math.prod(study.train.pixels.shape[1:])
    noisy = base.replace(model="logistic", depth=0, width=0, lr=peak, batch_size=8)
    mislabelled = with_wrong_labels(study, seed)
    gentle = base.replace(lr=GENTLE * 8, batch_size=8)
    twice = replace(study, train=replace(study.train, indices=np.repeat(study.train.indices, 2)))
    steady = base.replace(lr=GENTLE * base.batch_size)
    return Measured(
        peak=peak,
        rates={rate: short_run(study, base.replace(lr=rate), score_every=0) for rate in RATES},
        schedules={
            **{
                name: short_run(mislabelled, noisy.replace(schedule=name), score_every=0)
                for name in SCHEDULES
            },
            "linear, warm-up": short_run(
                mislabelled, noisy.replace(schedule="linear", warmup=WARMUP), score_every=0
            ),
        },
        batches={
            "batch 8": short_run(study, gentle),
            f"batch × {TIMES}, rate × {TIMES}": short_run(
                study, gentle.replace(batch_size=8 * TIMES, lr=gentle.lr * TIMES)
            ),
            f"batch × {TIMES}, same rate": short_run(study, gentle.replace(batch_size=8 * TIMES)),
        },
        doubled={
            "every picture once": short_run(study, steady.replace(epochs=2 * epochs)),
            "every picture twice": short_run(twice, steady),
        },
        num_classes=len(study.classes),
    )


def with_wrong_labels(study: Study, seed: int) -> Study:
    """A study with a share of its labels drawn anew."""
    generator = np.random.default_rng([seed, 13])
    labels = study.train.labels.copy()
    chosen = generator.random(len(labels)) < WRONG_LABELS
    labels[chosen] = generator.integers(0, len(study.classes), int(chosen.sum()))
    return replace(study, train=replace(study.train, labels=labels))


def expected_multipliers(name: str, num_steps: int) -> np.ndarray:
    """The rate over its peak at the middle of every step, from the formulas of the papers."""
    warmup = WARMUP if name.endswith("warm-up") else 0.0
    progress = (np.arange(num_steps) + 0.5) / num_steps
    rest = np.clip((progress - warmup) / (1 - warmup), 0, 1)
    triangle = 1 - np.abs(2 * ((3 * rest) % 1) - 1)
    formulas = {
        "constant": np.ones_like(rest),
        "step": 0.1 ** ((rest >= 0.3).astype(int) + (rest >= 0.6) + (rest >= 0.9)),
        "linear": 1 - rest,
        "cosine": np.cos(np.pi * rest / 2) ** 2,
        "inverse-sqrt": (1 + 99 * rest) ** -0.5,
        "cyclic": 0.25 + 0.75 * triangle,
        "one-cycle": np.where(rest < 0.3, 0.04 + 0.96 * rest / 0.3, (1 - rest) / 0.7),
    }
    shape = formulas[name.split(",")[0]]
    return np.where(progress < warmup, progress / warmup if warmup else 1.0, shape)


def schedule_error(name: str, run: Run, peak: float) -> float:
    """Largest difference between the rates of a run, over their peak, and the formula."""
    rates = np.asarray(run.rates) / peak
    return float(np.abs(rates - expected_multipliers(name, len(rates))).max())


def settled_loss(run: Run) -> float:
    """Mean loss over the last tenth of a run: a single moment of a noisy run says little."""
    return float(np.mean(run.losses[-max(1, len(run.losses) // 10) :]))


def curve_distance(first: Run, second: Run) -> float:
    """Mean |log| of the ratio of two runs' training losses, epoch for epoch."""
    pairs = zip(first.epochs, second.epochs)
    return float(np.mean([abs(math.log(one[0] / other[0])) for one, other in pairs]))
