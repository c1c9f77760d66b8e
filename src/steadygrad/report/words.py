"""Numbers as a person reads them."""

from __future__ import annotations

import math
from typing import Any

MISSING = "–"


def number_or_none(value: Any) -> float | None:
    """Return a finite float, or None for what is missing, no number, NaN or infinite.

    >>> number_or_none("nan") is None, number_or_none(3)
    (True, 3.0)
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def percent(fraction: Any, decimals: int = 1, unit: bool = True) -> str:
    """A fraction as percent; never rounded up to 100 nor down to 0 when it isn't.

    >>> percent(0.9412), percent(0.99999), percent(1), percent(None)
    ('94.1 %', '> 99.9 %', '100 %', '–')
    """
    value = number_or_none(fraction)
    if value is None:
        return MISSING
    sign = " %" if unit else ""
    text = f"{100 * value:.{decimals}f}"
    if value < 1 and float(text) >= 100:
        return f"> {100 - 10**-decimals:.{decimals}f}{sign}"
    if value > 0 and float(text) == 0:
        return f"< {10**-decimals:.{decimals}f}{sign}"
    return ("100" if value == 1 else "0" if value == 0 else text) + sign


def count(value: Any) -> str:
    """A whole number with thousands marked.

    >>> count(1234567)
    '1,234,567'
    """
    number = number_or_none(value)
    return MISSING if number is None else f"{round(number):,}"


def short_count(value: Any) -> str:
    """A large number in three digits.

    >>> short_count(1234567), short_count(950), short_count(999_999)
    ('1.23 M', '950', '1.00 M')
    """
    number = number_or_none(value)
    if number is None:
        return MISSING
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size * 0.9995:
            scaled = number / size
            return f"{scaled:.{2 if scaled < 9.995 else 1 if scaled < 99.95 else 0}f} {unit}"
    return f"{number:g}" if number == round(number) else f"{number:.1f}"


def number(value: Any, digits: int = 4) -> str:
    """A measured number in a few significant digits.

    >>> number(0.123456), number(1e-7), number(float("nan"))
    ('0.1235', '1e-07', 'nan')
    """
    if value is None:
        return MISSING
    return f"{float(value):.{digits}g}"


def duration(seconds: Any) -> str:
    """Seconds in the two largest units.

    >>> duration(0.012), duration(48.3), duration(252), duration(3900)
    ('12 ms', '48 s', '4 min 12 s', '1 h 05 min')
    """
    value = number_or_none(seconds)
    if value is None:
        return MISSING
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(value / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def plural(value: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> plural(1, "picture"), plural(1200, "picture"), plural(2, "class", "classes")
    ('1 picture', '1,200 pictures', '2 classes')
    """
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def shorten(text: str, limit: int = 28) -> str:
    """Cut a long name in its middle; its end tells files apart.

    >>> shorten("a" * 40, 9)
    'aaaa…aaaa'
    """
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"
