"""What a data set says about its images and labels; it travels as one object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DatasetInfo:
    """A data set's declaration.

    Attributes:
        num_classes: K.
        in_channels: channels of the images.
        classes: K names.
        palette: [K, 3] uint8 RGB.
        ignore_index: label of pixels that don't count.
    """

    num_classes: int
    in_channels: int
    classes: tuple[str, ...]
    palette: np.ndarray
    ignore_index: int = 255


def voc_palette(num_classes: int) -> np.ndarray:
    """Return Pascal VOC's colors, [num_classes, 3] uint8 RGB: the bits of the id, spread over R, G and B."""
    ids = np.arange(num_classes)
    palette = np.zeros((num_classes, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((ids >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return palette
