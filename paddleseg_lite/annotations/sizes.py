"""Whether a label fits its image, and lies as it does."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from paddleseg_lite.datasets.reading.header import TURNS, oriented, read_header
from paddleseg_lite.datasets.reading.images import read_bytes, read_image, read_orientation
from paddleseg_lite.errors import UserError


def upright_size(path: Path, channels: int) -> tuple[tuple[int, int], int]:
    """Return (height, width) of an image as it is read, and the EXIF orientation that it was turned by.

    Raises:
        UserError: it cannot be read.
    """
    found = size_of_bytes(read_bytes(path))
    if found is None:  # .npy, TIFF
        height, width = read_image(path, channels).shape[:2]
        return (height, width), read_orientation(path)
    return found


def size_of_bytes(data: bytes) -> tuple[tuple[int, int], int] | None:
    """Return what `upright_size` does, of the bytes of a file; None if their format does not say."""
    header = read_header(data)
    if header is None or not header.height:
        return None
    size = (header.height, header.width)
    return (size[::-1] if header.orientation in TURNS else size), header.orientation


def turned_like(
    label: np.ndarray, size: tuple[int, int], orientation: int, where: object, image: object
) -> np.ndarray:
    """Return a label [H, W] as its image lies.

    Tools disagree on whether they show, and annotate, the image turned by its EXIF orientation; the size
    tells. Where that does not change (orientations 2 to 4, square images) the label is taken as upright.

    Args:
        label: as it was annotated.
        size: (height, width) of the upright image.
        orientation: what the image was turned by.
        where, image: the files, for the message.

    Raises:
        UserError: it fits neither way.
    """
    if label.shape == size:
        return label
    if orientation in TURNS and label.shape == size[::-1]:
        return oriented(label, orientation)
    raise UserError(
        f"{where} is for {label.shape[1]}x{label.shape[0]} pixels (width x height), but its image {image} "
        f"has {size[1]}x{size[0]}; put the image there that was annotated"
    )
