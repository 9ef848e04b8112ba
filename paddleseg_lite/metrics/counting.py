"""Pixels counted by their ids, from images of uint8, by OpenCV, in a quarter of np.bincount's time."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from paddleseg_lite.metrics.metric import Observation

_EXACT = 1 << 24  # cv2 counts in float32, which holds whole numbers up to here
BANDS = 10  # of rows, that an image's confusion matrix is kept by
RIGHT, LABELLED, PREDICTED = range(3)  # what `class_counts` returns


def valid_pixels(seen: Observation, ignore_index: int) -> np.ndarray:
    """Return where a label counts, bool [H, W]; it must not be written to."""
    return seen.kept(("valid", ignore_index), lambda: seen.label != ignore_index)


def confusion_by_band(seen: Observation, classes: int, ignore_index: int) -> np.ndarray:
    """Return the confusion matrix of each of ten bands of rows, int64 [10, K, K]; it must not be written to.

    The bands go from top to bottom and are of equal height but for rounding.
    """

    def count() -> np.ndarray:
        maps, sizes = (seen.label, seen.prediction), (classes, classes)
        where = valid_pixels(seen, ignore_index)
        bounds = [-(-len(where) * band // BANDS) for band in range(BANDS + 1)]
        bands = [slice(*pair) for pair in zip(bounds, bounds[1:])]
        return np.stack([histogram([ids[band] for ids in maps], sizes, where[band]) for band in bands])

    return seen.kept(("confusion", classes, ignore_index), count)


def confusion_by_region(
    seen: Observation, classes: int, ignore_index: int, regions: np.ndarray, count: int
) -> np.ndarray:
    """Return the confusion matrix of each of some regions, int64 [count, K, K].

    Args:
        seen: the image; what its label ignores is not counted.
        classes: K.
        ignore_index: the ignored label.
        regions: uint8 [H, W], numbers below `count`.
        count: of the regions.
    """
    where = valid_pixels(seen, ignore_index)
    return histogram((regions, seen.label, seen.prediction), (count, classes, classes), where)


def class_counts(confusion: np.ndarray) -> np.ndarray:
    """Return the pixels of each class that are right, labelled and predicted, [..., K, K] to [..., 3, K]."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    return np.stack([right, confusion.sum(axis=-1), confusion.sum(axis=-2)], axis=-2)


def histogram(images: Sequence[np.ndarray], sizes: Sequence[int], where: np.ndarray) -> np.ndarray:
    """Return how often ids stand at the same place of images, int64 [*sizes].

    Args:
        images: one to three, uint8 of one shape; where an id is not below the image's size, nothing counts.
        sizes: of each image the number of its ids, up to 256.
        where: bool of the same shape, the pixels to count.
    """
    total = np.zeros(tuple(sizes), np.int64)
    channels, ranges = list(range(len(images))), [bound for size in sizes for bound in (0, size)]
    rows = [image.reshape(1, -1) for image in (*images, where.view(np.uint8))]
    for start in range(0, where.size, _EXACT):
        *parts, mask = (row[:, start : start + _EXACT] for row in rows)
        found = cv2.calcHist(parts, channels, mask, list(sizes), ranges)
        total += found.reshape(total.shape).astype(np.int64)
    return total
