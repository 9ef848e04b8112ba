"""How the processes that read data begin, obey and end."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import cv2

SHARED_MEMORY = Path("/dev/shm")


def start_worker(_: int) -> None:
    """Prepare a worker that Paddle's DataLoader has forked."""
    # 0, not 1: with 1, cv2 rebuilds its thread pool, and in a forked process it would wait for ever for
    # threads that only exist in the parent.
    cv2.setNumThreads(0)
    # Ctrl-C and a scheduler's SIGTERM reach the whole group of processes; the main one still needs its batch.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    """Obey a SIGTERM from the main process, which ends its workers by it, and from nobody else."""
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != parent:
        pass
    os._exit(0)


def cause_of_death(batches: Any) -> str:
    """Return in words how a worker of Paddle's iterator ended, "" if it does not say."""
    codes = [worker.exitcode for worker in getattr(batches, "_workers", None) or ()]  # not public
    code = next((code for code in codes if code), None)
    if code is None:
        return ""
    if code > 0:
        return f" (exit code {code})"
    name = signal.Signals(-code).name
    words = {
        "SIGKILL": ", as it does when memory runs out",
        "SIGBUS": f", as it does when {SHARED_MEMORY} is full",
    }
    return f" ({name}{words.get(name, '')})"
