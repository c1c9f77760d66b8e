"""Short experiments on deep copies; the run they belong to is not disturbed."""

from steadygrad.trials.copies import copied, undisturbed, without_dropout
from steadygrad.trials.rates import Trial, recommended, try_rates

__all__ = ["Trial", "copied", "recommended", "try_rates", "undisturbed", "without_dropout"]
