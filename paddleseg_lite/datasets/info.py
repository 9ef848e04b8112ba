"""What a data set says about its images and labels; it travels as one object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddleseg_lite.errors import UserError


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
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


def checked_info(
    num_classes: int,
    in_channels: int = 3,
    classes: Sequence[str] | None = None,
    palette: Any = None,
    ignore_index: int = 255,
) -> DatasetInfo:
    """Return a declaration as a user gives it, checked, with "class 0" and so on and Pascal VOC's colors.

    Args:
        num_classes: K, 1 to 256.
        in_channels: channels of the images, which a config calls img_channels.
        classes: K names.
        palette: K colors [red, green, blue], each 0 to 255.
        ignore_index: label of pixels that don't count, 0 to 255.

    Raises:
        UserError: an argument is something else.
    """
    limits = (
        ("num_classes", num_classes, 1, 256),
        ("ignore_index", ignore_index, 0, 255),
        ("img_channels", in_channels, 1, 1024),
    )
    for name, value, low, high in limits:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise UserError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
    if classes is None:
        classes = [f"class {index}" for index in range(num_classes)]
    if isinstance(classes, str) or len(classes) != num_classes:
        raise UserError(f"classes must be a list of {num_classes} names, one per class, got {classes!r}")
    try:
        colors = voc_palette(num_classes) if palette is None else np.asarray(palette, np.int64)
    except (TypeError, ValueError):
        colors = np.empty(0)
    if colors.shape != (num_classes, 3) or colors.min() < 0 or colors.max() > 255:
        raise UserError(f"palette must be a list of {num_classes} colors [red, green, blue], each 0 to 255")
    names = tuple(str(name) for name in classes)
    return DatasetInfo(num_classes, in_channels, names, colors.astype(np.uint8), ignore_index)


def voc_palette(num_classes: int) -> np.ndarray:
    """Return Pascal VOC's colors, [num_classes, 3] uint8 RGB: the bits of the id, spread over R, G and B."""
    ids = np.arange(num_classes)
    palette = np.zeros((num_classes, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((ids >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return palette
