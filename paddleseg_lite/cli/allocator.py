"""How this process's memory is allocated; without Paddle, to be set before anything is."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of <malloc.h>


def keep_freed_memory() -> None:
    """Let this process use freed memory again instead of giving it back; for glibc, elsewhere nothing.

    A training step frees gigabytes in large pieces. glibc returns each to the system, which must clear it
    page by page when the next step asks for it.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, -1)
