"""An exception of the user's program, shown as plain Python shows it: without our frames."""

from __future__ import annotations

import os
import sys
from types import FrameType, TracebackType

import steadygrad
from steadygrad.watch import program

OURS = os.path.dirname(os.path.abspath(steadygrad.__file__)) + os.sep
DISPATCH = os.path.join("torch", "overrides.py")
"""Frames there stand between torch's functions and a watched step's TorchFunctionMode."""
IMPORTS = "<frozen importlib."


def show(error: BaseException) -> None:
    """Print the traceback on standard error through `sys.excepthook`, which may be the user's."""
    clean(error)
    hook = sys.excepthook
    try:
        hook(type(error), error, error.__traceback__)
    except Exception:
        sys.__excepthook__(type(error), error, error.__traceback__)


def clean(error: BaseException) -> None:
    """Take our frames out of an exception's traceback and out of those of its causes."""
    pending, seen = [error], set[int]()
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        each.__traceback__ = _without_ours(each.__traceback__)
        pending += [link for link in (each.__cause__, each.__context__) if link is not None]
        if isinstance(each, BaseExceptionGroup):
            pending += each.exceptions


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    entries: list[TracebackType] = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    entries = entries[_begin(entries) :]
    kept: list[TracebackType] = []
    removed: list[FrameType] = []
    for entry in entries:
        if _is_ours(entry.tb_frame):
            while kept and _led_to_us(kept[-1].tb_frame):
                removed.append(kept.pop().tb_frame)
            removed.append(entry.tb_frame)
        elif removed and _led_to_us(entry.tb_frame):
            removed.append(entry.tb_frame)
        else:
            _drop_first_try(kept, removed, entry.tb_frame)
            kept.append(entry)
            removed = []
    result = None
    for entry in reversed(kept):
        result = TracebackType(result, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return result


def _begin(entries: list[TracebackType]) -> int:
    """Where the program's own frames begin: behind whatever started it."""
    codes = [entry.tb_frame.f_code for entry in entries]
    for code in (program._call_main.__code__, program.execute.__code__):
        if code in codes:
            return codes.index(code) + 1
    return 0


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(OURS)


def _led_to_us(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return name.endswith(DISPATCH) or name.startswith(IMPORTS)


def _drop_first_try(kept: list[TracebackType], removed: list[FrameType], frame: FrameType) -> None:
    """A torch function written in Python stands twice: handing over to the mode, and at work."""
    through_mode = any(each.f_code.co_filename.endswith(DISPATCH) for each in removed)
    if through_mode and kept and kept[-1].tb_frame.f_code is frame.f_code:
        kept.pop()
