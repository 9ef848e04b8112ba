"""Image and label files -> arrays."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddleseg_lite.datasets.reading.labels import as_ids
from paddleseg_lite.datasets.reading.png import SIGNATURE as PNG_SIGNATURE
from paddleseg_lite.datasets.reading.png import RgbPng, open_rgb
from paddleseg_lite.errors import UserError, missing_modules

PNG_GRAY, _PNG_RGB, PNG_PALETTE = 0, 2, 3  # color types
_PNG_SUB = 1  # the filter that leaves each value's difference from the pixel to the left


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
        data = _read_bytes(path)
        levels = 255
        if data[:8] == PNG_SIGNATURE and len(data) > 33:
            data, levels = _png_as_gray(data)
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


def _png_as_gray(data: bytes) -> tuple[bytes, int]:
    """Return a PNG whose palette indices (or ids below 8 bits) cv2 will decode as gray, and its largest id.

    cv2 has no way to ask for the indices of a palette image; declared gray, they are what it decodes.
    """
    width, height, depth, kind, *rest = struct.unpack(">IIBBBBB", data[16:29])
    if kind not in (PNG_GRAY, PNG_PALETTE) or depth > 8:
        return data, 255
    if kind == PNG_PALETTE:
        header = struct.pack(">IIBBBBB", width, height, depth, PNG_GRAY, *rest)
        kept = [chunk for name, chunk in _png_chunks(data) if name in (b"IDAT", b"IEND")]
        data = PNG_SIGNATURE + _png_chunk(b"IHDR", header) + b"".join(kept)
    return data, 2**depth - 1


def encode_png(picture: np.ndarray) -> bytes:
    """Return the bytes of a PNG, uint8 [H, W] or RGB [H, W, 3]."""
    if missing_modules("isal") or picture.dtype != np.uint8 or picture.shape[2:] != (3,):
        return cv2.imencode(".png", picture if picture.ndim == 2 else picture[:, :, ::-1])[1].tobytes()
    from isal import isal_zlib  # compresses a photograph in a quarter of OpenCV's time

    height, width, _ = picture.shape
    rows = np.ascontiguousarray(picture).reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = _PNG_SUB
    filtered[:, 1:4] = rows[:, :3]
    np.subtract(rows[:, 3:], rows[:, :-3], out=filtered[:, 4:])
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, _PNG_RGB, 0, 0, 0),
        b"IDAT": isal_zlib.compress(filtered, 1),
        b"IEND": b"",
    }
    return PNG_SIGNATURE + b"".join(_png_chunk(name, content) for name, content in parts.items())


def with_palette(png: bytes, palette: np.ndarray) -> bytes:
    """Return a gray 8-bit PNG as a palette PNG: the same pixels, painted.

    Args:
        png: as cv2 encodes uint8 [H, W].
        palette: uint8 [K, 3], RGB; ids beyond it are black.
    """
    colors = np.zeros((256, 3), np.uint8)
    colors[: len(palette)] = palette
    width, height, depth, _, *rest = struct.unpack(">IIBBBBB", png[16:29])
    header = _png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, PNG_PALETTE, *rest))
    return PNG_SIGNATURE + header + _png_chunk(b"PLTE", colors.tobytes()) + png[33:]


def png_palette(data: bytes) -> np.ndarray | None:
    """Return the colors of a palette PNG, [N, 3] uint8 RGB; None if the bytes are anything else."""
    if data[:8] != PNG_SIGNATURE or len(data) <= 33 or data[25] != PNG_PALETTE:
        return None
    colors = next((chunk[8:-4] for name, chunk in _png_chunks(data) if name == b"PLTE"), b"")
    return np.frombuffer(colors, np.uint8, len(colors) // 3 * 3).reshape(-1, 3)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and bytes (length, name, content, checksum) of every chunk behind the header."""
    position = 33
    while position + 8 <= len(data):
        end = position + int.from_bytes(data[position : position + 4], "big") + 12
        yield data[position + 4 : position + 8], data[position:end]
        position = end


def _png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
