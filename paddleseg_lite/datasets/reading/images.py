"""Image and label files -> arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddleseg_lite.datasets.reading.labels import as_ids
from paddleseg_lite.datasets.reading.png import RgbPng, ids_as_gray, open_rgb
from paddleseg_lite.errors import UserError


def read_image(path: str | Path, channels: int = 3) -> np.ndarray:
    """Read an image file.

    Three channels are read as PaddleSeg does it: a gray file is repeated, transparency is dropped. Any other
    number must be what the file has.

    Args:
        path: anything that cv2 reads, or .npy with [H, W] or [H, W, C].
        channels: how many the network takes.

    Returns:
        [H, W, channels] uint8 or uint16, RGB (RGBA) order. An .npy file is memory-mapped.

    Raises:
        UserError: the file is missing, unreadable, truncated, or of another depth or number of channels.
    """
    image = open_image(path, channels)
    return image if isinstance(image, np.ndarray) else np.asarray(image)


def open_image(path: str | Path, channels: int = 3) -> np.ndarray | RgbPng:
    """Return what `read_image` would, or something of its shape that decodes the rows it is indexed with.

    Raises:
        UserError: as `read_image`.
    """
    image: Any
    if str(path).endswith(".npy"):
        image = _read_npy(path)
    else:
        data = _read_bytes(path)
        image = open_rgb(str(path), data)
        image = _decode_ordered(path, data, channels) if image is None else image
    image = image if image.ndim == 3 else image[..., None]
    if image.ndim != 3 or image.dtype not in (np.uint8, np.uint16):
        raise UserError(
            f"{path}: an array of shape {image.shape} and type {image.dtype}; images must be [H, W, C] or "
            "[H, W], of 8 or 16 unsigned bits; convert the file"
        )
    if image.shape[2] != channels:
        raise UserError(
            f"{path}: {image.shape[2]} channel(s), but img_channels is {channels}; convert the file or set "
            "img_channels (and the model's in_channels) to what the files have"
        )
    return image


def read_label(path: str | Path) -> np.ndarray:
    """Read a label file: one class id per pixel, as stored.

    Palette PNGs give their indices, not their colors; PNGs of 1, 2 and 4 bits their values, unscaled.

    Returns:
        [H, W] uint8.

    Raises:
        UserError: the file is missing or unreadable, has colors instead of ids, or an id above 255.
    """
    return as_ids(read_stored_label(path), path)


def read_stored_label(path: str | Path) -> np.ndarray:
    """Read a label file as it is: `read_label` before anything is checked.

    Returns:
        [H, W] of any type, or [H, W, C] in cv2's order of colors.

    Raises:
        UserError: the file is missing or unreadable.
    """
    if str(path).endswith(".npy"):
        label = _read_npy(path)
    else:
        data, levels = ids_as_gray(_read_bytes(path))
        label = _decode(path, data, cv2.IMREAD_UNCHANGED)
        if levels < 255:
            label = label // (255 // levels)  # libpng stretched them to 0..255
    return label


def _read_bytes(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def _read_npy(path: str | Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"cannot read {path}: {error}") from error


def _decode(path: str | Path, data: bytes, flags: int) -> np.ndarray:
    try:
        image = None if _is_cut_jpeg(data) else cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise UserError(
            f"cannot read {path}: {len(data)} bytes that are no complete image of a known format; replace "
            "the file or take it off the list"
        )
    return image


def _decode_ordered(path: str | Path, data: bytes, channels: int) -> np.ndarray:
    """Decode an image with cv2, colors in RGB order."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH if channels == 3 else cv2.IMREAD_UNCHANGED
    image = _decode(path, data, flags)
    if image.ndim == 3 and image.shape[2] == 3:
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    if image.ndim == 3 and image.shape[2] == 4:
        return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)
    return image


def _is_cut_jpeg(data: bytes) -> bool:
    """Whether a JPEG lacks its end: some versions of cv2 fill the rest with gray and say nothing."""
    if data[:2] != b"\xff\xd8":
        return False
    position = 2
    while data[position : position + 1] == b"\xff" and data[position + 1 : position + 2] != b"\xda":
        # A marker, then the length of its segment; a thumbnail with an end marker of its own is inside one.
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return data.find(b"\xff\xd9", position) < 0
