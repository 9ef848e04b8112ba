"""Cores and threads: how many there are, and work shared out among them; without Paddle.

Paddle reads its threads when it is imported, so they are counted before.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
_STRIP = 64  # rows: fewer, and calls of Python and cv2 dominate; more, and memory grows (128: 30 MB)
_LEAST = 32  # rows that are worth a thread


def cpu_count() -> int:
    """Return how many cores this process may use: in a container often fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_facts() -> str:
    """Return what Linux tells of the cores, as lines "name : value"; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def thread_count() -> int:
    """Return how many threads to compute with: the user's $OMP_NUM_THREADS, or one for each core.

    Paddle sets that variable to 1 when it is imported without one, which is not the user's wish. Processes
    that the launcher started on one machine share its cores.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0 and (given != "1" or _was_started_with("OMP_NUM_THREADS")):
        return int(given)
    return max(1, cpu_count() // int(os.environ.get("PADDLE_LOCAL_SIZE", "1")))


@functools.lru_cache
def _was_started_with(variable: str) -> bool:
    """Whether this process got a variable from the one that started it; where no system tells, it did."""
    try:
        found = Path("/proc/self/environ").read_bytes()
    except OSError:
        return True
    return any(line.startswith(f"{variable}=".encode()) for line in found.split(b"\0"))


def in_threads(function: Callable[[Item], None], items: Iterable[Item]) -> None:
    """Call the function with every item, on `thread_count()` threads.

    Raises:
        Exception: whatever a call has raised.
    """
    items = list(items)
    threads = min(thread_count(), len(items))
    if threads < 2:
        for item in items:
            function(item)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(function, items):
            pass


def in_strips(work: Callable[[int, int], None], height: int) -> None:
    """Call `work(start, stop)` for strips that cover all rows of an image, on `thread_count()` threads."""
    rows = min(_STRIP, max(_LEAST, -(-height // thread_count())))
    in_threads(lambda start: work(start, min(start + rows, height)), range(0, height, rows))
