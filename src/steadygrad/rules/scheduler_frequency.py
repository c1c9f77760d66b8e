"""Rule scheduler-frequency."""

from __future__ import annotations

import math
from collections.abc import Iterator

from steadygrad.record import Finding, Loop, Record, Scheduler
from steadygrad.rules.heads import place
from steadygrad.rules.loops import updates_per_epoch

MIN_BATCHES = 4
"""Updates per epoch, from where stepping per batch and per epoch can be told apart."""
MIN_STEPS = 10
"""Calls of `step()` before stepping per batch is believed."""
PER_BATCH = 0.8
"""Calls per update; skipped steps of a gradient scaler leave a few out."""
PAST_END = 1.1
"""Times its horizon that a schedule is stepped, from where the horizon was meant otherwise."""
COLLAPSED = 1e-2
"""Rate by its start, within EARLY_EPOCHS: healthy schedules get there near their end."""
EARLY_EPOCHS = 3.0
MIN_DECAYS = 3
EPOCH_SHARE = 1 / 3
"""Of an epoch: all decays within it are none that were meant for batches of a single epoch."""
MANY_EPOCHS = 500
"""A horizon over this is counted in batches: nobody plans that many epochs with whole ones of
MIN_BATCHES or more."""
USED_SHARE = 0.5
"""Of its horizon; a schedule that ends before was meant to be stepped more often."""
WARM_UP_EPOCHS = 40
"""A warm-up that would last longer at its present pace was counted in batches: those of long runs
take five to twenty."""
STARVED = 0.3
"""Rate by the one planned, under which a warm-up is called slow."""
MANY_PERIODS = 4
"""Times T_max, from where a cosine that goes up and down is no single anneal, whatever an epoch."""
ZERO_SHARE, ZERO_FOR, ZERO_STEPS = 1e-4, 0.5, 100
"""The rate is under ZERO_SHARE of its peak for over half of at least 100 steps."""
SINGLE_HORIZONS = {
    "CosineAnnealingLR": "T_max",
    "PolynomialLR": "total_iters",
    "OneCycleLR": "total_steps",
}
TOO_MANY = "Tried to step"
"""How OneCycleLR ends a run that steps beyond its total_steps."""
SOURCE = "PyTorch documentation of torch.optim: how to adjust learning rate"

Verdict = tuple[str, str]
"""saw, fix."""


def scheduler_frequency(record: Record) -> Iterator[Finding]:
    """The learning rate schedule is stepped per batch where it means epochs, or the reverse.

    Severity: warning

    What
        A schedule that is stepped at every update and is through (T_max, all milestones, three
        decays to under a hundredth) within its first epochs; one that is stepped once per epoch and
        counts its horizon in batches (total_steps of OneCycleLR, T_max); a `step()` before the
        optimizer's first; a rate near 0 for over half of the run. Horizons that fit how often the
        schedule is stepped are left alone, whatever they count.
    Why
        The rate is gone after a few batches and nothing is learned from then on; or it never leaves
        its warm-up.
    Fix
        Per epoch: `scheduler.step()` behind the loop over batches. Per batch: inside it, behind
        `optimizer.step()`, with a horizon of `epochs * len(loader)`.
    Source
        PyTorch documentation of torch.optim: how to adjust learning rate.
    """
    loop, size = record.loop, updates_per_epoch(record)
    for scheduler in loop.schedulers:
        verdict = _raised(loop, scheduler) or _before(loop, scheduler)
        if verdict is None and size >= MIN_BATCHES:
            verdict = _per_batch(scheduler, size) or _per_epoch(record, scheduler, size)
        if verdict is None:
            verdict = _oscillates(scheduler, size) or _gone(record, scheduler)
        if verdict:
            yield Finding(
                rule="scheduler-frequency",
                severity="warning",
                step=loop.step,
                saw=verdict[0],
                expected="A schedule stepped as often as its horizon counts: batches or epochs.",
                fix=verdict[1],
                source=SOURCE,
                where=place(scheduler.step_where, scheduler.where),
                numbers={
                    "steps": scheduler.steps,
                    "optimizer_steps": scheduler.optimizer_steps,
                    "epochs": scheduler.epochs,
                    "updates_per_epoch": size,
                    "lr": scheduler.last_lr,
                },
            )


def _raised(loop: Loop, scheduler: Scheduler) -> Verdict | None:
    text = str(loop.exception.get("text", ""))
    if TOO_MANY not in text or scheduler.name != "OneCycleLR":
        return None
    total = scheduler.arguments.get("total_steps")
    return (
        f"OneCycleLR was made for {total} steps and was stepped {scheduler.steps} times after "
        f"{scheduler.optimizer_steps} updates; the script ended with: {text}",
        "Give `total_steps` all batches of the run, `epochs * len(loader)`, or step it per epoch.",
    )


def _before(loop: Loop, scheduler: Scheduler) -> Verdict | None:
    """Stepped before the optimizer, no scaler being the cause."""
    if not scheduler.before_optimizer or loop.gradient_scaler or not scheduler.optimizer_steps:
        return None
    return (
        f"{scheduler.name}'s first step() came before the optimizer's: the first rate was skipped.",
        "Call `scheduler.step()` after `optimizer.step()`.",
    )


def _per_batch(scheduler: Scheduler, size: float) -> Verdict | None:
    """Stepped at each update though it counts epochs."""
    steps, updates = scheduler.steps, scheduler.optimizer_steps
    if steps < min(MIN_STEPS, size + 2) or not updates or steps < PER_BATCH * updates:
        return None
    if steps <= scheduler.epochs + 1:
        return None
    horizon = _passed(scheduler, size)
    if horizon is None:
        return None
    return (
        f"{scheduler.name} ({horizon}) was stepped {steps} times in {updates} updates, "
        f"{updates / size:.2g} epochs of {size:.0f}: the rate went from {scheduler.first_lr:.2g} "
        f"to {scheduler.last_lr:.2g}.",
        "Move `scheduler.step()` out of the loop over batches, to the end of each epoch; or count "
        "its horizon in batches (`epochs * len(loader)`).",
    )


def _passed(scheduler: Scheduler, size: float) -> str | None:
    """The horizon that was passed too early, in words."""
    steps, arguments = scheduler.steps, scheduler.arguments
    key = SINGLE_HORIZONS.get(scheduler.name, "")
    epochs = scheduler.optimizer_steps / size
    early = _is_gone(scheduler) and epochs <= EARLY_EPOCHS
    if key and _number(arguments.get(key)):
        horizon = _number(arguments[key])
        return f"{key}={horizon:.0f}" if steps >= PAST_END * horizon + 1 else None
    if scheduler.name == "StepLR" and early:
        width = max(1.0, _number(arguments.get("step_size")))
        within = MIN_DECAYS * width <= EPOCH_SHARE * size or scheduler.epochs > 1
        if steps >= MIN_DECAYS * width and within:
            return f"step_size={width:.0f}, gamma={_number(arguments.get('gamma')):g}"
    if scheduler.name == "MultiStepLR" and arguments.get("milestones"):
        last = max(map(float, arguments["milestones"]))
        within = last <= EPOCH_SHARE * size or (scheduler.epochs > 1 and last <= size)
        if steps > last and within:
            return f"milestones up to {last:.0f}"
    if scheduler.name == "ExponentialLR" and early and scheduler.epochs > 1:
        return f"gamma={_number(arguments.get('gamma')):g}"
    if scheduler.name == "ReduceLROnPlateau" and early:
        patience = _number(arguments.get("patience"))
        return f"patience={patience:.0f}" if patience < size else None
    return None


def _is_gone(scheduler: Scheduler) -> bool:
    return 0 <= scheduler.last_lr <= COLLAPSED * scheduler.first_lr


def _per_epoch(record: Record, scheduler: Scheduler, size: float) -> Verdict | None:
    """Stepped once per epoch though it counts batches."""
    steps, epochs, loop = scheduler.steps, scheduler.epochs, record.loop
    if not steps or steps > epochs + 1 or scheduler.optimizer_steps < 3 * steps:
        return None
    saw = (
        f"{scheduler.name} was stepped {steps} times in {scheduler.optimizer_steps} updates, once "
        f"per epoch of {size:.0f}"
    )
    fix = "Call `scheduler.step()` after each `optimizer.step()`, inside the loop over batches."
    key = SINGLE_HORIZONS.get(scheduler.name, "total_size" if scheduler.name == "CyclicLR" else "")
    horizon = _number(scheduler.arguments.get(key))
    whole = horizon >= size and (scheduler.name == "CyclicLR" or horizon % round(size) == 0)
    over = loop.finished and not loop.exception and steps <= USED_SHARE * horizon
    if horizon and whole and (horizon > MANY_EPOCHS or over):
        return f"{saw}, but its {key} is {horizon:.0f}.", fix
    planned = _planned(loop, scheduler)
    share = scheduler.last_lr / planned if planned else 1.0
    rising = 0 < scheduler.first_lr < scheduler.last_lr and share <= STARVED
    if rising and steps >= EARLY_EPOCHS and steps > WARM_UP_EPOCHS * share:
        return (
            f"{saw}; the rate is at {share:.1%} of the {planned:.2g} planned, and gets there after "
            f"{steps / share:.0f} epochs.",
            fix,
        )
    return None


def _planned(loop: Loop, scheduler: Scheduler) -> float:
    """The rate the optimizer was made with."""
    number = scheduler.optimizer
    known = number is not None and number < len(loop.optimizers)
    groups = loop.optimizers[number].groups if known and number is not None else []
    rates = [_number(group.get("initial_lr")) for group in groups]
    rates += [_number(rate) for rate in scheduler.arguments.get("base_lrs", [])]
    return max(rates, default=0.0)


def _oscillates(scheduler: Scheduler, size: float) -> Verdict | None:
    """A cosine stepped per update through many periods, where the length of an epoch is unknown."""
    horizon, steps = _number(scheduler.arguments.get("T_max")), scheduler.steps
    per_update = steps >= max(MIN_STEPS, PER_BATCH * scheduler.optimizer_steps)
    if scheduler.name != "CosineAnnealingLR" or size or not horizon or not per_update:
        return None
    if steps < MANY_PERIODS * horizon:
        return None
    return (
        f"CosineAnnealingLR (T_max={horizon:.0f}) was stepped {steps} times in "
        f"{scheduler.optimizer_steps} updates: the rate fell to its end and rose again "
        f"{steps / horizon / 2:.0f} times.",
        "Move `scheduler.step()` out of the loop over batches, or let T_max be all updates of the "
        "run.",
    )


def _gone(record: Record, scheduler: Scheduler) -> Verdict | None:
    """A rate near 0 for most of the run, whatever the schedule."""
    rates = [line.lr for line in record.steps]
    if len(rates) < ZERO_STEPS or len(record.loop.schedulers) != 1:
        return None
    peak = max(rates)
    low = 0
    while low < len(rates) and rates[-1 - low] <= ZERO_SHARE * peak:
        low += 1
    if not peak or low <= ZERO_FOR * len(rates) or scheduler.steps < MIN_STEPS:
        return None
    return (
        f"{scheduler.name} brought the rate from {peak:.2g} under {ZERO_SHARE * peak:.2g} after "
        f"{len(rates) - low} of {len(rates)} updates; it was stepped {scheduler.steps} times.",
        "Step the schedule per epoch, or let its horizon be the whole run.",
    )


def _number(value: object) -> float:
    """A finite number, 0 for anything else."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0
