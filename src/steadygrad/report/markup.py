"""HTML as values: everything is escaped unless it was made here, so a hostile name is only text."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterable
from typing import Any, cast

VOID = frozenset({"br", "col", "img", "link", "meta"})
# Control characters break parsers, surrogates (undecodable bytes of a file name) break UTF-8.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Marks that turn the direction of what follows: "gpj.exe" shown as "exe.jpg".
_TURNING = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Html(str):
    """Text that is HTML already; every other str is escaped on its way into a page."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]


def visible(text: object) -> str:
    """Return text without characters that steer a terminal or a parser: they become "\ufffd".

    >>> visible("cat\\x1b[31m")
    'cat\ufffd[31m'
    """
    return _TURNING.sub("\ufffd", _UNPRINTABLE.sub("\ufffd", str(text)))


def escape(text: object) -> Html:
    """Escape text for a page, in content and in attributes alike.

    >>> escape('<script>"')
    '&lt;script&gt;&quot;'
    """
    return text if isinstance(text, Html) else Html(html.escape(visible(text), quote=True))


def join(children: Iterable[Child]) -> Html:
    """Escape and concatenate; None disappears, nested sequences are flattened."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, str | int | float):
            parts.append(escape(child))
        else:
            parts.append(join(child))
    return Html("".join(parts))


def tag(element: str, /, *children: Child, **attributes: object) -> Html:
    """One element. `class_` is class, `data_tip` is data-tip; None and False leave one out.

    >>> tag("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    words = [element]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        spelled = key.rstrip("_").replace("_", "-")
        words.append(spelled if value is True else f'{spelled}="{escape(_attribute(value))}"')
    opening = f"<{' '.join(words)}>"
    return Html(opening if element in VOID else f"{opening}{join(children)}</{element}>")


def _attribute(value: object) -> object:
    # Hundredths of a pixel are enough, and keep a curve of 800 points small.
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def data_script(value: Any, **attributes: object) -> Html:
    """A block of JSON for the page's script; no name in it can end the block.

    >>> "</script>" in data_script(["</script>"])[:-9]
    False
    """
    # Only ASCII: U+2028 and lone surrogates become \\u escapes, which JSON.parse reads.
    text = json.dumps(_finite(value), separators=(",", ":"), ensure_ascii=True)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return tag("script", Html(text), type="application/json", **attributes)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {visible(key): _finite(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in cast("list[Any]", value)]
    return visible(value) if isinstance(value, str) else value
