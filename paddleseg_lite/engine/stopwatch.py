"""Where the time of an iteration goes."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import paddle

from paddleseg_lite.files import atomic_write

log = logging.getLogger(__name__)

PARTS = ("read", "upload", "forward", "loss", "backward", "update", "other")
WARM_UP = 3  # first iterations, which also allocate memory and choose kernels


class Stopwatch:
    """Times the parts of iterations; each lap ends one part.

    Args:
        profile: wait for the GPU at each lap. Without, only "read" and the sum of all parts mean something on
            a GPU, which works while others are counted.
    """

    def __init__(self, profile: bool = False) -> None:
        self.profile = profile
        self.iterations = -WARM_UP
        self.sums = dict.fromkeys(PARTS, 0.0)
        self._count, self._interval = 0, dict.fromkeys(PARTS, 0.0)
        self.restart()

    def restart(self) -> None:
        """Leave out the time since the last lap, such as that of an evaluation."""
        self._last = time.perf_counter()

    def lap(self, part: str) -> None:
        """Count the time since the last lap as `part`, one of PARTS."""
        if self.profile and paddle.get_device() != "cpu":
            paddle.device.synchronize()
        now = time.perf_counter()
        for sums in (self._interval, *([self.sums] if self.iterations >= 0 else [])):
            sums[part] += now - self._last
        self._last = now

    def next_iteration(self) -> None:
        """End an iteration; what came after its last lap was "other"."""
        self.lap("other")
        self.iterations += 1
        self._count += 1

    def costs(self) -> tuple[float, float]:
        """Return the mean seconds of an iteration, and of its reading, since the last call."""
        count, parts = max(self._count, 1), self._interval
        self._count, self._interval = 0, dict.fromkeys(PARTS, 0.0)
        return sum(parts.values()) / count, parts["read"] / count

    def seconds(self) -> dict[str, float]:
        """Return the mean seconds of each part in an iteration; {} before the warm-up is over."""
        if self.iterations <= 0:
            return {}
        return {part: total / self.iterations for part, total in self.sums.items()}

    def table(self) -> str:
        """Return a table for the log: milliseconds and share of each part."""
        means = self.seconds()
        whole = sum(means.values()) or 1.0
        rows = [f"{part:<9}{1000 * value:10.2f} ms{value / whole:8.1%}" for part, value in means.items()]
        return "\n".join([*rows, f"{'iteration':<9}{1000 * sum(means.values()):10.2f} ms"])

    def report(self, folder: Path | None) -> None:
        """Log the table, and write it into a folder as profile.txt if there is one.

        Raises:
            UserError: it cannot be written.
        """
        if self.iterations <= 0:
            log.warning(f"[PROFILE] the first {WARM_UP} iterations are not measured, there were no others")
            return
        log.info(f"[PROFILE] mean of {self.iterations} iterations\n{self.table()}")
        if folder is not None:
            atomic_write(folder / "profile.txt", self.table() + "\n")
