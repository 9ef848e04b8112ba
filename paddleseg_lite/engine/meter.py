"""What an iteration costs, and whether the device waits for data."""

from __future__ import annotations

import logging
import os
import time

from paddle import Tensor

from paddleseg_lite.datasets.base import SegmentationDataset

log = logging.getLogger(__name__)

STARVING = 0.2  # share of the time that may pass in waiting for data


class Meter:
    """Sums since the last log line; losses stay on the device until then: reading one waits for the GPU."""

    def __init__(self) -> None:
        self.count = 0
        self.losses: list[Tensor] = []
        self.reading = 0.0
        self.start = time.perf_counter()

    def add(self, losses: list[Tensor], reading: float) -> None:
        """Count one iteration: its losses, and the seconds it waited for data."""
        self.losses = losses if self.count == 0 else [a + b for a, b in zip(self.losses, losses)]
        self.reading += reading
        self.count += 1

    def means(self) -> tuple[list[float], float, float]:
        """Return mean losses, mean seconds of an iteration, mean seconds of waiting for data."""
        losses = [float(loss) / self.count for loss in self.losses]
        return losses, (time.perf_counter() - self.start) / self.count, self.reading / self.count


class StarvationWatch:
    """Warns, once in a run, when waiting for data takes more than a fifth of the time.

    The first interval doesn't count: workers start in it.

    Args:
        dataset: what is waited for.
        num_workers: processes that read it.
    """

    def __init__(self, dataset: SegmentationDataset, num_workers: int) -> None:
        self.dataset, self.num_workers = dataset, num_workers
        self.intervals = 0
        self.has_warned = False

    def look(self, batch_cost: float, reader_cost: float) -> None:
        """Judge an interval by the mean seconds of its iterations, and of those the wait for data."""
        self.intervals += 1
        if self.intervals == 1 or self.has_warned or reader_cost <= STARVING * batch_cost:
            return
        self.has_warned = True
        log.warning(
            f"[TRAIN] {reader_cost / batch_cost:.0%} of the time passes in waiting for data; "
            f"{' or '.join(self._remedies())}"
        )

    def _remedies(self) -> list[str]:
        cores = os.cpu_count() or 1
        remedies = []
        if self.num_workers < cores:
            remedies.append(
                f"use more processes (--num_workers is {self.num_workers}, the machine has {cores} cores)"
            )
        if self.dataset.cache is None:
            remedies.append("pack the data set once with tools/pack_dataset.py and set its cache")
        return remedies or ["take transforms away, or train on smaller images"]
