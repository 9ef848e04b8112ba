"""What there is to know of one image and its label, for the fingerprint of all; runs in worker processes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from paddleseg_lite.prepare.duplicates import perceptual_hash

BINS = 128  # of objects by size: bin b has areas of 2 ** (b / 2) to 2 ** ((b + 1) / 2) pixels
_MOST_SIDE = 1024  # objects of larger images are looked for in every n-th pixel


@dataclass(frozen=True)
class Measured:
    """One image and its label.

    Attributes:
        size: (height, width).
        bits: 8 or 16 for each channel.
        sums, squares: float64 [C], of the pixels on a scale of 0 to 1, and of their squares.
        class_pixels: int64 [K].
        ignored: pixels that do not count.
        objects: int64 [K, BINS], connected areas of each class by size.
        hash: see `perceptual_hash`.
    """

    size: tuple[int, int]
    bits: int
    sums: np.ndarray
    squares: np.ndarray
    class_pixels: np.ndarray
    ignored: int
    objects: np.ndarray
    hash: bytes | None


def measure(image: np.ndarray, label: np.ndarray, num_classes: int) -> Measured:
    """Measure an image, uint8 or uint16 [H, W, C], and its label, uint8 [H, W]."""
    height, width, _ = image.shape
    top, count = float(np.iinfo(image.dtype).max), height * width
    # Channel by channel: cv2 takes four at most.
    moments = [cv2.meanStdDev(image[:, :, channel]) for channel in range(image.shape[2])]
    means, spreads = (np.array([float(pair[i].item()) / top for pair in moments]) for i in (0, 1))
    class_pixels = np.bincount(label.ravel(), minlength=256)[:num_classes]
    return Measured(
        (height, width),
        8 * image.dtype.itemsize,
        means * count,
        (spreads**2 + means**2) * count,
        class_pixels,
        count - int(class_pixels.sum()),
        _objects(label, num_classes),
        perceptual_hash(image),
    )


def _objects(label: np.ndarray, num_classes: int) -> np.ndarray:
    step = -(-max(label.shape) // _MOST_SIDE)
    small = np.ascontiguousarray(label[::step, ::step])
    found = np.zeros((num_classes, BINS), np.int64)
    for index in np.unique(small):
        if index < num_classes:
            areas = cv2.connectedComponentsWithStats((small == index).astype(np.uint8))[2][
                1:, cv2.CC_STAT_AREA
            ]
            bins = np.floor(2 * np.log2(areas.astype(np.float64) * step * step)).astype(int)
            found[index] = np.bincount(bins, minlength=BINS)[:BINS]
    return found
