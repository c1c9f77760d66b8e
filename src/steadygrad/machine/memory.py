"""The allocator: memory kept from step to step."""

from __future__ import annotations

import ctypes
import platform
from typing import Any

# glibc, malloc.h; the values are part of its ABI.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
TOP_PAD_BYTES = 256 * 2**20


def keep_memory() -> bool:
    """Tell glibc to keep freed memory for the next step instead of handing it back to the kernel.

    Large tensors are otherwise unmapped and faulted in anew at every step: up to half the time of a
    small network. Call it before the first large tensor. The process keeps its peak memory (up to
    1.5 times as much was seen). Returns False, with nothing changed, where the C library is not
    glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt: Any = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # A threshold of -1 is the largest there is: memory at the top of the heap is never given back.
    accepted = True
    for name, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, TOP_PAD_BYTES)):
        accepted = mallopt(name, value) == 1 and accepted
    return accepted
