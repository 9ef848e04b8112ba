"""What a report shows of images: each one's truth and prediction, scaled down and packed while they go by."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from paddleseg_lite.metrics.metric import Metric, Observation

SIDE = 1024  # the longer one of what is kept, in pixels


@dataclass(frozen=True)
class Kept:
    """An image's maps.

    Attributes:
        path: the image's file.
        shape: (height, width) of the maps.
        confused: {truth * K + prediction: pixels of the maps}, of wrong pixels.
    """

    path: str
    shape: tuple[int, int]
    confused: dict[int, int]
    packed: bytes

    def maps(self) -> tuple[np.ndarray, np.ndarray]:
        """Return truth and prediction, uint8 [H, W] each."""
        both = np.frombuffer(zlib.decompress(self.packed), np.uint8).reshape(2, *self.shape)
        return both[0], both[1]


class Gallery(Metric):
    """Keeps the maps of all images, since which are the worst and which the median ones shows at the end.

    At most SIDE pixels wide or high, street scenes take some 30 KB each. The photographs are not kept: those
    of the few images that are shown are read again.

    Attributes:
        images: {index in the data set: Kept}.
    """

    name = "gallery"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.images: dict[int, Kept] = {}

    def update(self, seen: Observation) -> None:
        truth, prediction = shrunk(seen.label), shrunk(seen.prediction)
        wrong = (truth != prediction) & (truth != self.ignore_index)
        pairs = truth[wrong].astype(np.int64) * len(self.classes) + prediction[wrong]
        counts = np.bincount(pairs)
        found = np.flatnonzero(counts)
        confused = dict(zip(found.tolist(), counts[found].tolist()))
        packed = zlib.compress(np.stack([truth, prediction]).tobytes(), 1)
        self.images[seen.index] = Kept(seen.path, truth.shape, confused, packed)

    def merge(self, other: Gallery) -> None:
        self.images.update(other.images)

    def result(self) -> dict[str, Any]:
        return {}

    def lines(self) -> list[str]:
        return []


def shrunk(values: np.ndarray) -> np.ndarray:
    """Return a picture or a map of ids with at most SIDE pixels a side; of ids, the nearest pixels."""
    height, width = values.shape[:2]
    factor = min(1.0, SIDE / max(height, width, 1))
    if factor == 1.0:
        return np.ascontiguousarray(values)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    how = cv2.INTER_NEAREST if values.ndim == 2 else cv2.INTER_AREA
    return cv2.resize(values, size, interpolation=how)
