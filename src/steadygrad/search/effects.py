"""What the trials say of each parameter: does it matter, where does it point, with what together.

Ranks of the validation errors are fitted by least squares with a parabola per range and a step per
choice. Ranks, because a diverged trial is only worse, not a hundred times worse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np

from steadygrad.search.propose import full_length_estimates
from steadygrad.search.space import Parameter, Space
from steadygrad.search.tried import Tried

RIDGE = 1e-3
SPARE = 4
"""Trials beyond the number of coefficients before anything is said."""
MATTERS = 0.05
"""A parameter with less than this share of the explained variance is named as one of no matter."""
EXPLAINED = 0.3
"""Below this share of the ranks' variance the fit says nothing about importance."""
SURE = 3.5
"""t value of an interaction: one of dozens tried ..."""
WORTH = 0.15
"""... and what it must explain beyond the fit without it. The t value alone named one falsely in 22
of 60 made-up searches of 60 trials: what a parabola leaves over is no chance, and even points turn
it into products. With this in none of 180; true ones explained 0.2 to 0.35 more."""
RESAMPLED = 200
LOW_END, HIGH_END = 5.0, 95.0
"""Percentiles between which a share lies in RESAMPLED drawings of the trials, with putting back."""
SURELY_WEAK = 0.25
"""A share that could as well be this large is not called one of no matter: it is not known."""


@dataclass(frozen=True)
class Fit:
    """A least-squares fit of the ranks."""

    columns: list[tuple[str, ...]]
    """The parameter or parameters each coefficient belongs to."""
    coefficients: np.ndarray
    covariance: np.ndarray
    explained: float
    """Share of the ranks' variance, corrected for the number of coefficients."""
    variances: dict[str, float]
    """Variance each parameter brings about over its whole range."""
    matrix: np.ndarray
    """A row a trial, a column a coefficient."""
    ranks: np.ndarray
    """What was fitted: 0 for the best trial to 1 for the worst."""


def fit_effects(
    space: Space, tried: list[Tried], full: int, together: tuple[str, str] | None = None
) -> Fit | None:
    """Fit the trials' ranks; None with too few trials. `together`: one product more."""
    chosen = [trial for trial in tried if space.contains(trial.params) and trial.repeats is None]
    estimates = full_length_estimates(tried, full)
    chosen = [trial for trial in chosen if trial.number in estimates]
    if len(chosen) < SPARE + 1:
        return None
    ranks = _ranks(np.array([estimates[trial.number] for trial in chosen]))
    columns: list[tuple[str, ...]] = [("",)]
    rows = [np.ones(len(chosen))]
    for parameter in space.parameters:
        for column in _columns(parameter, [trial.params.get(parameter.name) for trial in chosen]):
            columns.append((parameter.name,))
            rows.append(column)
    if together is not None:
        first, second = ([_centred(space[n], t.params.get(n)) for t in chosen] for n in together)
        columns.append(together)
        rows.append(np.array(first) * np.array(second))
    return _solve(space, columns, np.stack(rows, axis=1), ranks)


def _solve(
    space: Space, columns: list[tuple[str, ...]], matrix: np.ndarray, ranks: np.ndarray
) -> Fit | None:
    count, wide = matrix.shape
    if count < wide + SPARE:
        return None
    coefficients, inverse = _least_squares(matrix, ranks)
    residual = float(((ranks - matrix @ coefficients) ** 2).sum()) / (count - wide)
    total = float(ranks.var(ddof=1))
    variances = _variances(space, columns, coefficients)
    explained = 1.0 - residual / total if total else 0.0
    return Fit(columns, coefficients, residual * inverse, explained, variances, matrix, ranks)


def _least_squares(matrix: np.ndarray, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The coefficients, and the inverse that times the residual is their covariance."""
    inverse = np.linalg.inv(matrix.T @ matrix + RIDGE * np.eye(matrix.shape[1]))
    return inverse @ matrix.T @ ranks, inverse


def _variances(
    space: Space, columns: list[tuple[str, ...]], coefficients: np.ndarray
) -> dict[str, float]:
    found: dict[str, float] = {}
    for parameter in space.parameters:
        places = [place for place, names in enumerate(columns) if names == (parameter.name,)]
        found[parameter.name] = float((_grid(parameter) @ coefficients[places]).var())
    return found


@cache
def _grid(parameter: Parameter) -> np.ndarray:
    """The columns of values evenly over the whole range, or of every choice once."""
    values: list[float | int | str | None] = list(parameter.choices)
    values = values or [parameter.at(float(share)) for share in np.linspace(0.0, 1.0, 21)]
    return np.stack(_columns(parameter, values), axis=1)


def _columns(parameter: Parameter, values: list[float | int | str | None]) -> list[np.ndarray]:
    if parameter.choices:
        return [
            np.array([float(value == choice) for value in values])
            for choice in parameter.choices[1:]
        ]
    centred = np.array([_centred(parameter, value) for value in values])
    return [centred, centred**2]


def _centred(parameter: Parameter, value: float | int | str | None) -> float:
    """Position from -0.5 to 0.5; the middle where the parameter does not count."""
    return 0.0 if value is None else parameter.position(value) - 0.5


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0 to 1, equal values sharing theirs."""
    order = np.array([(values < v).sum() + 0.5 * ((values == v).sum() - 1) for v in values])
    return order / max(1, len(values) - 1)


def pull(fit: Fit, name: str, side: str) -> float:
    """How surely the error still falls across that end of a range, as a t value."""
    places = [place for place, names in enumerate(fit.columns) if names == (name,)]
    end = 0.5 if side == "high" else -0.5
    direction = np.zeros(len(fit.coefficients))
    direction[places] = (1.0, 2.0 * end)
    slope = float(direction @ fit.coefficients)
    spread = math.sqrt(max(float(direction @ fit.covariance @ direction), 1e-12))
    return (-slope if side == "high" else slope) / spread


@dataclass(frozen=True)
class Importance:
    """What can be said of the parameters; empty where the trials don't show it."""

    shares: dict[str, float]
    """Parameter → share of the variance the parameters explain."""
    of_no_matter: list[str]
    together: list[tuple[str, str]]
    ends: dict[str, tuple[float, float]]
    """Parameter → what its share may as well be, with other trials like these."""
    explained: float | None
    """Share of the differences between trials that the fit explains; None: too few trials."""


def importance(space: Space, tried: list[Tried], full: int) -> Importance:
    """Which parameters matter, which don't, and which only make sense together."""
    fit = fit_effects(space, tried, full)
    if fit is None or fit.explained < EXPLAINED:
        return Importance({}, [], [], {}, fit.explained if fit is not None else None)
    shares = _shares(fit.variances)
    ends = _ends(space, fit, shares)
    ranges = [p.name for p in space.parameters if not p.choices and p.when is None]
    together: list[tuple[str, str]] = []
    for pair in combinations(ranges, 2):
        wider = fit_effects(space, tried, full, pair)
        if wider is None:
            continue
        spread = math.sqrt(max(float(wider.covariance[-1, -1]), 1e-12))
        gained = wider.explained - fit.explained
        if gained > WORTH and abs(float(wider.coefficients[-1])) > SURE * spread:
            together.append(pair)
    ordered = dict(sorted(shares.items(), key=lambda item: -item[1]))
    weak = [name for name, share in ordered.items() if share < MATTERS]
    partners = {name for pair in together for name in pair}
    weak = [name for name in weak if name not in partners and ends[name][1] < SURELY_WEAK]
    return Importance(ordered, weak, together, ends, fit.explained)


def _shares(variances: Mapping[str, float]) -> dict[str, float]:
    total = max(sum(variances.values()), 1e-12)
    return {name: value / total for name, value in variances.items()}


def _ends(space: Space, fit: Fit, shares: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Between which ends a share lies when other trials like these had been made."""
    random = np.random.default_rng(0)
    count = len(fit.ranks)
    drawn: list[dict[str, float]] = []
    for _ in range(RESAMPLED):
        rows = random.integers(count, size=count)
        coefficients, _ = _least_squares(fit.matrix[rows], fit.ranks[rows])
        drawn.append(_shares(_variances(space, fit.columns, coefficients)))
    found: dict[str, tuple[float, float]] = {}
    for name, share in shares.items():
        low, high = np.percentile([one[name] for one in drawn], (LOW_END, HIGH_END))
        found[name] = (min(float(low), share), max(float(high), share))
    return found
