"""What the rates that were tried say of the run's own."""

from __future__ import annotations

import math

from steadygrad.preflight.result import Check
from steadygrad.trials.rates import MARGIN, Trial, recommended


def check_rates(trials: list[Trial], rate: float) -> Check:
    """Where the loss falls, where it diverges, and whether the run's own `rate` lies well."""
    advice = recommended(trials)
    falling = [trial.rate for trial in trials if trial.falls]
    broken = [trial.rate for trial in trials if trial.diverges]
    numbers = {
        "rates": [vars(trial) for trial in trials],
        "rate": rate,
        "recommended": advice,
        "falls": [falling[0], falling[-1]] if falling else None,
        "diverges": min(broken) if broken else None,
    }
    if advice is None or not falling:
        lowest = min((trial.after for trial in trials), default=math.nan)
        saw = f"the loss falls with none of {len(trials)} rates (lowest {lowest:.3g})"
        means = "No step size helps: something before the rate is wrong."
        return Check("learning rate", "fail", saw, means, "Mend what is named above.", numbers)
    end = f", breaks from {min(broken):.2g} on" if broken else ", none of them breaks it"
    saw = f"the loss falls from {falling[0]:.2g} to {falling[-1]:.2g}{end}; this run: {rate:.2g}"
    fix = f"--lr {advice:.2g}"
    if broken and rate >= min(broken):
        return Check("learning rate", "fail", saw, "The run's rate breaks it.", fix, numbers)
    if rate > falling[-1] * MARGIN or rate < falling[0] / MARGIN:
        return Check("learning rate", "warn", saw, "The run's rate lies outside.", fix, numbers)
    return Check("learning rate", "pass", saw, "The run's rate lies well.", "", numbers)
