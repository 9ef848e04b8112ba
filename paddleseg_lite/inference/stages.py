"""How long the stages of an evaluation take."""

from __future__ import annotations

import time

import paddle

STAGES = ("reading", "network", "measuring")


class Stages:
    """Times the stages of an evaluation; each lap ends one.

    "reading" is what the network has to wait for its next images, "network" goes up to the classes at the
    labels' size, and "measuring" is the confusion matrix and all metrics.

    Args:
        is_exact: wait for a GPU at each lap, which is slower. Without, it works while others are counted.
    """

    def __init__(self, is_exact: bool = False) -> None:
        self._is_exact = is_exact
        self._seconds, self._images = dict.fromkeys(STAGES, 0.0), 0
        self._last = time.perf_counter()

    def lap(self, stage: str, images: int = 0) -> None:
        """Count the time since the last lap as a stage; with it some images are done."""
        if self._is_exact and paddle.get_device() != "cpu":
            paddle.device.synchronize()
        now = time.perf_counter()
        self._seconds[stage] += now - self._last
        self._last, self._images = now, self._images + images

    def means(self) -> dict[str, object]:
        """Return the number of `images` of this rank, and the mean `seconds` of each stage of one."""
        images = max(self._images, 1)
        return {
            "images": self._images,
            "seconds": {name: own / images for name, own in self._seconds.items()},
        }
