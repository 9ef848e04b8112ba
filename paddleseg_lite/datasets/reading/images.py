"""Image and label files -> arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddleseg_lite.datasets.reading.header import TURNS, Header, is_cut_jpeg, oriented, read_header
from paddleseg_lite.datasets.reading.labels import as_ids
from paddleseg_lite.datasets.reading.png import TOO_LARGE, RgbPng, ids_as_gray, open_rgb
from paddleseg_lite.datasets.reading.tiff import is_tiff, read_tiff_image, read_tiff_label, tiff_orientation
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import read_regular

_MAX_PIXELS, _MAX_SIDE = 1 << 30, 1 << 20  # OpenCV's own limits,
_LIMIT = "OPENCV_IO_MAX_IMAGE_PIXELS"  # and where it looks for others when it is imported
_MAX_BYTES = 4 << 30  # of a file
_NO_MEMORY = -4  # cv2.Error.StsNoMem
_BANDS_OF_JPEG2000 = (1, 3, 4)  # that cv2 reads as they are
_NOT_EVERYWHERE = ("JPEG2000", "AVIF", "WEBP", "GIF")  # formats that not every build of cv2 has


def read_image(path: str | Path, channels: int = 3) -> np.ndarray:
    """Read an image file.

    Three channels are read as PaddleSeg does it: a gray file is repeated, transparency is dropped. Any other
    number must be what the file has. An image is turned as its EXIF orientation says, whatever its channels.

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
    if _is_npy(path):
        return _checked_image(path, _read_npy(path), channels)
    data = read_bytes(path)
    image = open_rgb(str(path), data)
    return decode_image(path, data, channels) if image is None else _checked_image(path, image, channels)


def decode_image(path: str | Path, data: bytes, channels: int = 3) -> np.ndarray:
    """Return what `read_image` would, of the bytes of a file; `path` says in messages where they are from.

    Raises:
        UserError: as `read_image`.
    """
    return _checked_image(path, _decode_image(path, data, channels), channels)


def _checked_image(path: str | Path, image: Any, channels: int) -> Any:
    """Return an image as [H, W, channels], if it is one."""
    image = image if image.ndim == 3 else image[..., None]
    if image.ndim != 3 or image.dtype not in (np.uint8, np.uint16):
        raise UserError(
            f"{path}: an array of shape {image.shape} and type {image.dtype}; images must be [H, W, C] or "
            "[H, W], of 8 or 16 unsigned bits; convert the file, for example to .npy of uint16"
        )
    if 0 in image.shape[:2]:
        raise UserError(f"{path}: an array of shape {image.shape}, without a pixel; take it off the list")
    if image.shape[2] != channels:
        raise UserError(
            f"{path}: {image.shape[2]} channel(s), but img_channels is {channels}; convert the file or set "
            "img_channels (and the model's in_channels) to what the files have"
        )
    return image


def read_orientation(path: str | Path) -> int:
    """Return the EXIF (or TIFF) orientation by which reading turns an image or label, 1 if it does not.

    Raises:
        UserError: the file is missing or unreadable.
    """
    if _is_npy(path):
        return 1
    data = read_bytes(path)
    if is_tiff(data):
        return tiff_orientation(data)
    header = read_header(data)
    return header.orientation if header else 1


def turned_apart(
    image_path: str | Path, image_size: tuple[int, ...], label_path: str | Path, label_size: tuple[int, ...]
) -> str:
    """Return what an error of sizes that differ says of EXIF orientation; "" where that is not the cause.

    Args:
        image_path, label_path: the files.
        image_size, label_size: (height, width) as they were read.

    Raises:
        UserError: a file is missing or unreadable.
    """
    orientation, label_orientation = read_orientation(image_path), read_orientation(label_path)
    lies_aside = (orientation in TURNS) != (label_orientation in TURNS)
    if not lies_aside or label_size != image_size[::-1]:
        return ""
    return f"; the image's EXIF orientation is {orientation}, the label's {label_orientation}"


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
    if _is_npy(path):
        label = _read_npy(path)
    else:
        data = read_bytes(path)
        if is_tiff(data):
            return read_tiff_label(path, data)
        header, levels, samples = read_header(data), 255, None
        if header is not None and header.kind == "PNG":
            data, levels = ids_as_gray(data)
            samples = 0  # a palette's indices are read
        label = _decode(path, data, cv2.IMREAD_UNCHANGED, header, samples)
        if levels < 255:
            label = label // (255 // levels)  # libpng stretched them to 0..255
    return label


def read_bytes(path: str | Path) -> bytes:
    """Return the file of an image or a label as it is.

    Raises:
        UserError: it is missing, unreadable, or too large for one.
    """
    return read_regular(Path(path), _MAX_BYTES)


def _is_npy(path: str | Path) -> bool:
    return str(path).lower().endswith(".npy")


def _read_npy(path: str | Path) -> np.ndarray:
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"cannot read {path}: it is no regular file, but a folder, a pipe or a device")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy says in many ways that a file is damaged
        reason = str(error) or type(error).__name__
        if "mmap length" in reason:  # Python's words
            reason = f"it is truncated: its {os.path.getsize(path)} bytes are fewer than its header tells of"
        raise UserError(f"cannot read {path}: {reason}; replace the file or take it off the list") from error
    if not isinstance(array, np.ndarray):
        raise UserError(f"cannot read {path}: it holds several arrays, as .npz does; save one as .npy")
    # Another machine's order of bytes is converted: the values are what counts.
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _decode_image(path: str | Path, data: bytes, channels: int) -> np.ndarray:
    """Decode an image, colors in RGB order."""
    if is_tiff(data):
        return read_tiff_image(path, data, channels)
    header = read_header(data)
    if channels == 3:
        # What is in the file becomes RGB: that gray is repeated and transparency left out is meant.
        image = _decode(path, data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH, header, samples=3)
    else:
        image = _decode(path, data, cv2.IMREAD_UNCHANGED, header)
    if image.ndim == 2 or image.shape[2] not in (3, 4):
        return image
    if image.dtype not in (np.uint8, np.uint16):
        return image  # which is refused
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


def _decode(
    path: str | Path, data: bytes, flags: int, header: Header | None, samples: int | None = None
) -> np.ndarray:
    """Decode with cv2, compare the result with the header, and turn it as that says.

    Args:
        path: the file, for messages.
        data: its bytes.
        flags: cv2's; the orientation is left to this function.
        header: what the file says of itself; None if that is not known.
        samples: how many values a pixel must have; 0: any number, None: as many as the header says.

    Raises:
        UserError: it is no whole image of a kind that cv2 reads, or one of several, or cv2 makes something
            else of it.
    """
    if header is not None and header.frames > 1:
        raise UserError(
            f"cannot read {path}: {header.kind} of {header.frames} frames, where one image is expected; save "
            "the frame that is meant as PNG"
        )
    try:
        image = None
        if not is_cut_jpeg(data):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except (cv2.error, MemoryError) as error:
        if isinstance(error, MemoryError) or error.code == _NO_MEMORY:
            raise UserError(f"cannot read {path}: {TOO_LARGE}") from error
    if image is None:
        raise UserError(f"cannot read {path}: {_why_undecoded(data, header)}")
    if header is None:
        return image
    if header.samples == 2 and image.shape[2:] == (4,):
        image = np.ascontiguousarray(image[..., 2:])  # gray three times, and its transparency
    found = (*image.shape[:2], image.shape[2] if image.ndim == 3 else 1, 8 * image.dtype.itemsize)
    said = (
        header.height,
        header.width,
        (header.samples if samples is None else samples) or found[2],
        (8 if header.bits <= 8 else 16) if header.bits else found[3],
    )
    if found != said:
        words = [
            "{1}x{0} pixels (width x height) of {2} channel(s) and {3} bits".format(*f) for f in (said, found)
        ]
        raise UserError(
            f"cannot read {path}: it has {words[0]}, but OpenCV makes {words[1]} of it; convert it to PNG or "
            "to .npy of [H, W, C]"
        )
    return oriented(image, header.orientation)


def _why_undecoded(data: bytes, header: Header | None) -> str:
    """Return what is wrong with a file of which cv2 makes nothing, and what to do."""
    if header is not None:
        height, width = header.height, header.width
        if (height * width > _MAX_PIXELS or max(height, width) > _MAX_SIDE) and _LIMIT not in os.environ:
            return (
                f"a {header.kind} of {width}x{height} pixels (width x height), and OpenCV reads no more than "
                f"{_MAX_PIXELS} of them, {_MAX_SIDE} on a side; cut it into tiles, save it as .npy, or set "
                f"{_LIMIT} in the environment"
            )
        if header.kind == "JPEG" and header.bits != 8:
            return f"a JPEG of {header.bits} bits, which OpenCV does not read; convert it to PNG"
        if header.kind == "HEIC":
            return "HEIC, which OpenCV does not read; convert it to PNG"
        if header.kind == "JPEG2000" and header.samples not in (0, *_BANDS_OF_JPEG2000):
            return (
                f"JPEG2000 of {header.samples} bands, which OpenCV does not read; convert it to .npy "
                "of [H, W, C]"
            )
        if header.kind in _NOT_EVERYWHERE:
            return (
                f"{header.kind} that is damaged, or of a kind that this OpenCV does not read; replace the "
                "file, or convert it to PNG"
            )
    known = "no complete image of a known format; replace the file or take it off the list"
    return f"{len(data)} bytes that are {known}"
