"""How much of the machine's processor this process has; without Paddle, which reads its threads at import."""

from __future__ import annotations

import os


def cpu_count() -> int:
    """Return how many cores this process may use: in a container often fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
