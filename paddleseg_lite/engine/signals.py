"""Asking a run to stop: the first signal lets it finish its iteration and save, the second ends it."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# paddle.distributed.launch repeats its SIGTERM every 0.2 s while a process lives: that is one wish, not two.
LAUNCHER_REPEATS = 2.0


class StopSignals:
    """While in a `with` block, SIGTERM and SIGINT set `received` instead of ending the process.

    Handlers can only be set in the main thread; elsewhere this does nothing.

    Args:
        repeats: seconds in which further signals belong to the first one; 0 if a second one always counts.

    Attributes:
        received: the name of the first signal, None before.
    """

    def __init__(self, repeats: float = 0.0) -> None:
        self.repeats = repeats
        self.received: str | None = None
        self._first = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def asked_to_stop(self) -> bool:
        """Return whether this process was asked to stop."""
        return self.received is not None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.received is None:
            self.received, self._first = name, time.monotonic()
            # Logging from a handler could meet the lock of a half-written line.
            os.write(
                2, f"\n{name}: finishing what is under way, then saving; again to exit at once\n".encode()
            )
            if self.repeats == 0:
                for known in _SIGNALS:  # the system's own action works even while Paddle computes
                    signal.signal(known, signal.SIG_DFL)
        elif time.monotonic() - self._first > self.repeats:
            os._exit(128 + number)
