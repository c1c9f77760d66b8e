"""Which line of the user's own code is being executed."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from steadygrad.record import Where

_OWN = str(Path(__file__).resolve().parents[1]) + "/"
_LIBRARIES = tuple(
    {sysconfig.get_paths()[name].rstrip("/") + "/" for name in ("stdlib", "platstdlib")}
)
_INSTALLED = ("/site-packages/", "/dist-packages/")
_TYPED_IN = ("<stdin>", "<string>", "<ipython", "<cell")
_users: dict[str, bool] = {}


def is_users(filename: str) -> bool:
    """Whether a file is the user's: not Python's, not an installed package's, not ours.

    >>> is_users("/home/ann/train.py"), is_users(sys.modules["json"].__file__)
    (True, False)
    """
    known = _users.get(filename)
    if known is None:
        known = _users[filename] = _is_users(filename)
    return known


def _is_users(filename: str) -> bool:
    if filename.startswith("<"):
        return filename.startswith(_TYPED_IN)
    name = filename.replace("\\", "/")
    if any(part in name for part in _INSTALLED):
        return False
    return not name.startswith((_OWN, *_LIBRARIES))


@contextmanager
def launcher_passed_over(kept: str = "") -> Iterator[None]:
    """Inside, the files that led here are nobody's lines: they started our own run, no more.

    `kept` is one that stays the user's all the same: it holds the network that is trained.
    """
    frame, files = sys._getframe(1), set[str]()
    while frame is not None:
        files.add(frame.f_code.co_filename)
        frame = frame.f_back
    hidden = [file for file in files if file != kept and is_users(file)]
    _users.update(dict.fromkeys(hidden, False))
    try:
        yield
    finally:
        for file in hidden:
            _users.pop(file, None)


def users_frame(frame: FrameType | None, owner: Any = None) -> FrameType | None:
    """The innermost frame of the user's code at or above `frame`.

    Frames that run `owner`'s own constructor are passed over: what is asked for is the line that
    builds it.
    """
    while frame is not None:
        if is_users(frame.f_code.co_filename) and not (
            owner is not None
            and frame.f_code.co_name == "__init__"
            and frame.f_locals.get("self") is owner
        ):
            return frame
        frame = frame.f_back
    return None


def place(frame: FrameType | None) -> Where:
    """File and line a frame is at; empty for None."""
    return Where() if frame is None else Where(frame.f_code.co_filename, frame.f_lineno)


def here(owner: Any = None, depth: int = 2) -> Where:
    """The user's line that led to the caller of the function that asks."""
    return place(users_frame(sys._getframe(depth), owner))


def name_in(frame: FrameType | None, value: Any) -> str:
    """The name of the variable that holds `value` in a frame, or in its module; "" if none does."""
    if frame is None:
        return ""
    for scope in (frame.f_locals, frame.f_globals):
        for name, held in scope.items():
            if held is value:
                return name
            if type(held) is list and any(item is value for item in held[:50]):
                return f"{name}[{next(i for i, item in enumerate(held) if item is value)}]"
            if type(held) is dict and any(item is value for item in list(held.values())[:50]):
                return f"{name}[{next(k for k, item in held.items() if item is value)!r}]"
    return ""
