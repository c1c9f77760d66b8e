"""Learning-rate schedules: how large the rate is, relative to its peak, at each share of a run.

Every schedule is a plain function of progress, the share of the run that is done, from 0 to 1. So
it knows neither steps nor epochs, and a run whose length changes under way stays on its curve.
Training evaluates it at the MIDDLE of each update (`midpoint`): neither the first nor the last
update then has rate 0, whatever the schedule.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from steadygrad.errors import InputError, choose

STEP_MILESTONES = (0.3, 0.6, 0.9)
"""Where `step` cuts the rate (He et al. 2016 cut at 30, 60 and 90 epochs)."""
STEP_FACTOR = 0.1
INVERSE_SQRT_LENGTH = 100
"""`inverse_sqrt` counts time in hundredths of the run, so it ends at a tenth of the peak."""
NUM_CYCLES = 3
CYCLE_BOTTOM = 0.25
"""Lowest rate of `cyclic` over its peak (Smith 2017, section 3.3: a third or a quarter)."""
ONE_CYCLE_PEAK = 0.3
"""Share of the run `one_cycle` spends on the way up (Smith and Topin 2018: under a half)."""
ONE_CYCLE_START = 1 / 25


def constant(progress: float) -> float:  # noqa: ARG001 (a schedule's one argument)
    """Keep the rate at its peak: 1.

    >>> constant(0.5)
    1.0
    """
    return 1.0


def step(progress: float) -> float:
    """Cut the rate to a tenth at 30, 60 and 90 % of the run (He et al. 2016, section 4).

    >>> [round(step(p), 6) for p in (0.0, 0.3, 0.75, 1.0)]
    [1.0, 0.1, 0.01, 0.001]
    """
    return STEP_FACTOR ** sum(progress >= milestone for milestone in STEP_MILESTONES)


def linear(progress: float) -> float:
    """Let the rate fall on a straight line to 0: 1 - p.

    >>> linear(0.25)
    0.75
    """
    return 1.0 - progress


def cosine(progress: float) -> float:
    """Let the rate fall along half a cosine: (1 + cos(pi p)) / 2 (Loshchilov and Hutter 2017).

    >>> round(cosine(0.5), 9)
    0.5
    """
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def inverse_sqrt(progress: float) -> float:
    """Let the rate fall as 1 / sqrt(t), with t from 1 to 100 over the run: 1 / sqrt(1 + 99 p).

    The shape is that of Vaswani et al. 2017 (section 5.3) after its warm-up; there t is counted in
    steps, here in hundredths of the run, so that it means the same in short runs and long ones.

    >>> inverse_sqrt(1.0)
    0.1
    """
    return 1.0 / math.sqrt(1.0 + (INVERSE_SQRT_LENGTH - 1) * progress)


def cyclic(progress: float, num_cycles: int = NUM_CYCLES) -> float:
    """Move the rate up and down in triangles between a quarter and 1 (Smith 2017, "triangular").

    Every cycle begins and ends at the bottom and peaks at its middle.

    >>> cyclic(0.0), cyclic(0.5), cyclic(0.125, num_cycles=2)
    (0.25, 1.0, 0.625)
    """
    position = (progress * num_cycles) % 1.0
    height = 1.0 - abs(2.0 * position - 1.0)
    return CYCLE_BOTTOM + (1.0 - CYCLE_BOTTOM) * height


def one_cycle(progress: float) -> float:
    """Raise the rate from 1/25 to 1 over 30 % of the run, then let it fall to 0, both linearly.

    Source: Smith and Topin 2018 ("Super-convergence"), whose own last stretch at a far smaller
    rate is here the end of the line to 0.

    >>> one_cycle(0.3), one_cycle(1.0)
    (1.0, 0.0)
    """
    if progress < ONE_CYCLE_PEAK:
        return ONE_CYCLE_START + (1.0 - ONE_CYCLE_START) * progress / ONE_CYCLE_PEAK
    return (1.0 - progress) / (1.0 - ONE_CYCLE_PEAK)


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "step": step,
    "linear": linear,
    "cosine": cosine,
    "inverse-sqrt": inverse_sqrt,
    "cyclic": cyclic,
    "one-cycle": one_cycle,
}
ENDS_AT_ZERO = frozenset({"linear", "cosine", "one-cycle"})
"""Schedules that `final` lifts: they then end at `final` instead of 0."""


def multiplier(name: str, progress: float, warmup: float = 0.0, final: float = 0.0) -> float:
    """Learning rate over its peak at `progress`, in [0, 1].

    During the first `warmup` share of the run the rate climbs linearly from 0 to where the schedule
    begins (Goyal et al. 2017, section 2.2: gradual warm-up); the schedule then runs over the rest.
    `final` is the last rate over the peak, for the schedules that otherwise end at 0.
    Raises InputError for an unknown name or a share outside [0, 1].

    >>> multiplier("linear", 0.05, warmup=0.1), multiplier("linear", 1.0, final=0.2)
    (0.5, 0.2)
    """
    shape = choose("schedule", name, SCHEDULES)
    for what, value in (("progress", progress), ("warmup", warmup), ("final", final)):
        if not 0.0 <= value <= 1.0:
            raise InputError(f"Schedule: {what} is {value:g}; expected a share from 0 to 1.")
    lifted = final if name in ENDS_AT_ZERO else 0.0
    if progress < warmup:
        return progress / warmup * (lifted + (1.0 - lifted) * shape(0.0))
    rest = (progress - warmup) / (1.0 - warmup) if warmup < 1.0 else 0.0
    return min(1.0, max(0.0, lifted + (1.0 - lifted) * shape(rest)))


def midpoint(progress: float, steps_left: int) -> float:
    """Progress at the middle of the next update, when `steps_left` updates are left with it.

    >>> midpoint(0.0, 10), midpoint(0.9, 1)
    (0.05, 0.95)
    """
    return progress + 0.5 * (1.0 - progress) / max(1, steps_left)


def advance(progress: float, steps_left: int) -> float:
    """Progress after the next update, when `steps_left` updates are left with it.

    What is left of the run is shared evenly among the steps left. For a fixed length this is
    step / total; when the length is changed under way it goes on from where it is, without a jump.

    >>> advance(0.5, 5), advance(0.5, 10), advance(0.9, 1)
    (0.6, 0.55, 1.0)
    """
    return 1.0 if steps_left <= 1 else progress + (1.0 - progress) / steps_left
