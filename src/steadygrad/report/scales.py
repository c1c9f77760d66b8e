"""Axes: from data to pixels, with round ticks and limits a spike can't spoil."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steadygrad.report.words import short_count

SPIKE = 30.0
"""Times the 90th percentile; what lies above is cut off at the top of a chart, and said so."""


LOG_REACH = 1e9
"""Times the median, both ways: what lies further off is cut off a logarithmic axis."""


@dataclass(frozen=True)
class Scale:
    """Data coordinates to pixels along one axis."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    offset: float = 0.0
    """Added before the logarithm is taken, so that step 0 has a place on the axis."""

    def __call__(self, value: float) -> float:
        """The pixel of a value; outside the limits it leaves the plot (and is clipped)."""
        if self.log:
            low, high = self.low + self.offset, self.high + self.offset
            part = math.log(max(value + self.offset, low * 1e-3) / low) / math.log(high / low)
        else:
            part = (value - self.low) / (self.high - self.low)
        # A spike to 1e30 is cut here: browsers draw nothing at all from such a coordinate.
        return self.start + min(max(part, -5.0), 5.0) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values inside the limits, five or so."""
        if self.offset:
            return [0.0, *log_ticks(1.0, max(self.high, 2.0))][self.low > 0 :]
        return log_ticks(self.low, self.high) if self.log else ticks(self.low, self.high)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between `low` and `high`.

    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [float(f"{index * step:.10g}") for index in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten between `low` and `high`; their double and fivefold where there are few.

    >>> log_ticks(0.01, 10)
    [0.01, 0.1, 1.0, 10.0]
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    multiples = (1, 2, 5) if len(powers) <= 3 else (1,)
    values = [float(f"{m * 10.0**power:.3g}") for power in powers for m in multiples]
    values = [value for value in values if low * 0.999 <= value <= high * 1.001]
    return values[:: max(1, math.ceil(len(values) / 6))]


def scale_of(
    values: Sequence[float], limits: tuple[float | None, float | None]
) -> tuple[float, float, bool]:
    """Low, high and whether logarithmic (all positive, over two decades, no limit given)."""
    values = without_spikes(values)
    low, high = min(values), max(values)
    if limits == (None, None) and low > 0 and high / low > 100:
        return low / 1.15, high * 1.15, True
    margin = 0.05 * (high - low) or abs(high) * 0.1 or 0.5
    low = limits[0] if limits[0] is not None else max(low - margin, 0.0 if low >= 0 else -math.inf)
    high = limits[1] if limits[1] is not None else high + margin
    return (low, high, False) if high > low else (low, low + 1.0, False)


def log_limits(
    values: Sequence[float], limits: tuple[float | None, float | None]
) -> tuple[float, float, bool]:
    """Low, high and True, for positive values on a logarithmic axis; given limits hold.

    >>> log_limits([0.01, 1.0], (None, 10.0))
    (0.005, 10.0, True)
    """
    middle = sorted(values)[len(values) // 2]
    low = limits[0] or max(min(values), middle / LOG_REACH) / 2
    high = limits[1] or min(max(values), middle * LOG_REACH) * 2
    return low, max(high, low * 10), True


def without_spikes(values: Sequence[float]) -> list[float]:
    """The values that set an axis: a loss that jumps to 1e30 must not flatten all the others.

    >>> without_spikes([1.0] * 20 + [1e30]) == [1.0] * 20
    True
    """
    if len(values) < 20:
        return list(values)
    cap = SPIKE * sorted(map(abs, values))[int(0.9 * (len(values) - 1))]
    return [value for value in values if abs(value) <= cap] if cap else list(values)


def tick_text(value: float) -> str:
    """A tick's value, short: 20000 is 20 k."""
    if 10_000 <= abs(value) < 1e15:
        return short_count(value).replace(".00", "").replace(".0", "")
    return f"{value:.4g}"
